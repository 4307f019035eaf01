from __future__ import annotations

import os
import pickle
import unicodedata
from pathlib import Path

import pytest

from evscli.corpus.inputs import LeftOut, find_videos
from evscli.corpus.inputs.names import refuse_name
from evscli.errors import UsageError, VideoError
from tests.corpus.inputs.tar_files import write_tar


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def ids(*inputs: Path | str) -> list[str]:
    return [video.id for video in find_videos([str(given) for given in inputs])]


def test_a_file_has_its_name_as_id_whatever_its_ending(tmp_path: Path) -> None:
    touch(tmp_path / "a.mp4", tmp_path / "b.bin")
    assert ids(tmp_path / "b.bin", tmp_path / "a.mp4") == ["b", "a"]


def test_a_folder_is_searched_recursively_in_sorted_order(tmp_path: Path) -> None:
    touch(tmp_path / "z.mkv", tmp_path / "day/1.MP4", tmp_path / "day/notes.txt")
    touch(tmp_path / ".hidden/x.mp4", tmp_path / ".y.mp4")
    assert ids(tmp_path) == ["day/1", "z"]


def test_a_glob_starts_its_ids_at_the_first_wildcard(tmp_path: Path) -> None:
    touch(tmp_path / "day1/a.mp4", tmp_path / "day2/a.mp4", tmp_path / "other/a.mp4")
    assert ids(tmp_path / "day*/*.mp4") == ["day1/a", "day2/a"]
    assert ids(tmp_path / "**/a.mp4") == ["day1/a", "day2/a", "other/a"]


def test_a_name_with_wildcard_characters_is_a_file_when_it_exists(tmp_path: Path) -> None:
    touch(tmp_path / "what[1]?.mp4")
    assert ids(tmp_path / "what[1]?.mp4") == ["what[1]?"]


def test_an_id_keeps_dots_and_spaces_and_is_nfc(tmp_path: Path) -> None:
    touch(tmp_path / unicodedata.normalize("NFD", "café v1.2 final.mp4"))
    assert ids(tmp_path) == [unicodedata.normalize("NFC", "café v1.2 final")]


def test_one_file_named_twice_is_one_video(tmp_path: Path) -> None:
    touch(tmp_path / "a.mp4")
    assert ids(tmp_path / "a.mp4", tmp_path, tmp_path / "*.mp4") == ["a"]


def test_two_files_with_one_id_are_refused_before_any_work(tmp_path: Path) -> None:
    touch(tmp_path / "x/a.mp4", tmp_path / "y/a.mkv")
    with pytest.raises(
        UsageError, match=r"1 id names several videos: 'a' \(.*x/a\.mp4, .*y/a\.mkv"
    ):
        ids(tmp_path / "x/a.mp4", tmp_path / "y/a.mkv")


def test_what_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"no such file or folder: .*gone\.mp4; check"):
        ids(tmp_path / "gone.mp4")


@pytest.mark.parametrize("given", [".", "*.mp4"])
def test_a_folder_or_glob_without_videos_is_refused(tmp_path: Path, given: str) -> None:
    touch(tmp_path / "notes.txt")
    with pytest.raises(UsageError, match=r"no videos (in folder|match)"):
        ids(tmp_path / given)


def test_the_root_of_a_video_is_where_its_id_starts(tmp_path: Path) -> None:
    touch(tmp_path / "deep/er/a.mp4")
    (video,) = find_videos([str(tmp_path)])
    assert (video.root, video.path) == (tmp_path, tmp_path / "deep/er/a.mp4")


def test_a_path_with_detours_is_the_same_file_and_a_link_is_not(tmp_path: Path) -> None:
    touch(tmp_path / "v/a.mp4")
    (tmp_path / "v/b.mp4").symlink_to("a.mp4")
    assert ids(tmp_path / "v/a.mp4", tmp_path / "v/../v/a.mp4") == ["a"]
    assert ids(tmp_path / "v") == ["a", "b"]


def test_a_malformed_glob_and_an_empty_input_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"malformed glob '\*\*\.mp4'.*write it as"):
        ids(tmp_path / "**.mp4")
    with pytest.raises(UsageError, match="an input is empty"):
        ids("")


def test_a_pipe_is_refused_instead_of_read_for_ever(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(VideoError, match="is a pipe or device"):
        ids(tmp_path / "pipe.mp4")


def test_a_folder_that_cannot_be_read_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "a.mp4", tmp_path / "locked/b.mp4")
    scandir = os.scandir

    def locked(path: str) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    with pytest.raises(VideoError, match=r"cannot read folder .*locked \(Permission denied\)"):
        ids(tmp_path)


