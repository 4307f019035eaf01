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


EACH = """
import sys
from evscli.cli import main
for line in sys.argv[1:]:
    sys.argv[1:] = line.split("|")
    try:
        main()
    except SystemExit as end:
        assert not end.code, end.code
"""


def run(installed: Path, cwd: Path, *commands: tuple[str | Path, ...]) -> str:
    """Standard output of `evs`, each command in one interpreter that finds the package."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), *sys.path])}
    lines = ["|".join(map(str, command)) for command in commands]
    result = subprocess.run(
        [sys.executable, "-c", EACH, *lines],
        env=environment,
        cwd=cwd,
        check=True,
        capture_output=True,
        text=True,
    )
    return result.stdout


def test_its_method_is_listed(installed: Path, tmp_path: Path) -> None:
    methods = json.loads(run(installed, tmp_path, ("methods", "--json")))
    (found,) = [method for method in methods if method["name"] == "brightness"]
    assert found["needs"] == ["pixels"]
    assert found["options"] == {"darkest": {"default": False, "values": "true or false"}}


def test_its_method_prunes(installed: Path, tmp_path: Path, clip: Path) -> None:
    chosen = ("--method", "brightness", "--budget", "0.25")
    once = ("prune", clip, *chosen, "-o", "bright")
    again = ("prune", clip, *chosen, "--option", "darkest=true", "-o", "dark")
    run(installed, tmp_path, once, again)
    bright, dark = (open_store(tmp_path / name)["clip"] for name in ("bright", "dark"))
    assert bright.info.kept == dark.info.kept == int(bright.info.tokens * 0.25)
    assert not (bright.keep_mask & dark.keep_mask).any()
