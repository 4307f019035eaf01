from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from evscli.corpus.inputs import find_videos
from evscli.corpus.inputs.names import refuse_name
from evscli.errors import UsageError, VideoError


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
    with pytest.raises(UsageError, match=r"two inputs have the id 'a'.*x/a\.mp4.*y/a\.mkv.*-o"):
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


def test_links_to_folders_are_not_followed_and_dead_links_are_no_videos(tmp_path: Path) -> None:
    touch(tmp_path / "in/a.mp4", tmp_path / "out/b.mp4")
    (tmp_path / "in/again").symlink_to(tmp_path / "in")
    (tmp_path / "in/out.mp4").symlink_to(tmp_path / "out")
    (tmp_path / "in/dead.mp4").symlink_to(tmp_path / "nowhere.mp4")
    assert ids(tmp_path / "in") == ["a"]


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
