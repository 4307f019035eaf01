"""Every script of benchmarks/ is a benchmark that can be run; `--smoke` runs them, in CI."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.harness import catalogue, commands, results
from benchmarks.harness.benchmark import SkippedError, check_device

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]


@pytest.mark.parametrize("name", catalogue.names())
def test_a_script_is_a_benchmark_with_options_for_a_smoke_run(name: str) -> None:
    benchmark = catalogue.load(name)
    parameters = inspect.signature(benchmark.measure).parameters
    assert all(each.kind is each.KEYWORD_ONLY for each in parameters.values())
    assert benchmark.smoke.keys() <= parameters.keys()
    assert catalogue.summary(name)
    for path in benchmark.code:
        assert (ROOT / "evscli" / path).is_file(), f"{path} is gone; what holds its code now?"


@pytest.mark.slow
def test_all_are_listed_without_importing_any() -> None:
    code = (
        "import sys; import benchmarks.__main__ as b; b.main([]); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    listed = [line.split()[0] for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert listed == catalogue.names()
    measured = {path.stem for path in (ROOT / "benchmarks" / "results").glob("*.md")}
    assert measured == {*listed} - results.UNMEASURED


def test_pages_name_commands_that_there_are() -> None:
    commands = [
        c for page in PAGES for c in re.findall(r"python -m benchmarks (\w+)", page.read_text())
    ]
    assert {*commands} <= {*catalogue.names()}
    assert not [page for page in PAGES if "python -m benchmarks." in page.read_text()]


def test_an_unknown_one_and_a_device_that_is_not_there_are_one_clear_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert commands.measure("gone", []) == commands.keep("gone", "why") == 2
    assert commands.smoke(["inputs", "gone"]) == 2
    said = "gone is not a benchmark; there are checkpoint_reading,"
    assert [line[: len(said)] for line in capsys.readouterr().err.splitlines()] == 3 * [said]
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SkippedError, match="--device cuda needs a GPU, and torch finds none here"):
        check_device("cuda")
    assert commands.measure("encoder", ["--device", "cuda"]) == 0
    assert capsys.readouterr().out.startswith("encoder skipped: --device cuda needs a GPU")
