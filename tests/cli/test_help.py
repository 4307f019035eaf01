"""Help that is short and in groups, and every way to give an option."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from evscli.cli import app
from tests.cli.in_process import run_here
from tests.evs import run_evs
from tests.videos import write_video

HERE = Path(__file__).parent
COMMANDS = [
    (),
    ("train",),
    ("train", "mini"),
    *(
        (name,)
        for name in "prune plan inspect merge visualize compare ask methods models eval".split()
    ),
]


def shown(*words: str, **environment: str) -> str:
    result = run_here(*words, cwd=HERE, env={"COLUMNS": "100", **environment})
    assert result.code == 0, result
    return result.out


def headings(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]


def test_options_stand_under_headings() -> None:
    assert headings(shown("prune", "--help")) == [
        "Arguments:",
        "Tokens:",
        "Videos:",
        "Frames:",
        "Encoder:",
        "Store:",
        "Run:",
        "Options:",
    ]


def test_the_help_of_prune_is_at_most_90_lines() -> None:
    assert len(shown("prune", "--help").splitlines()) <= 90


@pytest.mark.parametrize("words", [("prune",), ("plan",), ("eval",), ("train", "mini"), ()])
def test_dash_h_is_help_too_and_shows_no_ranges(words: tuple[str, ...]) -> None:
    text = shown(*words, "-h")
    assert text == shown(*words, "--help")
    for noise in ("range>", "x>=", "<=x"):
        assert noise not in text


def test_help_uses_the_width_of_the_terminal() -> None:
    narrow = shown("prune", "-h", COLUMNS="60").splitlines()
    wide = shown("prune", "-h", COLUMNS="120").splitlines()
    assert max(map(len, narrow)) <= 60
    assert 100 < max(map(len, wide)) <= 120
    assert len(wide) < len(narrow)


@pytest.mark.parametrize("words", COMMANDS)
def test_every_help_fits_forty_columns_and_names_no_types(words: tuple[str, ...]) -> None:
    assert max(map(len, shown(*words, "-h", COLUMNS="40").splitlines())) <= 40
    assert not re.search("<(str|int|float|path|bool|list)", shown(*words, "-h"))


def test_usage_has_the_arguments_as_the_help_has_them() -> None:
    assert shown("prune", "-h").startswith("Usage: evs prune [OPTIONS] INPUT...\n")
    assert shown("ask", "-h").startswith("Usage: evs ask [OPTIONS] STORE [ID] QUESTION\n")
    assert shown("inspect", "-h").startswith("Usage: evs inspect [OPTIONS] STORE [ID]\n")


@pytest.mark.parametrize("name", ["prune", "plan", "compare", "eval"])
def test_commands_share_the_options_of_frames_and_encoders(name: str) -> None:
    command = get_command(app).commands[name]  # type: ignore[attr-defined]
    declared = {opt: p.help for p in command.params for opt in p.opts if opt.startswith("--")}
    prune = get_command(app).commands["prune"]  # type: ignore[attr-defined]
    for parameter in prune.params:
        if getattr(parameter, "rich_help_panel", None) in ("Frames", "Encoder"):
            assert declared[parameter.opts[-1]].startswith(parameter.help)


def test_python_dash_m_is_the_same_program() -> None:
    words = [sys.executable, "-m", "evscli", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("evs ")


def test_completion_can_be_installed() -> None:
    result = run_evs("--show-completion", cwd=HERE, env={"SHELL": "/bin/bash"})
    assert result.code == 0, result
    assert "_EVS_COMPLETE" in result.out


@pytest.mark.parametrize(
    "words", [{}, {"COMP_WORDS": "evs pr"}, {"COMP_WORDS": "evs pr", "COMP_CWORD": "second"}]
)
def test_a_shell_that_asks_for_nothing_gets_nothing(words: dict[str, str]) -> None:
    result = run_here(cwd=HERE, env={"_EVS_COMPLETE": "complete_bash", **words})
    assert (result.code, result.out, result.err) == (0, "", "")


class TestDefaults:
    """From variables of the environment and from evs.toml."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        write_video(tmp_path / "a.mp4", frames=16)
        return tmp_path

    def kept(self, folder: Path, *words: str, **environment: str) -> str:
        arguments = ("prune", "a.mp4", "--method", "evs", *words)
        result = run_here(*arguments, cwd=folder, env=environment)
        assert result.code == 0, result.err
        return next(line for line in result.out.splitlines() if line.startswith("tokens"))

    def test_a_variable_is_a_default(self, folder: Path) -> None:
        assert "(25.0%)" in self.kept(folder, "-o", "one", EVS_BUDGET="0.25")
        assert "(50.0%)" in self.kept(folder, "-o", "two", "--budget", "0.5", EVS_BUDGET="0.25")

    def test_so_is_a_line_of_evs_toml_behind_both(self, folder: Path) -> None:
        (folder / "evs.toml").write_text('budget = [0.5]\n[prune]\noutput = "one"\n')
        assert "(50.0%)" in self.kept(folder)
        assert (folder / "one" / "run.json").exists()
        assert "(25.0%)" in self.kept(folder, "-o", "two", EVS_BUDGET="0.25")

    def test_a_single_value_of_a_repeated_option_needs_no_list(self, folder: Path) -> None:
        (folder / "evs.toml").write_text('[prune]\nmethod = "vcast"\nbudget = 0.5\n')
        result = run_here("prune", "a.mp4", "-o", "one", cwd=folder)
        assert (result.code, result.err.count("error")) == (0, 0), result.err
        settings = json.loads((folder / "one" / "run.json").read_text())["settings"]
        assert settings["selection"]["method"] == "vcast"
        assert settings["selection"]["budget"] == 0.5

    def test_a_command_of_a_group_has_a_table_below_it(self, folder: Path) -> None:
        (folder / "evs.toml").write_text("[train.mini]\nsteps = -5\n")
        result = run_here("train", "mini", "-o", "run", cwd=folder)
        assert result.code == 2
        assert "steps" in result.error

    def test_the_file_is_named(self, folder: Path) -> None:
        (folder / "evs.toml").write_text("fps = 2\n")
        result = run_here("methods", cwd=folder)
        assert "note: evs.toml in this folder gives defaults" in result.err

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ("fsp = 2", "evs.toml: no command has an option 'fsp'; did you mean fps?"),
            ("[prune]\nwords = 2", "evs.toml: evs prune has no option 'words'"),
            ("[prun]\nfps = 2", "evs.toml: there is no command 'prun' for the table [prun]"),
            ("[train]\nsteps = 2", "there is no command 'steps' for the table [train.steps]"),
            ("[train.mini]\nstep = 2", "evs train mini has no option 'step'; did you mean steps?"),
            ("fps = ", "evs.toml cannot be read (Invalid value"),
            ("[prune]\nfps = 'x'", "Invalid value for '--fps'"),
        ],
    )
    def test_a_mistake_is_one_line_of_usage(self, folder: Path, text: str, line: str) -> None:
        (folder / "evs.toml").write_text(text)
        result = run_here("prune", "a.mp4", "--method", "evs", "--budget", "0.5", cwd=folder)
        assert result.code == 2
        assert line in result.error

    @pytest.mark.parametrize(
        ("variables", "words", "line"),
        [
            ({"EVS_MAX_FRAMES": "many"}, (), "'--max-frames': "),
            ({"EVS_MAX_FRAMES": "0"}, (), "--max-frames must be 1 or more, got 0"),
            (
                {"EVS_FPS": "2", "EVS_NUM_FRAMES": "8"},
                (),
                "--fps and --num-frames exclude each other",
            ),
            ({"EVS_JSON": "perhaps"}, (), "'--json': "),
            ({"EVS_ENGINE": "spark"}, (), "'spark' is not one of 'local', 'ray' (from"),
        ],
    )
    def test_a_bad_variable_is_named(
        self, folder: Path, variables: dict[str, str], words: tuple[str, ...], line: str
    ) -> None:
        arguments = ("prune", "a.mp4", "--method", "evs", *words)
        result = run_here(*arguments, cwd=folder, env=variables)
        assert result.code == 2
        assert line in result.error
        assert f"(from the environment: {', '.join(variables)})" in result.error

    def test_a_variable_that_has_no_part_in_a_mistake_is_not_named(self, folder: Path) -> None:
        arguments = ("prune", "a.mp4", "--method", "evs", "--max-frames", "0")
        result = run_here(*arguments, cwd=folder, env={"EVS_MAX_FRAMES": "4", "EVS_FPS": "2"})
        assert "--max-frames must be 1 or more, got 0" in result.error
        assert "environment" not in result.error


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("prune", "x", "--method", "evs", "--workers", "0"), "--workers must be 1 or more, got 0"),
        (("eval", "--videos", "0"), "--videos must be 1 or more, got 0"),
        (
            ("prune", "x", "--store-dtype", "half"),
            "error: Invalid value for '--store-dtype': 'half' is not one of 'auto', ",
        ),
        (("eval", "--seed", str(2**32)), f"--seed must be below {2**32}, got {2**32}"),
        (("prune", "x", "--method", "evs", "-o", " "), "--output is empty; give a value or leave"),
        (("prune", "x", "--method", "evs", "--address", "a:1"), "is for --engine ray"),
        (
            ("prune", "x", "--method", "evs", "--timeout", "-1"),
            "--timeout must be a number above",
        ),
    ],
)
def test_values_out_of_range_are_one_line_of_usage(words: tuple[str, ...], line: str) -> None:
    result = run_here(*words, cwd=HERE)
    assert result.code == 2
    assert line in result.error
