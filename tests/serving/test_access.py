"""A request names a store that it may name, and learns nothing of others."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from evscli.errors import StoreError, UsageError
from evscli.serving.access import SERVED, Access, named_stores


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the stores `open/one` and `secret/two`."""
    for name in ("open/one", "secret/two"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def test_a_store_below_the_allowed_folder_is_named_by_its_path(folder: Path) -> None:
    access = Access(root=folder / "open")
    assert access.path_of(str(folder / "open" / "one")) == folder / "open" / "one"
    (folder / "open" / "link").symlink_to(folder / "open" / "one")
    assert access.path_of(f"{folder}/open/link") == folder / "open" / "one"


def test_a_store_of_the_server_is_named_by_its_folder(folder: Path) -> None:
    access = Access(named=named_stores([folder / "secret" / "two"]))
    assert access.path_of("two") == folder / "secret" / "two"
    assert access.path_of(str(folder / "secret" / "two")) == folder / "secret" / "two"


@pytest.mark.parametrize("there", [True, False])
def test_other_stores_are_refused_alike_whether_there_or_not(folder: Path, there: bool) -> None:
    access = Access(root=folder / "open")
    name = f"{folder}/secret/{'two' if there else 'gone'}"
    with pytest.raises(UsageError) as raised:
        access.path_of(name)
    below = "name by its path one below the folder of --allowed-local-media-path"
    assert str(raised.value) == f"the store {name!r} is not served: {below}"


def test_a_link_out_of_the_allowed_folder_is_refused(folder: Path) -> None:
    (folder / "open" / "link").symlink_to(folder / "secret")
    for name in (f"{folder}/open/link/two", f"{folder}/open/../secret/two", "secret/two", "."):
        with pytest.raises(UsageError, match="is not served"):
            Access(root=folder / "open").path_of(name)


def test_nothing_outside_is_looked_into(folder: Path) -> None:
    """Links and loops outside answer as what is not there, and so does what no reader opens."""
    (folder / "secret" / "loop").symlink_to(folder / "secret" / "loop")
    os.mkfifo(folder / "open" / "fifo")
    (folder / "open" / "loop").symlink_to(folder / "open" / "loop")
    access = Access(root=folder / "open", named={"two": folder / "secret" / "two"})
    for name in (
        f"{folder}/secret/loop",
        f"{folder}/open/fifo",
        f"{folder}/open/loop",
        f"{folder}/open/one\0",
        f"{folder}/gone/../secret/two",
        "/proc/1/cwd/one",
        "x" * 5000,
    ):
        with pytest.raises(UsageError, match="is not served: name 'two' or by its path one below"):
            access.path_of(name)


def test_without_any_store_the_server_is_to_be_started_otherwise() -> None:
    with pytest.raises(UsageError, match="start the server by evs serve, or with --allowed-local"):
        Access().path_of("/data/store")


def test_processes_of_the_server_are_given_its_stores(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Access.of_server(None) == Access()
    monkeypatch.setenv(SERVED, json.dumps({"two": str(folder / "secret" / "two")}))
    access = Access.of_server(str(folder / "open"))
    assert access.path_of("two") == folder / "secret" / "two"
    with pytest.raises(UsageError, match="name 'two' or by its path one below the folder of"):
        access.path_of("three")


def test_the_allowed_folder_may_be_a_link_itself(folder: Path) -> None:
    (folder / "data").symlink_to(folder / "open")
    access = Access.of_server(folder / "data")
    for name in (f"{folder}/data/one", f"{folder}/open/one"):
        assert access.path_of(name) == folder / "open" / "one"


def test_a_store_that_is_not_there_is_refused_before_names_are_compared(folder: Path) -> None:
    (folder / "loop").symlink_to(folder / "loop")
    for path in (folder / "gone" / "one", folder / "loop"):
        with pytest.raises(StoreError, match="does not exist: name the folder"):
            named_stores([folder / "open" / "one", path])


def test_two_stores_of_one_name_are_refused(folder: Path) -> None:
    (folder / "secret" / "one").mkdir()
    with pytest.raises(UsageError, match="have one name: rename a folder"):
        named_stores([folder / "open" / "one", folder / "secret" / "one"])
    assert list(named_stores([folder / "open" / "one"] * 2)) == ["one"]