def test_a_hidden_folder_is_not_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "a.mp4", tmp_path / ".trash/b.mp4")
    scandir, entered = os.scandir, []

    def noting(path: str) -> object:
        entered.append(Path(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", noting)
    assert ids(tmp_path) == ["a"]
    assert entered == [tmp_path]


def test_files_that_are_no_videos_are_counted_by_kind(tmp_path: Path) -> None:
    touch(*(tmp_path / name for name in ("a.mp4", "1.txt", "day/2.TXT", "3.jpg", "README", "b.")))
    touch(tmp_path / ".hidden.txt", tmp_path / ".git/config")
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "again").symlink_to(tmp_path)
    (tmp_path / "day/out.mp4").symlink_to(tmp_path)
    (tmp_path / "dead.jpg").symlink_to("nowhere")
    told: list[LeftOut] = []
    assert len(find_videos([str(tmp_path), str(tmp_path)], left_out=told.append)) == 1
    (left_out,) = told
    assert str(left_out) == "2 .jpg, 2 .txt, 2 folder links, 2 without an ending, 1 special file"
    assert left_out.count == 9
    find_videos([f"{tmp_path}/*"], left_out=told.append)
    assert str(told[1]) == "2 .jpg, 2 without an ending, 1 .txt, 1 special file"
    find_videos([f"{tmp_path}/*.mp4"], left_out=told.append)
    assert str(told[2]) == "1 special file"
    find_videos([str(tmp_path / "a.mp4")], left_out=told.append)
    assert len(told) == 3


def test_many_kinds_of_files_stay_one_short_line() -> None:
    kinds = {f".{number}": number for number in range(1, 13)}
    assert str(LeftOut(kinds=kinds)).endswith("6 .6, 5 .5, 10 of 4 other kinds")


def test_what_else_is_there_is_said_where_no_video_is(tmp_path: Path) -> None:
    touch(tmp_path / "a.txt", tmp_path / "b.webp")
    with pytest.raises(
        UsageError, match=r"no videos in folder \S+ \(1 \.txt, 1 \.webp there\); files"
    ):
        ids(tmp_path)


def test_a_link_that_leads_nowhere_is_a_video_that_fails(tmp_path: Path) -> None:
    touch(tmp_path / "in/day/a.mp4")
    for name in ("in/day/dead.mp4", "in/night/dead.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to("/not/fetched.mp4")
    dead = tmp_path / "in/day/dead.mp4"
    givens = [
        "in",
        "in/*/*.mp4",
        "in/**/*.mp4",
        "in/*/dead.mp4",
        "in/**/dead.mp4",
        "in/day/dead.mp4",
    ]
    for given in givens:
        found = {video.path: video for video in find_videos([str(tmp_path / given)])}
        assert len(found) == (1 if given == "in/day/dead.mp4" else 2 + ("dead" not in given)), given
        fault = pickle.loads(pickle.dumps(found[dead])).fault  # it travels to other processes
        assert str(fault) == (
            f"{dead} is a link to /not/fetched.mp4, which is not there; fetch what it leads to (as "
            "git annex get and dvc pull do), or remove the link"
        )
        assert (fault.stage, fault.kind) == ("open", "FileNotFoundError")
        with pytest.raises(VideoError, match="which is not there"):
            found[dead].raise_fault()


def test_a_list_or_tar_that_a_link_does_not_lead_to(tmp_path: Path) -> None:
    for name in ("list.txt", "b.tar"):
        (tmp_path / name).symlink_to("nowhere")
    write_tar(tmp_path / "a.tar", {"x.mp4": b""})
    with pytest.raises(VideoError, match=r"list\.txt is a link to nowhere, which is not there"):
        ids(tmp_path / "list.txt")
    good, dead = find_videos([f"{tmp_path}/*.tar"])
    assert (good.fault, dead.id) == (None, "b")
    assert "b.tar is a link to nowhere" in str(dead.fault)


def test_a_link_that_cannot_be_followed_is_left_to_fail_alone(tmp_path: Path) -> None:
    touch(tmp_path / "a.mp4")
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")
    assert ids(tmp_path) == ["a", "loop"]


def test_a_folder_is_sorted_by_the_parts_of_its_paths(tmp_path: Path) -> None:
    names = ["a/z.mp4", "a-1/b.mp4", "a b/c.mp4", "a.mp4", "B/d.mp4", "é.mp4"]
    touch(*(tmp_path / name for name in names))
    found = [video.path for video in find_videos([str(tmp_path)])]
    assert found == sorted(found)
    assert len(found) == len(names)


def test_a_name_that_is_no_utf8_does_not_stop_the_others(tmp_path: Path) -> None:
    touch(tmp_path / "a.mp4", tmp_path / os.fsdecode(b"b\xff.mp4"))
    good, bad = find_videos([str(tmp_path)])
    refuse_name(good)
    with pytest.raises(VideoError, match="not UTF-8"):
        refuse_name(bad)


def test_a_whole_video_and_a_part_of_it_are_two(tmp_path: Path) -> None:
    touch(tmp_path / "a.mp4")
    (tmp_path / "parts.csv").write_text("path,start\na.mp4,1\n")
    assert ids(tmp_path, tmp_path / "parts.csv") == ["a", "a@1-"]
