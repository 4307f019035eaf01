"""Every command that reads a video says in one line which shard cannot be read, and why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evscli.cli import run
from evscli.store import StoreWriter
from tests.evs import run_evs
from tests.faults import obey_permissions
from tests.store.samples import CONFIG, record
from tests.store.test_reader import change_head

SHARD = "shard-0-00000.safetensors"
COMMANDS: dict[str, tuple[str, ...]] = {
    "inspect": ("inspect", "store", "clip"),
    "ask": ("ask", "store", "clip", "what happens?"),
    "ask about the only video": ("ask", "store", "what happens?"),
    "visualize": ("visualize", "store", "clip", "-o", "sheet.png"),
    "visualize the only video": ("visualize", "store", "-o", "report.html"),
    "visualize beside": ("visualize", "store", "-o", "report.html", "--beside", "store"),
}


def become_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def cut(path: Path, keep: int) -> None:
    path.write_bytes(path.read_bytes()[:keep])


def describe(path: Path, **values: Any) -> None:
    change_head(path, lambda evs: evs["videos"]["clip"].update(values))


HARMS: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing": (Path.unlink, "is missing: put it back, or run"),
    "empty": (lambda path: cut(path, 0), "is damaged ("),
    "truncated": (lambda path: cut(path, -1), "is damaged ("),
    "a folder": (become_folder, "(Is a directory): check that it is a file"),
    "no grid": (lambda path: describe(path, grid_thw=[0, 0, 0]), "key 'grid_thw' is (0, 0, 0)"),
    "no dtype": (lambda path: describe(path, store_dtype="foo"), "key 'store_dtype' is 'foo'"),
    "no kept": (lambda path: describe(path, kept=1), "embeds is F32 ["),
}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with StoreWriter(tmp_path / "store", CONFIG) as writer:
        writer.add(record("clip"))
    return tmp_path / "store"


@pytest.mark.parametrize("harm", HARMS)
def test_every_command_names_the_shard(
    store: Path, harm: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change, words = HARMS[harm]
    change(store / SHARD)
    for command in COMMANDS.values():
        assert run(command, debug=False) == 1, command
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: "), command
        assert f"store/{SHARD} " in line, command
        assert words in line, command
    assert sorted(path.name for path in store.parent.iterdir()) == ["store"]


@pytest.mark.slow
def test_a_shard_that_may_not_be_read_is_named_too(store: Path) -> None:
    (store / SHARD).chmod(0)
    for command in (COMMANDS["ask"], COMMANDS["visualize"]):
        result = run_evs(*command, cwd=store.parent, before=obey_permissions)
        assert result.code == 1
        assert f"{SHARD} (Permission denied): check that it is a file, and its" in result.error


@pytest.mark.parametrize("harm", ["truncated", "a folder", "no grid", "no dtype", "no kept"])
def test_a_merge_leaves_what_it_cannot_read(
    store: Path, harm: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with StoreWriter(store, CONFIG, writer=1) as writer:
        writer.add(record("other"))
    HARMS[harm][0](store / SHARD)
    before = sorted(path.name for path in store.iterdir())
    assert run(["merge", "store"], debug=False) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"store/{SHARD} " in line
    assert sorted(path.name for path in store.iterdir()) == before


def test_a_video_beside_one_whose_shard_is_missing_has_to_be_named(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with StoreWriter(store, CONFIG) as writer:
        writer.add(record("other"))
    (store / SHARD).unlink()
    for command in (COMMANDS["ask about the only video"], COMMANDS["visualize the only video"]):
        assert run(command, debug=False) == 2
        assert "the store holds 2 videos: name one " in capsys.readouterr().err
