from __future__ import annotations

import errno
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from evscli.corpus.inputs import find_videos
from evscli.corpus.inputs.fetch import local_file, source_size
from evscli.errors import VideoError
from evscli.records import HeldVideo, VideoInput
from tests.corpus.inputs.tar_files import write_tar
from tests.disks import mounted

CLIP = bytes(range(256)) * 1000


@pytest.fixture
def member(tmp_path: Path) -> VideoInput:
    """The second of two videos in a tar."""
    tar = write_tar(tmp_path / "clips.tar", {"a.mkv": b"a" * 700, "day/b.mkv": CLIP})
    return find_videos([str(tar)])[1]


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


def test_an_ordinary_file_is_itself(tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"abc")
    (video,) = find_videos([str(path)])
    with local_file(video, folder=scratch) as local:
        assert local == path
        assert list(scratch.iterdir()) == []
    assert source_size(video) == 3
    path.unlink()
    with pytest.raises(FileNotFoundError):
        source_size(video)


def test_a_member_of_a_tar_is_copied_and_removed(member: VideoInput, scratch: Path) -> None:
    with local_file(member, folder=scratch) as path:
        assert (path.parent, path.suffix) == (scratch, ".mkv")
        assert path.read_bytes() == CLIP
    assert list(scratch.iterdir()) == []
    assert source_size(member) == len(CLIP)


def test_the_copy_is_removed_however_its_use_ends(member: VideoInput, scratch: Path) -> None:
    for error in (ValueError, KeyboardInterrupt, GeneratorExit):
        with pytest.raises(error), local_file(member, folder=scratch):
            raise error
        assert list(scratch.iterdir()) == []


def test_copies_lie_where_other_scratch_files_do(
    member: VideoInput, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(scratch))
    with local_file(member) as path:
        assert path.parent == scratch


def test_an_empty_member_is_an_empty_file(tmp_path: Path, scratch: Path) -> None:
    (video,) = find_videos([str(write_tar(tmp_path / "a.tar", {"a.mp4": b""}))])
    with local_file(video, folder=scratch) as path:
        assert path.read_bytes() == b""


def test_a_tar_that_was_cut_or_removed_since_fails_the_video(
    member: VideoInput, scratch: Path
) -> None:
    assert member.held is not None
    os.truncate(member.held.url, member.held.offset + 1000)
    with pytest.raises(VideoError) as caught, local_file(member, folder=scratch):
        pass
    assert str(caught.value) == (
        f"{member.name} gave 1,000 of 256,000 bytes; it has changed or was cut off: run the same "
        "command again"
    )
    Path(member.held.url).unlink()
    gone = pytest.raises(
        VideoError, match=r"no such file or folder: .*clips\.tar/day/b\.mkv; check"
    )
    with gone, local_file(member, folder=scratch):
        pass
    assert list(scratch.iterdir()) == []


def test_a_video_is_never_in_memory_as_a_whole(tmp_path: Path, scratch: Path) -> None:
    size = 1 << 27
    hole = tmp_path / "hole.tar"
    with hole.open("wb") as file:
        file.truncate(512 + size)
    held = HeldVideo(url=str(hole), size=size, offset=512)
    video = VideoInput(id="a", path=hole / "a.mp4", root=hole, held=held)
    tracemalloc.start()
    with local_file(video, folder=scratch) as path:
        assert path.stat().st_size == size
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < size // 4


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", kilobytes=64) as disk:
        yield disk


def test_a_full_disk_stays_what_it_is(member: VideoInput, small_disk: Path) -> None:
    full = pytest.raises(OSError, match="No space left")
    with full as caught, local_file(member, folder=small_disk):
        pass
    assert caught.value.errno == errno.ENOSPC
    assert list(small_disk.iterdir()) == []
