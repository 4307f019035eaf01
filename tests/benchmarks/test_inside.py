"""The multiplications left in `mini` are those that the page states."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

from benchmarks.inside import Case, pruned_run, share_left
from evscli.bundled import MINI, MINI_FOLDER
from evscli.encoders import load_encoder
from evscli.encoders.scorer import load_scorer
from evscli.models.parts.frame_tower import FrameTower
from evscli.pruners import check_selection
from evscli.records import PruneInputs

PAGE = (Path(__file__).parents[2] / "docs" / "evidence.md").read_text()
GRID = (18, 32)
"""The patches of the largest frames that `mini` sees."""


def test_stts_leaves_in_mini_what_the_page_says(models: dict[str, Any]) -> None:
    vision = models["mini"].model.visual
    config = vision.config
    merged = config.hidden_size * config.spatial_merge_size**2
    size = (GRID[0] * config.patch_size, GRID[1] * config.patch_size)
    case = Case(
        name="mini",
        tower=FrameTower(vision, GRID),
        form=load_encoder(MINI).form,
        pixels=torch.randint(0, 256, (16, 3, *size), dtype=torch.uint8),
        width=config.hidden_size,
        inner=config.intermediate_size,
        connector=(1 + len(config.deepstack_visual_indexes))
        * merged
        * (merged + config.out_hidden_size),
        used=config.depth,
    )
    scorer = load_scorer(MINI_FOLDER, width=config.hidden_size)
    request = check_selection("stts", 0.5, prune_at=1)
    inputs = PruneInputs(scorer=scorer, heads=case.tower.heads)
    with torch.no_grad():
        choice = pruned_run(case, request, inputs, "cpu")()
    (stated,) = re.findall(r"and ([\d.]+) of the multiplications are left", PAGE)
    assert stated == f"{share_left(case, request, choice):.2f}"
