"""The start of a command that loads a model: what is on the screen, and what was imported."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from torch.nn import Module

from evscli.cli.loading import passed_over
from evscli.encoders import load
from evscli.encoders.checkpoint import VisionCheckpoint
from tests.cli.in_process import run_here

pytestmark = pytest.mark.slow

BEFORE_TORCH = """
import os, sys
from evscli.cli import main

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            os.write(2, b"torch\\n")
            os._exit(0)

sys.meta_path.insert(0, Finder())
main(sys.argv[1:])
"""
"""The code of a command that ends where it would import torch."""

AFTER = """
import gc, json, sys
from evscli.cli import main

try:
    main()
finally:
    print(json.dumps([*sys.modules, gc.isenabled(), gc.get_freeze_count()]))
"""
"""The code of a command that prints its modules at the end."""

VCAST = ("--method", "vcast", "--budget", "0.3")


def screen_of(*arguments: str, terminal: bool) -> list[str]:
    """Return the lines on standard error up to the import of torch."""
    screen, theirs = pty.openpty() if terminal else os.pipe()
    command = [sys.executable, "-c", BEFORE_TORCH, *arguments]
    subprocess.run(command, stdin=subprocess.DEVNULL, stderr=theirs, check=True)
    os.close(theirs)
    seen = b"".join(iter(lambda: rest_of(screen), b""))
    os.close(screen)
    return seen.decode().splitlines()


def rest_of(screen: int) -> bytes:
    """Return what can be read next, and nothing at the end, which a terminal shows by an error."""
    try:
        return os.read(screen, 10_000)
    except OSError:
        return b""


@pytest.mark.parametrize(
    "arguments",
    [
        ("prune", "CLIP", *VCAST),
        ("plan", "CLIP", *VCAST),
        ("compare", "CLIP", *VCAST),
        ("eval", *VCAST),
        ("ask", "store", "What happens?", "--model", "mini"),
        ("train", "scorer", "CLIP", "-o", "out"),
        ("train", "uptrain", "CLIP", "-o", "out", "--conversations", "some.jsonl"),
    ],
    ids=" ".join,
)
def test_a_terminal_names_the_model_before_torch_is_imported(
    arguments: tuple[str, ...], clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = screen_of(*(str(clip) if word == "CLIP" else word for word in arguments), terminal=True)
    assert "loading mini ..." in lines[:-1]
    assert lines[-1] == "torch"


def test_training_anew_shows_what_it_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert screen_of("train", "mini", "-o", "out", terminal=True) == ["loading torch ...", "torch"]


def test_nothing_more_is_printed_where_standard_error_is_no_terminal(clip: Path) -> None:
    note, torch = screen_of("prune", str(clip), *VCAST, terminal=False)
    assert note.startswith("note: mini is ")
    assert torch == "torch"


def test_pruning_imports_no_language_models_no_pictures_and_nothing_for_training(
    clip: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", AFTER, "prune", str(clip), *VCAST]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    *modules, searches, frozen = json.loads(done.stdout.splitlines()[-1])
    assert {"torch", "evscli.encoders.encoder"} <= {*modules}
    unneeded = ("evscli.language", "evscli.evaluation", "evscli.render", "matplotlib", "rich")
    training = ("accelerate", "peft", "scipy", "sklearn", "boto3")
    assert [name for name in modules if name.startswith((*unneeded, *training))] == []
    assert searches
    assert frozen > 100_000


def test_a_package_that_was_passed_over_can_be_imported_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "evs_absent.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with passed_over(["evs_absent", "json"]):
        assert find_spec("evs_absent") is None
        with pytest.raises(ModuleNotFoundError):
            import_module("evs_absent")
        assert import_module("json") is json
    assert import_module("evs_absent") is sys.modules.pop("evs_absent")


def test_a_run_of_several_methods_loads_one_model(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[str] = []
    build = load.build_vision

    def counted(checkpoint: VisionCheckpoint, **named: Any) -> Module:
        built.append(checkpoint.name)
        return build(checkpoint, **named)

    monkeypatch.setattr(load, "build_vision", counted)
    assert run_here("prune", clip, *VCAST, "--method", "evs", cwd=tmp_path).code == 0
    assert built == ["mini"]
