"""Every script of examples/ prints what its docstring shows."""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path

import pytest

from tests.evs import run_script

EXAMPLES = {path.stem: path for path in (Path(__file__).parents[1] / "examples").glob("*.py")}
STORE = Path("evs-out", "to-train-on")

pytestmark = pytest.mark.slow


def run(name: str, *arguments: str | Path, cwd: Path) -> str:
    result = run_script(EXAMPLES[name], *arguments, cwd=cwd)
    assert result.code == 0, result.err
    return result.out


def shown(name: str) -> str:
    """The last block that stands further right in a script's docstring."""
    docstring = ast.get_docstring(ast.parse(EXAMPLES[name].read_text())) or ""
    return textwrap.dedent(re.findall(r"(?:^    .*\n?)+", docstring, flags=re.MULTILINE)[-1]) + "\n"


def without_measures(text: str) -> str:
    """`text` without percentages and decimals: what moves between processors."""
    return re.sub(r"\d+%|\d+\.\d", "#", text)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder where `train_from_store` ran, and what it printed."""
    folder = tmp_path_factory.mktemp("examples")
    return folder, run("train_from_store", cwd=folder)


def test_every_example_is_run_here() -> None:
    names = {"own_method", "prune_and_ask", "read_shard", "train_from_store"}
    assert EXAMPLES.keys() == names


def test_a_video_is_pruned_and_asked(tmp_path: Path) -> None:
    assert run("prune_and_ask", cwd=tmp_path) == shown("prune_and_ask")


def test_a_video_may_be_named(clip: Path, tmp_path: Path) -> None:
    printed = run("prune_and_ask", clip, "what color is the ball?", cwd=tmp_path)
    assert re.match(r"[\d,]+ tokens -> \d+ \(30%\), .*\nwhat color is the ball\? \S+", printed)


def test_a_function_is_a_method(tmp_path: Path) -> None:
    printed = run("own_method", cwd=tmp_path)
    assert without_measures(printed) == without_measures(shown("own_method"))


def test_what_a_model_is_trained_on_comes_from_a_store(trained: tuple[Path, str]) -> None:
    folder, printed = trained
    assert without_measures(printed) == without_measures(shown("train_from_store"))
    first, last = map(float, re.findall(r"\d+\.\d", printed))
    assert last < first / 3
    assert (folder / STORE / "run.json").exists()


def test_a_shard_is_read_without_evs(trained: tuple[Path, str], tmp_path: Path) -> None:
    (shard,) = (trained[0] / STORE).glob("shard-*.safetensors")
    printed = run("read_shard", shard, cwd=tmp_path)
    assert without_measures(printed) == without_measures(shown("read_shard"))
    assert "evscli" not in EXAMPLES["read_shard"].read_text()
