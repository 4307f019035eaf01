"""The overlay video: every frame has the mask of its temporal patch, and the source's own time."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import Colorspace
from numpy.typing import NDArray
from PIL import Image

from evscli.records import PrunedVideo
from evscli.render.overlay import patch_of_frames, write_overlay
from evscli.render.views import against_view, views_of
from evscli.video import index_video
from tests.render.stores import LIGHT, checkerboard, flat_video, known_record
from tests.videos import rgb, write_video


def overlay_of(record: PrunedVideo, source: Path | None, path: Path) -> list[int]:
    (view,) = views_of([(Path("store"), record)], scores=False, must=False)
    told: list[int] = []
    write_overlay(view, None if source is None else index_video(source), path, advance=told.append)
    return told


def frames_of(path: Path) -> tuple[list[NDArray[np.uint8]], list[float]]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [rgb(frame) for frame in frames], [frame.time for frame in frames]


def check_cells(
    frames: Sequence[NDArray[np.uint8]], times: NDArray[np.float64], record: PrunedVideo
) -> None:
    """Bright where kept, dim where dropped, but for the lowest row, where the strip is."""
    _, h, w = record.info.grid_thw
    height, width = record.info.source_size
    for number, t in enumerate(patch_of_frames(record, times)):
        for i in range(h - 1):
            for j in range(w):
                pixel = frames[number][int((i + 0.5) * height / h), int((j + 0.5) * width / w)]
                if record.keep_mask[t, i, j]:
                    assert np.abs(pixel.astype(int) - LIGHT).max() <= 10, (number, i, j)
                else:
                    assert pixel.max() <= 80, (number, i, j)


@pytest.mark.parametrize(
    ("size", "rotation"),
    [
        ((255, 391), 0),
        ((288, 384), 90),
        *(
            pytest.param(*one, marks=pytest.mark.slow)
            for one in (((288, 384), 0), ((384, 288), 270))
        ),
    ],
)
def test_kept_cells_are_bright_and_dropped_ones_dim(
    size: tuple[int, int], rotation: int, tmp_path: Path
) -> None:
    video = flat_video(tmp_path / "flat.mp4", size=size, rotation=rotation, frames=12)
    record = known_record(video, checkerboard)
    told = overlay_of(record, video, tmp_path / "overlay.mp4")
    frames, times = frames_of(tmp_path / "overlay.mp4")
    assert sum(told) == len(frames) == record.info.source_frames
    height, width = record.info.source_size
    assert frames[0].shape == (height + height % 2, width + width % 2, 3)
    assert times == pytest.approx(index_video(video).times.tolist())
    check_cells(frames, np.array(times), record)


def test_it_is_what_browsers_play(tmp_path: Path) -> None:
    video = flat_video(tmp_path / "flat.mp4")
    overlay_of(known_record(video), video, tmp_path / "overlay.mp4")
    data = (tmp_path / "overlay.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(tmp_path / "overlay.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert next(container.decode(video=0)).colorspace == Colorspace.ITU709


@pytest.mark.parametrize(("rotation", "shape"), [(0, Fraction(2)), (90, Fraction(1, 2))])
def test_pixels_keep_their_shape(rotation: int, shape: Fraction, tmp_path: Path) -> None:
    with av.open(str(tmp_path / "anamorphic.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2)
        if rotation:
            stream.set_display_rotation(rotation)
        for _ in range(8):
            container.mux(stream.encode(av.VideoFrame(128, 96, "yuv420p")))
        container.mux(stream.encode(None))
    record = known_record(tmp_path / "anamorphic.mp4")
    overlay_of(record, tmp_path / "anamorphic.mp4", tmp_path / "overlay.mp4")
    with av.open(str(tmp_path / "overlay.mp4")) as made:
        assert made.streams.video[0].sample_aspect_ratio == shape


def test_scores_and_two_stores_are_painted_too(tmp_path: Path) -> None:
    video = flat_video(tmp_path / "flat.mp4", size=(192, 256), frames=8)
    scored = known_record(video, method="vcast", store_scores=True)
    other = known_record(video)
    named = [(Path("a"), scored), (Path("b"), other)]
    views = [*views_of(named[:1], scores=True, must=True), against_view(*named)]
    for view in views:
        write_overlay(view, index_video(video), tmp_path / "o.mp4", advance=lambda _: None)
        frames, _ = frames_of(tmp_path / "o.mp4")
        source = Image.new("RGB", (256, 192), LIGHT)
        wanted = np.asarray(view.painter.paint(source, 0)).astype(int)
        _, h, w = scored.info.grid_thw
        for i in range(h - 2):
            for j in range(w):
                y, x = int((i + 0.5) * 192 / h), int((j + 0.5) * 256 / w)
                assert np.abs(frames[0][y, x] - wanted[y, x]).max() <= 14, (view.name, i, j)


def test_times_of_a_variable_rate_are_kept(tmp_path: Path) -> None:
    pts = [0, 40, 80, 400, 420, 1000, 1500, 1520, 1560, 2000]
    video = write_video(tmp_path / "variable.mkv", pts=pts)
    overlay_of(known_record(video), video, tmp_path / "overlay.mp4")
    assert frames_of(tmp_path / "overlay.mp4")[1] == pytest.approx([time / 1000 for time in pts])


@pytest.mark.parametrize(
    ("name", "times"), [("bare.h264", None), ("equal.mkv", [0, 40, 40, 80, 120, 160])]
)
def test_frames_without_times_of_their_own_come_at_an_even_rate(
    name: str, times: list[int] | None, tmp_path: Path
) -> None:
    video = write_video(tmp_path / name, frames=6, pts=times, bframes=0)
    record = known_record(video)
    overlay_of(record, video, tmp_path / "overlay.mp4")
    frames, shown = frames_of(tmp_path / "overlay.mp4")
    assert len(frames) == 6
    assert np.diff(shown) == pytest.approx([1 / record.info.source_fps] * 5, rel=1e-3)


def test_without_a_source_cells_are_drawn_alone(tmp_path: Path) -> None:
    video = flat_video(tmp_path / "flat.mp4", size=(192, 256), frames=8)
    record = known_record(video)
    overlay_of(record, None, tmp_path / "overlay.mp4")
    frames, times = frames_of(tmp_path / "overlay.mp4")
    assert len(frames) == record.info.source_frames
    assert times[1] == pytest.approx(1 / 8)


def test_a_frame_belongs_to_the_temporal_patch_it_is_nearest_to(tmp_path: Path) -> None:
    video = flat_video(tmp_path / "flat.mp4", frames=60, fps=12)
    record = known_record(video)
    owners = patch_of_frames(record, np.arange(60) / 12)
    index = record.source_index.numpy()
    assert len(owners) == 60
    assert (np.diff(owners) >= 0).all()
    for place, frame in enumerate(index):
        assert owners[frame] == place // 2
    for frame, owner in enumerate(owners):
        distances = np.abs(index - frame)
        assert distances[2 * owner : 2 * owner + 2].min() == distances.min()
