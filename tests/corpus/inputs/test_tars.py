from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from evscli.corpus.inputs import LeftOut, find_videos
from evscli.corpus.inputs.names import refuse_name
from evscli.errors import UsageError, VideoError
from evscli.records import VideoInput
from tests.corpus.inputs.tar_files import write_tar

SAMPLES = {
    "0002.mp4": b"second" * 200,
    "0002.json": b"{}",
    "0001.MP4": b"first" * 300,
    "0001.txt": b"a ball",
    "notes/readme.txt": b"",
}


def ids(*inputs: Path | str) -> list[str]:
    return [video.id for video in find_videos([str(given) for given in inputs])]


def content(video: VideoInput) -> bytes:
    assert video.held is not None
    with Path(video.held.url).open("rb") as file:
        file.seek(video.held.offset)
        return file.read(video.held.size)


def test_its_videos_come_in_its_order_with_their_members_names(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "clips.tar", SAMPLES)
    first, second = find_videos([str(tar)])
    assert [first.id, second.id] == ["0002", "0001"]
    assert (first.relative, first.name) == ("0002.mp4", f"{tar}/0002.mp4")
    assert content(first) == SAMPLES["0002.mp4"]
    assert content(second) == SAMPLES["0001.MP4"]


def test_what_lies_beside_its_videos_is_counted(tmp_path: Path) -> None:
    told: list[LeftOut] = []
    tars = [write_tar(tmp_path / f"{n}.tar", {**SAMPLES, f"{n}.mp4": b"", ".x": b""}) for n in "01"]
    (tmp_path / "list.txt").write_text("1.tar\n")
    find_videos([str(tars[0]), f"{tmp_path}/list.txt"], ids="tar", left_out=told.append)
    assert [str(left_out) for left_out in told] == ["4 .txt, 2 .json"]
    only = write_tar(tmp_path / "only.tar", {"0001.json": b"{}"})
    with pytest.raises(UsageError, match=r"no videos in \S+ \(1 \.json there\); name a tar"):
        find_videos([str(only)])


def test_only_headers_are_read(tmp_path: Path) -> None:
    tar = tmp_path / "large.tar"
    info = tarfile.TarInfo("large.mp4")
    info.size = 1 << 40
    with tar.open("wb") as file:  # a hole on the disk: a terabyte would take long to read
        file.write(info.tobuf())
        file.truncate(1536 + (1 << 40) + 1024)
    (video,) = find_videos([str(tar)])
    assert video.held is not None
    assert (video.held.offset, video.held.size) == (1536, 1 << 40)


