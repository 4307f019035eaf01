"""The steps of `python -m benchmarks gpu`, on a CPU: one that fails leaves the others alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import gpu
from benchmarks.gpu import needs, steps
from benchmarks.gpu.choosing import Video
from benchmarks.gpu.running import Ran, unlike
from benchmarks.gpu.steps import Result, Setting, run_steps
from benchmarks.harness import SkippedError, catalogue, commands, interpreter
from evscli.pruners import list_pruners
from tests.benchmarks import steps_on_purpose

CPU = Setting(device="cpu")
HERE = steps_on_purpose.__name__


@pytest.fixture
def on_purpose(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of this folder in place of the real ones, in processes that are forks of this one."""
    named = dict.fromkeys(("holds", "differs", "raises", "dies", "hangs"), (HERE, 60.0))
    monkeypatch.setattr(steps, "STEPS", named)
    monkeypatch.setattr(interpreter, "FRESH", False)


@pytest.mark.usefixtures("on_purpose")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_step_that_fails_or_dies_is_reported_and_the_rest_go_on() -> None:
    results = run_steps(["raises", "dies", "differs", "holds"], CPU, seconds=60)

    assert [result.state for result in results.values()] == 3 * ["failed"] + ["ok"]
    assert results["raises"].summary.startswith("ended with 1: RuntimeError: CUDA error: an ill")
    assert "raise RuntimeError" in results["raises"].text
    assert results["dies"].summary.startswith("ended with -9")
    assert results["differs"].summary == "one / two; three"
    assert results["holds"].text == "On cpu."
    assert results["holds"].figures == {"size": 1}


@pytest.mark.usefixtures("on_purpose")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_step_that_takes_too_long_is_ended() -> None:
    result = steps.in_process("hangs", CPU, 0.2)
    assert (result.state, result.summary) == ("failed", "took more than 0 s")


def test_steps_for_which_no_time_is_left_are_named() -> None:
    asked: dict[str, float] = {}

    def run(name: str, _: Setting, most: float) -> Result:
        asked[name] = most
        return Result(state="ok")

    results = run_steps(["tests", "repeat"], Setting(device="cuda"), seconds=100, run=run)
    assert 99 < asked["tests"] <= 100
    assert asked["repeat"] == steps.STEPS["repeat"][1]
    assert [result.state for result in results.values()] == ["ok", "ok"]
    results = run_steps(["tests"], CPU, seconds=steps.LEAST / 2, run=run)
    assert (results["tests"].state, results["tests"].summary) == ("skipped", "no time was left")


def test_a_page_says_how_each_step_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    results = {
        "repeat": Result(state="ok", text="Equal.", figures={"shards": 2}),
        "encode": Result(state="failed", summary="took more than 90 s"),
        "workers": Result(state="skipped", summary="no time was left"),
    }
    monkeypatch.setattr(gpu, "run_steps", lambda *_, **__: results)
    report = gpu.measure(device="cpu")
    assert report.figures == {"repeat: shards": 2, "failed": 1, "skipped": 1}
    assert "| encode | failed | 0 | took more than 90 s |" in report.body
    assert "## repeat\n\nEqual." in report.body
    assert "at toy sizes: no figure here says anything about a GPU" in report.body
    assert report.device == ""


def test_every_step_has_a_function_and_an_unknown_one_is_refused() -> None:
    package = Path(gpu.__file__).parent
    for name, (module, _) in steps.STEPS.items():
        code = (package / f"{module.rpartition('.')[2]}.py").read_text()
        assert f"\ndef {name}(setting: Setting, folder: Path) -> Outcome:" in code
    with pytest.raises(SkippedError, match="gone is not a step; there are tests, repeat, "):
        gpu.chosen("repeat, gone")
    assert gpu.chosen("repeat, encode") == ["repeat", "encode"]
    assert gpu.chosen("") == list(steps.NAMES)
    command = catalogue.command("gpu", {"device": "cuda", "seconds": 480, "only": ""})
    assert command == "python -m benchmarks gpu --device cuda --seconds 480"


def test_packages_that_are_not_there_are_named_with_the_way_to_bring_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    needs.check_packages()
    wanted = [needs.name_in(need) for need in needs.needed()]
    assert {"av", "torch", "transformers", "pytest-xdist"} < {*wanted}
    assert not needs.is_met("av>=1000")
    monkeypatch.setattr(needs, "needed", lambda: ["av>=1000", "gone-package>=1,<2", "torch>=2.11"])
    assert commands.measure("gpu", ["--device", "cpu"]) == 0
    line = capsys.readouterr().out
    assert line.startswith("gpu skipped: av>=1000, gone-package>=1,<2 are not here.")
    assert re.search(r"pip download .* 'av>=1000' 'gone-package>=1,<2'; carry the folder", line)
    assert "torch" not in line


@pytest.mark.parametrize("name", [pruner.name for pruner in list_pruners()][::4])
def test_a_method_is_asked_twice_for_the_same(name: str) -> None:
    video = Video((4, 4, 5, 160))
    first, second = (video.kept(name, "cpu") for _ in range(2))
    assert first.mask.equal(second.mask)


def test_runs_with_faults_that_end_otherwise_are_problems(tmp_path: Path) -> None:
    (problem,) = unlike("memory", tmp_path, [Ran(code=0, seconds=1, said="")], [3])
    assert problem == "memory: exit codes [0] in place of [3]"


def test_a_package_is_a_benchmark_with_all_its_files() -> None:
    names = [path.name for path in catalogue.files("gpu")]
    assert names[0] == "__init__.py"
    assert {"needs.py", "steps.py", "running.py", "choosing.py", "encoding.py"} < {*names}
    assert [path.name for path in catalogue.files("decode")] == ["decode.py"]
    assert "harness" not in catalogue.names()
