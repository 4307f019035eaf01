"""The multiplications left in `mini` are those that the page states."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness.towers import qwen_sizes
from benchmarks.inside import Case, pruned_run, share_left
from evscli.bundled import MINI_FOLDER
from evscli.encoders import load_encoder
from evscli.encoders.scorer import load_scorer
from evscli.models.parts.frame_tower import FrameTower
from evscli.models.parts.pixels import QwenPixels
from evscli.pruners import check_selection
from evscli.records import PruneInputs

PAGE = (Path(__file__).parents[2] / "docs" / "evidence.md").read_text()
GRID = (18, 32)
"""The patches of the largest frames that `mini` sees."""


def test_stts_leaves_in_mini_what_the_page_says(models: dict[str, Any]) -> None:
    vision = models["mini"].model.visual
    patch = vision.config.patch_size
    encoder = load_encoder("mini", dtype="float32", device="cpu")
    assert isinstance(encoder.form, QwenPixels)
    case = Case(
        name="mini",
        tower=FrameTower(vision, GRID),
        form=encoder.form,
        pixels=torch.randint(0, 256, (16, 3, GRID[0] * patch, GRID[1] * patch), dtype=torch.uint8),
        sizes=qwen_sizes(vision.config.to_dict(), patch=patch),
    )
    scorer = load_scorer(MINI_FOLDER, width=case.sizes.width)
    request = check_selection("stts", 0.5, prune_at=1)
    inputs = PruneInputs(scorer=scorer, heads=case.tower.heads)
    with torch.no_grad():
        choice = pruned_run(case, request, inputs, "cpu")()
    (stated,) = re.findall(r"and ([\d.]+) of the multiplications are left", PAGE)
    assert stated == f"{share_left(case, request, choice):.2f}"