@pytest.mark.parametrize("layout", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_and_foreign_names_are_kept(tmp_path: Path, layout: int) -> None:
    name = f"{'d' * 90}/{'é' * 40}.mp4"
    with tarfile.open(tmp_path / "a.tar", "w", format=layout) as tar:
        (tmp_path / "clip").write_bytes(b"video")
        tar.add(tmp_path / "clip", name)
    (video,) = find_videos([str(tmp_path / "a.tar")])
    assert video.id == name.removesuffix(".mp4")
    assert content(video) == b"video"


def test_hidden_members_are_passed_over_and_leading_dots_dropped(tmp_path: Path) -> None:
    members = {"./day/a.mp4": b"a", "./day/._a.mp4": b"", ".x/b.mp4": b"", "/c.mp4": b"c"}
    videos = find_videos([str(write_tar(tmp_path / "a.tar", members))])
    found = [(video.id, video.relative) for video in videos]
    assert found == [("day/a", "day/a.mp4"), ("c", "c.mp4")]


def test_a_member_above_the_tar_is_refused_alone(tmp_path: Path) -> None:
    members = {"../up.mp4": b"a", os.fsdecode(b"\xff.mp4"): b"", "good.mp4": b"b"}
    *bad, good = find_videos([str(write_tar(tmp_path / "a.tar", members))])
    assert len(bad) == 2
    for video in bad:
        with pytest.raises(VideoError):
            refuse_name(video)
    refuse_name(good)


def test_a_glob_that_ends_in_tar_names_tars_and_a_folder_never_does(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    write_tar(tmp_path / "s/1.tar", {"b.mp4": b""})
    write_tar(tmp_path / "s/0.tar", {"c.mp4": b"", "a.mp4": b""})
    (tmp_path / "s/.2.tar").touch()
    assert ids(tmp_path / "s/*.tar") == ["c", "a", "b"]
    with pytest.raises(UsageError, match=r"no videos in folder .* tars by a glob such as \*\.tar"):
        ids(tmp_path / "s")
    with pytest.raises(UsageError, match=r"no videos match .*t\*\.tar; check"):
        ids(tmp_path / "s/t*.tar")


def test_equal_ids_in_two_tars_are_refused_and_one_tar_named_twice_is_not(tmp_path: Path) -> None:
    one = write_tar(tmp_path / "1.tar", {"a.mp4": b"", "b.mp4": b""})
    two = write_tar(tmp_path / "2.tar", {"b.mp4": b""})
    assert ids(one, f"{tmp_path}/./1.tar", tmp_path / "1*.tar") == ["a", "b"]
    with pytest.raises(
        UsageError, match=r"'b' \(.*1\.tar/b\.mp4, .*2\.tar/b\.mp4\); give --ids tar"
    ):
        ids(one, two)


def test_a_list_names_tars_and_asks_all_their_videos(tmp_path: Path) -> None:
    write_tar(tmp_path / "1.tar", {"a.mp4": b"", "b.mp4": b""})
    table = tmp_path / "rows.csv"
    table.write_text("path,query\n1.tar,a ball\n")
    videos = find_videos([str(table)])
    assert [(video.id, video.query) for video in videos] == [("a", "a ball"), ("b", "a ball")]
    table.write_text("path,start\n1.tar,2\n")
    with pytest.raises(UsageError, match=r"line 2: 1\.tar holds several videos; leave out its id"):
        ids(table)


@pytest.mark.parametrize("kind", ["link", "symbolic", "sparse"])
def test_a_video_that_is_no_ordinary_member_fails_alone(tmp_path: Path, kind: str) -> None:
    info = tarfile.TarInfo("b.mp4")
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("a.mp4"))
        info.linkname = "a.mp4"
        info.type = {"link": tarfile.LNKTYPE, "symbolic": tarfile.SYMTYPE}.get(
            kind, tarfile.GNUTYPE_SPARSE
        )
        tar.addfile(info)
    good, bad = find_videos([str(tmp_path / "a.tar")])
    assert (good.fault, bad.id) == (None, "b")
    assert "a.tar/b.mp4 is a link or a sparse file; pack" in str(bad.fault)


def test_a_folder_that_is_called_like_a_video_is_none(tmp_path: Path) -> None:
    folder = tarfile.TarInfo("odd.mp4")
    folder.type = tarfile.DIRTYPE
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.addfile(folder)
        tar.addfile(tarfile.TarInfo("odd.mp4/a.mp4"))
    assert ids(tmp_path / "a.tar") == ["odd.mp4/a"]


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_compressed_tar_is_refused_whatever_its_name(tmp_path: Path, mode: str) -> None:
    named = write_tar(tmp_path / f"a.tar.{mode[2:]}", SAMPLES, mode=mode)
    with pytest.raises(UsageError, match="is a compressed tar; decompress it first"):
        ids(named)
    with pytest.raises(UsageError, match="is a compressed tar"):
        ids(tmp_path / f"*.tar.{mode[2:]}")
    with pytest.raises(VideoError, match=r"a\.tar is not a whole tar .*; decompress it"):
        ids(named.rename(tmp_path / "a.tar"))


@pytest.mark.parametrize("keep", [0, 100, 600, 1024, 3 * 512 + 100, -1024 * 9])
def test_a_tar_that_is_cut_off_is_refused(tmp_path: Path, keep: int) -> None:
    tar = write_tar(tmp_path / "a.tar", SAMPLES)
    tar.write_bytes(tar.read_bytes()[:keep])
    with pytest.raises(VideoError, match=r"a\.tar is not a whole tar \("):
        ids(tar)


def test_damage_within_a_tar_is_not_taken_for_its_end(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", SAMPLES)
    second = find_videos([str(tar)])[1]
    assert second.held is not None
    with tar.open("r+b") as file:
        file.seek(second.held.offset - 512)
        file.write(b"x" * 512)
    with pytest.raises(VideoError, match=r"is not a whole tar \(damaged at byte 3,072\)"):
        ids(tar)


def test_a_tar_without_videos_or_permission_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tar = write_tar(tmp_path / "a.tar", {"a.txt": b""})
    with pytest.raises(UsageError, match=r"no videos in .*a\.tar"):
        ids(tar)

    def refuse(path: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(VideoError, match=r"cannot read .*a\.tar \(Permission denied\)"):
        ids(tar)
