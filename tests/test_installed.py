"""A package beside evs that does not work gets a line of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from evscli.bundled import MINI_FOLDER
from evscli.installed import broken_package

MISMATCH = 'raise RuntimeError("operator torchvision::nms does not exist")\n'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with a torchvision that was made for another torch."""
    package, about = tmp_path / "torchvision", tmp_path / "torchvision-0.1.2.dist-info"
    package.mkdir()
    about.mkdir()
    (package / "__init__.py").write_text(MISMATCH)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: torchvision\nVersion: 0.1.2\n")
    return tmp_path


@pytest.mark.slow
def test_a_broken_torchvision_is_no_defect_of_evs(site: Path, clip: Path) -> None:
    path = os.pathsep.join([str(site), *sys.path])
    # No process is started that imports all of evs beside this one.
    code = f"""
from evscli import child
from evscli.cli import main

child.METHOD = "fork"
main(["prune", {str(clip)!r}, "--method", "none"])
"""
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        cwd=site,
        capture_output=True,
        text=True,
        check=False,
    )
    _note, line = result.stderr.splitlines()
    assert result.returncode == 1
    assert line.startswith("error: torchvision 0.1.2 does not match torch 2.")
    assert "(operator torchvision::nms does not exist)" in line
    assert "pip uninstall torchvision" in line
    assert not (site / "evs-out").exists()


def test_it_is_told_wherever_the_error_was_wrapped(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)

    def load() -> None:
        try:
            __import__("torchvision")
        except RuntimeError as error:
            raise OSError("the model cannot be loaded") from error

    with pytest.raises(OSError, match="cannot be loaded") as caught:
        load()
    assert "torchvision 0.1.2 does not match" in str(broken_package(caught.value))
    missing = ImportError("cannot import name 'io'", name="torchvision.io")
    assert "does not match torch" in str(broken_package(missing))


def test_a_list_of_entry_points_that_torch_cannot_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = tmp_path / "evs_latin-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: evs-latin\nVersion: 1.0\n")
    (about / "entry_points.txt").write_bytes(b"[a]\n# caf\xe9\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UnicodeDecodeError) as caught:
        entry_points(group="torch.backends")
    line = broken_package(caught.value)
    assert line is not None
    assert line.startswith("the entry points of evs-latin 1.0 cannot be read ('utf-8' codec can't")
    assert line.endswith("): repair or uninstall it")


def test_other_errors_are_not_its_fault() -> None:
    assert broken_package(ImportError("no module", name="torch")) is None
    assert broken_package(FileNotFoundError(MINI_FOLDER / "torchvision")) is None
