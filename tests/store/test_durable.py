from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

import pytest

from evscli.store.durable import (
    append_lines,
    new_folder,
    publish,
    read_lines,
    remove_leftovers,
    replace_file,
)


def test_a_published_file_has_only_its_final_name(tmp_path: Path) -> None:
    (tmp_path / "temporary").write_bytes(b"data")
    publish(tmp_path / "temporary", tmp_path / "final")
    assert [path.name for path in tmp_path.iterdir()] == ["final"]
    assert (tmp_path / "final").read_bytes() == b"data"


@pytest.mark.parametrize("hard_links", [True, False])
def test_publishing_never_replaces_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hard_links: bool
) -> None:
    (tmp_path / "temporary").write_bytes(b"new")
    (tmp_path / "final").write_bytes(b"old")
    if not hard_links:
        monkeypatch.setattr(Path, "hardlink_to", refuse_links)
    with pytest.raises(FileExistsError):
        publish(tmp_path / "temporary", tmp_path / "final")
    assert (tmp_path / "final").read_bytes() == b"old"


def test_a_file_system_without_hard_links_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "hardlink_to", refuse_links)
    (tmp_path / "temporary").write_bytes(b"data")
    publish(tmp_path / "temporary", tmp_path / "final")
    assert [path.name for path in tmp_path.iterdir()] == ["final"]


def refuse_links(*_: object) -> None:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def test_a_file_is_replaced_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    replace_file(path, b"old")
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o666 & ~current_umask()

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        replace_file(path, b"lost")
    assert path.read_bytes() == b"new"
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("torn", ["", '{"id": "half', "x" * 10_000])
def test_a_torn_last_line_is_ignored_and_then_replaced(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "lines"
    path.write_text(f"one\ntwo\n{torn}")
    assert list(read_lines(path)) == [b"one", b"two"]
    append_lines(path, ["three", "four"])
    assert path.read_text() == "one\ntwo\nthree\nfour\n"


def test_other_line_separators_do_not_end_a_line(tmp_path: Path) -> None:
    append_lines(tmp_path / "lines", ["a\u2028b\x85c\rd"])
    assert list(read_lines(tmp_path / "lines")) == ["a\u2028b\x85c\rd".encode()]


def test_lines_are_appended_all_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lines"
    append_lines(path, ["one"])
    real_write = os.write

    def write_half(handle: int, data: memoryview) -> int:
        if len(data) < 10:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real_write(handle, data[: len(data) // 2])

    monkeypatch.setattr(os, "write", write_half)
    with pytest.raises(OSError, match="No space"):
        append_lines(path, ["two" * 10, "three" * 10])
    assert path.read_text() == "one\n"


def test_a_new_folder_takes_the_place_of_the_old_as_a_whole(tmp_path: Path) -> None:
    for name in ("old", "new"):
        with new_folder(tmp_path / "folder") as folder:
            (folder / name).touch()
    with suppress(KeyboardInterrupt), new_folder(tmp_path / "folder") as folder:
        (folder / "newer").touch()
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "new"]


def test_what_killed_writers_left_is_removed(tmp_path: Path) -> None:
    for name in (".a.json.12", ".a.json.new", ".b.json.12", "a.json"):
        (tmp_path / name).touch()
    (tmp_path / ".a.json.7" / "inside").mkdir(parents=True)
    remove_leftovers(tmp_path / "a.json")
    assert {path.name for path in tmp_path.iterdir()} == {".a.json.new", ".b.json.12", "a.json"}
