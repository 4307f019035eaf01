"""The contact sheet: sampled pixels are bright or dim where cells are kept or dropped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evscli.errors import UsageError
from evscli.records import PrunedVideo
from evscli.render.sheet import CAPTION, MARGIN, SEAM, Layout, contact_sheet
from evscli.render.views import views_of
from evscli.video import index_video
from tests.checkpoints import make_checkpoint
from tests.render.stores import (
    LIGHT,
    QUARTERS,
    checkerboard,
    flat_video,
    known_record,
    quartered_video,
)

SHAPES = {
    "plain": {"size": (96, 128)},
    "odd": {"size": (85, 131)},
    "rotated": {"size": (96, 128), "rotation": 90},
    "tall": {"size": (240, 100)},
}


def sheet_of(record: PrunedVideo, source: Path | None, **given: object) -> tuple[Image.Image, int]:
    (view,) = views_of([(Path("store"), record)], scores=False, must=False)
    index = None if source is None else index_video(source)
    return contact_sheet(view, index, frames=100, **given)  # type: ignore[arg-type]


def cells_of(
    sheet: Image.Image, record: PrunedVideo
) -> dict[tuple[int, int, int, int], tuple[int, ...]]:
    """(t, frame, h, w) -> the pixel in the middle of the cell."""
    t, h, w = record.info.grid_thw
    size = record.info.model.temporal_patch_size
    layout = Layout.of(record.info.source_size, size, t)
    top = sheet.height - MARGIN - -(-t // layout.columns) * (layout.card[1] + 16) + 16
    width, height = layout.frame
    found = {}
    for patch in range(t):
        x, y = layout.place(patch)
        for frame in range(size):
            for i in range(h):
                for j in range(w):
                    across = MARGIN + x + frame * (width + SEAM) + int((j + 0.5) * width / w)
                    down = top + y + int((i + 0.5) * height / h)
                    found[patch, frame, i, j] = sheet.getpixel((across, down))
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("shape", SHAPES)
def test_kept_cells_are_bright_and_dropped_ones_dim(shape: str, tmp_path: Path) -> None:
    video = flat_video(tmp_path / "flat.mp4", **SHAPES[shape])  # type: ignore[arg-type]
    record = known_record(video, checkerboard)
    sheet, shown = sheet_of(record, video)
    assert shown == len(record.source_index)
    for (t, _, h, w), pixel in cells_of(sheet, record).items():
        if record.keep_mask[t, h, w]:
            assert np.abs(np.array(pixel) - LIGHT).max() <= 6, (t, h, w)
        else:
            assert max(pixel) <= 70, (t, h, w)
            assert max(pixel) - min(pixel) == 0


@pytest.mark.parametrize(("family", "cell"), [("qwen2_5_vl", 28), ("qwen3_vl", 16), ("molmo2", 42)])
def test_cells_of_every_family_are_mapped_back_to_the_source(
    family: str, cell: int, tmp_path: Path
) -> None:
    folder = str(make_checkpoint(tmp_path / family, family))
    video = flat_video(tmp_path / "flat.mp4", size=(150, 260))
    record = known_record(video, checkerboard, model=folder)
    assert record.info.model.patch_size * record.info.model.merge_size == cell
    sheet, _ = sheet_of(record, video)
    for (t, _, h, w), pixel in cells_of(sheet, record).items():
        if record.keep_mask[t, h, w]:
            assert np.abs(np.array(pixel) - LIGHT).max() <= 6, (t, h, w)
        else:
            assert max(pixel) <= 70, (t, h, w)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_pictures_are_turned_with_their_cells(rotation: int, tmp_path: Path) -> None:
    video = quartered_video(tmp_path / "quarters.mp4", rotation=rotation)
    record = known_record(video, lambda grid: np.random.default_rng(0).random(grid) < 0.5)
    _, h, w = record.info.grid_thw
    quarters = np.rot90(np.array(QUARTERS).reshape(2, 2, 3), rotation // 90)
    sheet, _ = sheet_of(record, video)
    for (patch, _, i, j), pixel in cells_of(sheet, record).items():
        colour = quarters[2 * i // h, 2 * j // w]
        if record.keep_mask[patch, i, j]:
            assert np.abs(np.array(pixel) - colour).max() <= 12, (patch, i, j)
        else:
            assert max(pixel) <= 80


def test_without_a_source_cells_are_drawn_alone(tmp_path: Path) -> None:
    video = flat_video(tmp_path / "flat.mp4")
    record = known_record(video)
    sheet, _ = sheet_of(record, None)
    for (t, _, h, w), pixel in cells_of(sheet, record).items():
        assert (min(pixel) > 150) == bool(record.keep_mask[t, h, w])


def test_time_and_number_choose_frames(tmp_path: Path) -> None:
    video = flat_video(tmp_path / "flat.mp4", frames=64)
    record = known_record(video)
    (view,) = views_of([(Path("store"), record)], scores=False, must=False)
    _, shown = contact_sheet(view, index_video(video), frames=6)
    assert shown == 6
    _, shown = contact_sheet(view, index_video(video), frames=100, start=2.0, stop=4.0)
    inside = (record.frame_times >= 2) & (record.frame_times <= 4)
    assert shown == 2 * int(inside.view(-1, 2).any(1).sum())
    with pytest.raises(UsageError, match="no sampled frame lies in the time from 90 s"):
        contact_sheet(view, None, frames=4, start=90.0, stop=99.0)


@pytest.mark.slow
def test_the_sheet_of_a_long_video_is_no_larger(tmp_path: Path) -> None:
    sizes = []
    for frames in (32, 96):
        video = flat_video(tmp_path / f"{frames}.mp4", frames=frames)
        (view,) = views_of([(Path("s"), known_record(video))], scores=False, must=False)
        sizes.append(contact_sheet(view, index_video(video), frames=8)[0].size)
    assert sizes[0] == sizes[1]


def test_captions_leave_room() -> None:
    layout = Layout.of((216, 384), 2, 20)
    assert layout.columns == 4
    assert layout.card[1] == layout.frame[1] + CAPTION
    assert Layout.of((216, 384), 2, 1).columns == 1
