"""Paths as a person gives them, and the folder in which relative ones begin."""

from __future__ import annotations

from pathlib import Path

import pytest

from evscli.errors import EvsError, UsageError
from evscli.paths import check_current_folder, path_text


def test_a_text_stays_as_it_is_and_a_path_becomes_one() -> None:
    assert path_text("s3://bucket//a.mp4", "it") == "s3://bucket//a.mp4"
    assert path_text(Path("a") / "b.mp4", "it") == "a/b.mp4"


@pytest.mark.parametrize("value", [None, 3, b"a.mp4", ["a.mp4"], {"a.mp4": 1}, "a\0b", Path("a\0")])
def test_anything_else_is_refused_in_one_line(value: object) -> None:
    with pytest.raises(UsageError, match="it must be a str or a Path without NUL") as raised:
        path_text(value, "it")
    assert str(raised.value).isprintable()


def test_a_folder_that_was_deleted_is_no_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_current_folder()
    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()
    with pytest.raises(EvsError, match=r"^the current folder was deleted; change to another"):
        check_current_folder()
