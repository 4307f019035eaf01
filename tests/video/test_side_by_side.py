"""One video decoded by several threads: the frames of one, and their errors at the same place."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evscli.errors import VideoError
from evscli.records import FrameChunk
from evscli.video import decode_frames, index_video
from evscli.video.side_by_side import SideBySide, stretches
from tests.video.test_decode import CLIPS, plan_of
from tests.video.test_skipping import CLIPS as SKIPPING
from tests.video.test_skipping import clip
from tests.videos import damage, write_video


def decoded(path: Path, numbers: list[int], *, threads: int) -> torch.Tensor:
    """[F, 3, H, W], with what the chunks say about their places checked."""
    index, done = index_video(path), 0
    parts = []
    for chunk in decode_frames(index, plan_of(index, numbers), chunk_frames=6, threads=threads):
        assert chunk.start == done
        done += len(chunk.pixels)
        parts.append(chunk.pixels)
    return torch.cat(parts)


@pytest.mark.parametrize("name", CLIPS)
def test_pixels_are_those_of_one_thread(tmp_path: Path, name: str) -> None:
    form = {"frames": 60, "gop": 6, **CLIPS[name]}
    if "pts" in form:
        del form["frames"]
    path = write_video(tmp_path / name, **form)
    frames = index_video(path).frames
    for numbers in ([*range(frames)], [*range(2, frames, 7)], [0, 0, 3, 3, frames - 1]):
        alone = decoded(path, numbers, threads=1)
        for threads in (2, 3, 16):
            assert torch.equal(decoded(path, numbers, threads=threads), alone)


@pytest.mark.slow
@pytest.mark.parametrize("name", SKIPPING)
def test_so_they_are_where_frames_stay_undecoded(tmp_path: Path, name: str) -> None:
    path = clip(tmp_path, name)
    for step in (1, 5):
        numbers = [*range(0, 72, step)]
        alone = decoded(path, numbers, threads=1)
        assert torch.equal(decoded(path, numbers, threads=3), alone)


def test_stretches_begin_at_key_frames_and_hold_every_frame_once(tmp_path: Path) -> None:
    index = index_video(write_video(tmp_path / "clip.mp4", frames=60, gop=6))
    wanted = np.arange(0, 60, 2)
    parts = stretches(index, wanted, 4)
    assert [*parts] == [range(start, start + 6) for start in range(0, 30, 6)]
    assert stretches(index, wanted, 1) == [range(start, start + 3) for start in range(0, 30, 3)]
    assert stretches(index, wanted, 100) == [range(30)]
    assert stretches(index, wanted[:0], 1) == []


@pytest.mark.parametrize(
    ("codec", "count"),
    [("libx264", 10), ("libx265", 1), ("libvpx", 1), ("libvpx-vp9", 10), ("msmpeg4", 1)],
)
def test_codecs_that_show_unnoticed_damage_as_they_please_are_decoded_by_one_thread(
    tmp_path: Path, codec: str, count: int
) -> None:
    path = write_video(tmp_path / "clip.mkv", frames=60, gop=6, codec=codec, bframes=0)
    assert len(stretches(index_video(path), np.arange(60), 1)) == count


def test_several_threads_decode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "clip.mp4", frames=60, gop=6)
    seen = set()
    from evscli.video import decode

    original = decode._pixels

    def pixels(*arguments: Any) -> Any:
        seen.add(threading.get_ident())
        return original(*arguments)

    monkeypatch.setattr(decode, "_pixels", pixels)
    decoded(path, [*range(60)], threads=3)
    assert len(seen) == 3
    assert threading.get_ident() not in seen


def test_damage_is_met_at_its_place(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", frames=60, gop=6)
    index = index_video(path)
    damage(path, start=0.7, stop=0.75)  # after it was looked through
    met = []
    for threads in (1, 3):
        chunks = decode_frames(index, plan_of(index, range(60)), chunk_frames=6, threads=threads)
        found = list[FrameChunk]()
        with pytest.raises(VideoError) as raised:
            found.extend(chunks)
        met.append((sum(len(chunk.pixels) for chunk in found), str(raised.value)))
    assert met[0] == met[1]
    assert 30 < met[0][0] < 60


def test_threads_end_where_frames_are_not_wanted_any_more(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", frames=60, gop=6)
    index, threads = index_video(path), threading.active_count()
    chunks = decode_frames(index, plan_of(index, range(60)), chunk_frames=6, threads=3)
    next(chunks)
    assert threading.active_count() > threads
    chunks.close()  # type: ignore[attr-defined]
    assert threading.active_count() == threads


class Sources:
    """Sources whose frames are their positions, of which some cannot be had."""

    def __init__(self, *, bad: int | None = None, opens: bool = True) -> None:
        self.bad, self.opens = bad, opens
        self.decoded: list[int] = []

    @contextmanager
    def open(self) -> Iterator[None]:
        if not self.opens:
            raise OSError("it is gone")
        yield

    def decode(self, _: Any, positions: range) -> Any:
        self.decoded.append(positions.start)
        if self.bad in positions:
            raise ValueError(f"{self.bad} is bad")
        return np.array(positions)


def taken(sources: Sources, *, threads: int = 2) -> Iterator[int]:
    parts = [range(start, start + 4) for start in range(0, 40, 4)]
    pieces: Any = SideBySide(parts, sources.open, sources.decode, threads=threads, piece=2)
    try:
        for start, values in pieces:
            assert values[0] == start
            yield from values.tolist()
    finally:
        pieces.close()


def test_pieces_come_in_order() -> None:
    assert [*taken(Sources(), threads=3)] == [*range(40)]


def test_errors_come_behind_the_pieces_before_them() -> None:
    found = list[int]()
    with pytest.raises(ValueError, match="21 is bad"):
        found.extend(taken(Sources(bad=21)))  # which keeps what came before the error
    assert found == [*range(20)]
    with pytest.raises(OSError, match="it is gone"):
        [*taken(Sources(opens=False))]


def test_threads_do_not_run_far_ahead() -> None:
    sources = Sources()
    values = taken(sources)
    assert next(values) == 0
    for _ in range(200):  # time in which they could
        threading.Event().wait(0.001)
    assert max(sources.decoded) < 4 * (1 + 1 + 2)
    values.close()  # type: ignore[attr-defined]
