from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from evscli.language.prefill import prompt_format
from evscli.language.prompt import place_videos
from evscli.models.contract import Marks, VideoLayout
from evscli.records import PrunedVideo
from tests.checkpoints import FAMILIES, make_model
from tests.language.reference import Clip, make_blank, pruned

PAD, TEXT = 7, 5
MARKS = Marks(item="p", start="s", pad="p", end="e")


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    """Models of this module's own: the test changes a setting of one."""
    return {family: make_model(family) for family in FAMILIES}


@st.composite
def videos(draw: st.DrawFn) -> tuple[Clip, Tensor]:
    """A clip without pixels and a mask over its grid, possibly with nothing kept."""
    grid = tuple(draw(st.tuples(st.integers(1, 6), st.integers(1, 5), st.integers(1, 5))))
    step, fps = draw(st.integers(1, 90)), draw(st.floats(1.0, 120.0))
    indices = [step * i for i in range(2 * grid[0] - draw(st.booleans()))]
    mask = torch.tensor(
        draw(
            st.lists(
                st.booleans(),
                min_size=grid[0] * grid[1] * grid[2],
                max_size=grid[0] * grid[1] * grid[2],
            )
        )
    )
    clip = Clip(pixels=torch.empty(0), grid=grid, indices=indices, fps=fps, frames=indices[-1] + 7)
    return clip, mask.view(grid)


def full_prompt(
    clips: list[tuple[Clip, Tensor]], gaps: list[int], *, framewise: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """ids with one placeholder per run; ids of the full prompt; which of the latter stay."""
    short, full, keep = [TEXT], [TEXT], [True]
    for (_, mask), gap in zip(clips, gaps, strict=True):
        for run in mask.flatten(1) if framewise else [mask.flatten()]:
            short += [PAD] + [TEXT] * gap
            full += [PAD] * len(run) + [TEXT] * gap
            keep += [*run.tolist(), *[True] * gap]
    return torch.tensor(short), torch.tensor(full), torch.tensor(keep)


def model_positions(model: Any, full: Tensor, clips: list[Clip]) -> Tensor:
    """The installed model's own position ids [3, S] for the full prompt."""
    interval = torch.tensor([2 / clip.metadata().sampled_fps for clip in clips])
    positions, _ = model.model.get_rope_index(
        full[None],
        mm_token_type_ids=2 * (full == PAD)[None].int(),
        video_grid_thw=torch.cat([clip.patches for clip in clips]),
        second_per_grid_ts=interval,
    )
    return positions[:, 0]


@pytest.mark.parametrize("family", FAMILIES)
@settings(deadline=None, max_examples=20)
@given(drawn=st.lists(videos(), min_size=1, max_size=3), data=st.data())
def test_positions_are_those_of_the_full_prompt_sliced(
    family: str, models: Any, drawn: list[tuple[Clip, Tensor]], data: st.DataObject
) -> None:
    model, side = models[family], prompt_format(family)
    if family == "qwen2_5_vl":
        model.config.vision_config.tokens_per_second = data.draw(st.sampled_from([2, 4, 25]))
    gaps = [data.draw(st.integers(1, 4)) for _ in drawn]
    short, full, keep = full_prompt(drawn, gaps, framewise=side.timestamps)
    records = [pruned(make_blank(model, clip), mask) for clip, mask in drawn]
    ids, positions = place_videos(
        short, torch.tensor([PAD]), [layout_of(side, record) for record in records]
    )
    expected = model_positions(model, full, [clip for clip, _ in drawn])
    assert torch.equal(ids, full[keep])
    assert positions.dtype == torch.int64
    assert torch.equal(positions, expected[:, keep])


@pytest.mark.parametrize(("step", "fps"), [(7, 12.0), (27, 30.0), (27, 60.0), (37, 24.0)])
def test_temporal_ids_are_rounded_as_the_model_rounds(
    step: int, fps: float, models: dict[str, Any]
) -> None:
    """Products that fall on a whole number in float32 and just below it in float64."""
    models["qwen2_5_vl"].config.vision_config.tokens_per_second = 2
    indices = [step * i for i in range(10)]
    clip = Clip(
        pixels=torch.empty(0), grid=(5, 1, 1), indices=indices, fps=fps, frames=9 * step + 7
    )
    record = make_blank(models["qwen2_5_vl"], clip)
    layout = layout_of(prompt_format("qwen2_5_vl"), record)
    expected = model_positions(models["qwen2_5_vl"], torch.full((5,), PAD), [clip])
    assert torch.equal(layout.offsets, expected)


def test_a_prompt_without_videos_counts_up() -> None:
    ids, positions = place_videos(torch.tensor([1, 2, 3]), torch.tensor([PAD]), [])
    assert ids.tolist() == [1, 2, 3]
    assert positions.tolist() == [[0, 1, 2]] * 3


def layout_of(side: Any, record: PrunedVideo) -> VideoLayout:
    return side.layout(record, record.prompt_times.tolist(), MARKS)
