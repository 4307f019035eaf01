"""Packages of somebody else add methods: installed by pip, listed, used, edited, broken."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from evscli import added
from evscli.store import open_store
from tests.evs import Result, run_evs

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


def run(site: Path, cwd: Path, *command: str | Path) -> Result:
    """Run `evs` where packages are installed in `site`."""
    return run_evs(*command, cwd=cwd, before=partial(find_packages, str(site)))


def find_packages(site: str) -> None:
    """Look for packages anew, as a process does that begins."""
    sys.path.insert(0, site)
    added.points_of.cache_clear()


CHOSEN = ("--method", "brightness", "--budget", "0.25", "--num-frames", "4")


def test_its_method_is_listed(installed: Path, tmp_path: Path) -> None:
    listed = json.loads(run(installed, tmp_path, "methods", "--json").out)
    (found,) = [method for method in listed if method["name"] == "brightness"]
    assert found["needs"] == ["pixels"]
    assert found["options"] == {"darkest": {"default": False, "values": "true or false"}}


@pytest.mark.slow
def test_its_method_prunes_until_it_is_edited(installed: Path, tmp_path: Path, clip: Path) -> None:
    site = shutil.copytree(installed, tmp_path / "site")
    once = ("prune", clip, *CHOSEN, "-o", "bright")
    assert run(site, tmp_path, *once).code == 0
    assert run(site, tmp_path, *once[:-1], "dark", "--option", "darkest=true").code == 0
    bright, dark = (open_store(tmp_path / name)["clip"] for name in ("bright", "dark"))
    assert bright.info.kept == dark.info.kept == int(bright.info.tokens * 0.25)
    assert not (bright.keep_mask & dark.keep_mask).any()
    assert "1 video already done" in run(site, tmp_path, *once).out

    module = site / "evs_brightness" / "__init__.py"
    module.write_text(module.read_text().replace("if darkest else", "if not darkest else"))
    refused = run(site, tmp_path, *once)
    assert refused.code == 1
    digests = r'selection.plugin.source_sha256.evs_brightness is "\w+" there and "\w+" now; name'
    assert re.search(f"holds another configuration: {digests}", refused.error)
    (metadata,) = site.glob("*.dist-info/METADATA")
    metadata.write_text(metadata.read_text().replace("Version: 1.0", "Version: 1.1"))
    line = run(site, tmp_path, *once).error
    assert 'plugin.package is "evs-brightness 1.0" there and "evs-brightness 1.1" now' in line


METHODS = """
from evs_brightness import PRUNER
from dataclasses import replace

def liar(tokens, inputs, budget, *, darkest=False):
    kept = PRUNER.function(tokens, inputs, budget, darkest=darkest)
    kept.mask[-1] = False
    return kept

LIAR = replace(PRUNER, name="liar", function=liar)
"""
ENTRY_POINTS = """[evscli.pruners]
liar = evs_others:LIAR
leaves = evs_leaves:PRUNER
vcast = evs_leaves:PRUNER
"""


@pytest.fixture(scope="module")
def others(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same folder with another package, of which only one method can be used."""
    site = shutil.copytree(installed, tmp_path_factory.mktemp("others") / "site")
    (site / "evs_others.py").write_text(METHODS)
    (site / "evs_leaves.py").write_text("raise SystemExit('no licence')")
    about = site / "evs_others-2.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: evs-others\nVersion: 2.0\n")
    (about / "entry_points.txt").write_text(ENTRY_POINTS)
    return site


@pytest.mark.slow
def test_a_broken_package_is_listed_and_takes_nothing_else_down(
    others: Path, tmp_path: Path, clip: Path
) -> None:
    rows = [line.split("\t")[:2] for line in run(others, tmp_path, "methods").out.splitlines()]
    reason = "evs_leaves:PRUNER cannot be loaded (SystemExit: no licence)"
    assert ["leaves", f"broken: {reason}: repair or uninstall evs-others 2.0"] in rows
    assert ["liar", "keeps the brightest cells"] in rows
    first, second = [summary for name, summary in rows if name == "vcast"]
    assert first.startswith("gives more to frames")
    assert second.startswith("broken: evs-others 2.0 adds a method of the name of a built-in one")

    chosen = ("prune", clip, "--budget", "0.25", "--num-frames", "4", "-o", "stores", "--method")
    leaves = run(others, tmp_path, *chosen, "leaves")
    assert leaves.code == 2
    assert leaves.error == (
        f"error: method 'leaves' is broken: {reason}: repair or uninstall evs-others 2.0"
    )
    liar = run(others, tmp_path, *chosen, "vcast", "--method", "liar")
    assert liar.code == 3
    assert re.search(r"method 'liar' promised \d+ of \d+ tokens and kept \d+: mend", liar.error)
    assert "vcast-0.25: clip: " in liar.out


@pytest.mark.slow
def test_a_method_that_breaks_its_promise_fails_in_compare_and_eval(
    others: Path, tmp_path: Path, clip: Path
) -> None:
    asked = ("--method", "liar", "--budget", "0.25", "-o", "out")
    compared = run(others, tmp_path, "compare", clip, *asked, "--no-language")
    asked = (*asked, "--videos", "1")
    for result in (compared, run(others, tmp_path, "eval", *asked)):
        assert result.code == 1
        assert "method 'liar' promised" in result.err
