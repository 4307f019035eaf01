"""A command, option or method that is not documented fails here."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from evscli.cli import app
from evscli.pruners import method_names
from tests.cli.in_process import run_here

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def commands_of(group: Any, before: str = "") -> dict[str, Any]:
    """Every command by what is typed for it, those of groups after their group."""
    found = {}
    for name, command in group.commands.items():
        found[before + name] = command
        if hasattr(command, "commands"):
            found |= commands_of(command, f"{before}{name} ")
    return found


COMMANDS = commands_of(typer.main.get_command(app))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_stands_in_the_readme_and_explains_itself(name: str) -> None:
    assert f"`evs {name}" in README
    assert f"Example: evs {name}" in COMMANDS[name].help
    for parameter in COMMANDS[name].params:
        assert parameter.help, f"{name}: {parameter.name}"


@pytest.mark.parametrize("name", method_names())
def test_a_method_stands_in_the_readme(name: str) -> None:
    assert f"| `{name}` |" in README


def test_the_readme_sets_up_in_two_lines() -> None:
    lines = re.findall(r"^python3 -m venv .*$", README, flags=re.MULTILINE)
    assert len(lines) == 2
    assert "evs prune sample_videos/" in lines[0]
    assert lines[1].endswith("pytest --all")


def test_methods_and_models_list_what_there_is(tmp_path: Path) -> None:
    listed = run_here("methods", cwd=tmp_path).out
    for name in method_names():
        assert re.search(rf"^{name}\t", listed, flags=re.MULTILINE)
    assert "arXiv 2603.27650" in listed
    assert "largest_remainder: true or false" in listed
    assert '"qwen2_5_vl"' in run_here("models", "--json", cwd=tmp_path).out


def test_the_readme_shows_what_compare_measured() -> None:
    table = (ROOT / "docs" / "compare" / "compare.md").read_text().splitlines()
    shown = [line for line in README.splitlines() if re.match(r"\| \S+ \| 0.25 \|", line)]
    assert len(shown) == 6
    for line in shown:
        assert line in table


@pytest.fixture(scope="module")
def shown() -> list[str]:
    """The README's run of `evs prune` on the sample videos, and what is asked of its store."""
    (block,) = re.findall(r"^```console\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    return str(block).splitlines()


@pytest.fixture(scope="module")
def pruned(shown: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("readme")
    (folder / "sample_videos").symlink_to(ROOT / "sample_videos")
    result = run_here(*shown[0].split()[2:], cwd=folder)
    assert result.code == 0, result.err
    return folder, result.out


@pytest.mark.slow
def test_the_readme_shows_what_prune_really_prints(
    shown: list[str], pruned: tuple[Path, str]
) -> None:
    lines = [line for line in shown if re.match(r"\S+: .* s of video$", line)]
    assert len(lines) == 5
    for line in lines:
        assert line in pruned[1].splitlines()


@pytest.mark.slow
def test_the_readme_shows_what_is_really_kept_of_frames(
    shown: list[str], pruned: tuple[Path, str]
) -> None:
    (command,) = (line.split()[2:] for line in shown if line.startswith("$ evs inspect"))
    printed = [line.split("\t") for line in run_here(*command, cwd=pruned[0]).out.splitlines()]
    rows = [line.split() for line in shown if re.match(r" +\d+ ", line)]
    assert len(rows) == 2
    for frame, prompt, source, kept, *_ in rows:
        assert ["frame", frame, prompt, source, kept] in printed


@pytest.mark.slow
def test_the_readme_shows_what_mini_really_answers(
    shown: list[str], pruned: tuple[Path, str]
) -> None:
    asked = [number for number, line in enumerate(shown) if line.startswith("$ evs ask")]
    assert len(asked) == 3
    for number in asked:
        result = run_here(*shlex.split(shown[number])[2:], cwd=pruned[0])
        assert result.out.splitlines()[0] == shown[number + 2]
