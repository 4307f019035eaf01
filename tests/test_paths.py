"""Paths as a person gives them, and the folder in which relative ones begin."""

from __future__ import annotations

from pathlib import Path

import pytest

from evscli.errors import EvsError, UsageError
from evscli.paths import check_current_folder, folder_path, path_text


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


@pytest.mark.parametrize("text", ["s3://bucket/store", "file:///tmp/store", "hf://data/x"])
def test_results_do_not_go_to_an_address(text: str) -> None:
    with pytest.raises(UsageError, match="is an address, and results go to a folder"):
        folder_path(text, "--output")


def test_a_home_folder_is_put_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert folder_path("~/store", "--output") == Path("/home/someone/store")
    assert folder_path("C:/store", "--output") == Path("C:/store")


def test_bytes_of_a_name_are_kept_and_half_characters_are_not() -> None:
    assert path_text("a\udcff", "an input") == "a\udcff"
    with pytest.raises(UsageError, match="an input must be"):
        path_text("\ud800", "an input")
