"""A package of somebody else adds a method: installed by pip, listed, used."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from evscli.store import open_store

PACKAGE = Path(__file__).parent / "plugin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package installed in it."""
    folder = tmp_path_factory.mktemp("plugin")
    source = shutil.copytree(PACKAGE, folder / "source")  # building leaves files behind
    offline = ("--no-deps", "--no-index", "--no-build-isolation", "--quiet")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        *offline,
        "--target",
        folder / "site",
        source,
    ]
    subprocess.run(command, check=True)
    return folder / "site"


def run(installed: Path, cwd: Path, *arguments: str | Path) -> str:
    """Standard output of `evs` in an interpreter that finds the package."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), *sys.path])}
    command = [sys.executable, "-c", "from evscli.cli import main; main()", *arguments]
    result = subprocess.run(
        command, env=environment, cwd=cwd, check=True, capture_output=True, text=True
    )
    return result.stdout


def test_its_method_is_listed(installed: Path, tmp_path: Path) -> None:
    methods = json.loads(run(installed, tmp_path, "methods", "--json"))
    (found,) = [method for method in methods if method["name"] == "brightness"]
    assert found["needs"] == ["pixels"]
    assert found["options"] == {"darkest": {"default": False, "values": "true or false"}}


def test_its_method_prunes(installed: Path, tmp_path: Path, clip: Path) -> None:
    chosen = ("--method", "brightness", "--budget", "0.25")
    run(installed, tmp_path, "prune", clip, *chosen, "-o", "bright")
    run(installed, tmp_path, "prune", clip, *chosen, "--option", "darkest=true", "-o", "dark")
    bright, dark = (open_store(tmp_path / name)["clip"] for name in ("bright", "dark"))
    assert bright.info.kept == dark.info.kept == int(bright.info.tokens * 0.25)
    assert not (bright.keep_mask & dark.keep_mask).any()
