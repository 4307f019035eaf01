from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText

from evscli.cli.train import command_of
from evscli.cli.train_report import thin_out
from evscli.mini.exam.films import held_out_films
from evscli.mini.training.plan import TrainingPlan
from evscli.mini.world.questions import KINDS
from evscli.train.checkpoint import CHECKPOINT_FILE
from tests.cli.in_process import run_here
from tests.evs import Running, wait_until

pytestmark = pytest.mark.slow

SMALL = ("--seed", "54", "--tokens", "1", "--device", "cpu", "--processes", "0", "--held-out", "0")
THREE = (*SMALL, "--steps", "3", "--looks", "2")
"""Two steps of single moments and one of small videos."""

COMMAND = "evs train mini --seed 54 --steps 3 --looks 2 --tokens 1"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three steps without a break."""
    folder = tmp_path_factory.mktemp("finished")
    result = run_here("train", "mini", "-o", "run", *THREE, cwd=folder)
    assert result.code == 0, result
    (folder / "out").write_text(result.out)
    (folder / "err").write_text(result.err)
    return folder


def test_a_run_leaves_a_checkpoint_that_says_what_made_it(finished: Path) -> None:
    folder = finished / "run"
    assert sorted(path.name for path in folder.iterdir()) == [
        "mini",
        "report.json",
        CHECKPOINT_FILE,
    ]
    model, loading = AutoModelForImageTextToText.from_pretrained(
        folder / "mini", output_loading_info=True
    )
    assert not any(loading.values()), loading
    assert model.dtype == torch.bfloat16
    assert model.config.evs_training == f"trained by `{COMMAND}`"
    trained = load_file(folder / CHECKPOINT_FILE)
    for name, value in load_file(folder / "mini" / "model.safetensors").items():
        assert torch.equal(value, trained[f"weights/model.{name}"].to(torch.bfloat16)), name


def test_the_report_is_written_and_printed(finished: Path) -> None:
    document = json.loads((finished / "run" / "report.json").read_text())
    assert document["trained_by"] == COMMAND
    assert document["plan"]["looks"] == 2
    assert document["steps"] == 3
    assert [entry["step"] for entry in document["history"]] == [1, 2, 3]
    out = (finished / "out").read_text()
    assert f"trained by {COMMAND}\n" in out
    assert document["machines"][0]["processor"] in out
    head, *_, row = (line.split("\t") for line in out.splitlines() if "\t" in line)
    assert head == ["step", "answer", "naming", "right", *KINDS]
    losses = document["history"][-1]["loss"]
    assert row[:2] == ["3", f"{losses['answer']:.4f}"]
    assert "the checkpoint is run/mini" in (finished / "err").read_text()


def test_at_the_end_it_is_asked_about_held_out_videos(finished: Path) -> None:
    result = run_here(
        "train", "mini", "-o", "run", *THREE, "--held-out", "2", "--json", cwd=finished
    )
    assert result.code == 0, result
    rows = json.loads(result.out)["held_out"]
    everything = {row["method"]: row for row in rows if row["kind"] == "all"}
    assert list(everything) == ["whole", "question-only", "first-frame", "shuffled-frames"]
    asked = sum(len(film.questions) for _, film in held_out_films(2, seed=54))
    assert {row["asked"] for row in everything.values()} == {asked}
    assert everything["question-only"]["kept_fraction"] == 0


def test_progress_is_a_line_for_every_report_where_it_is_piped(finished: Path) -> None:
    lines = [line for line in (finished / "err").read_text().splitlines() if "step" in line]
    shown = [line for line in lines if not line.startswith("note: ")]
    assert len(shown) == 3
    assert re.fullmatch(
        r"step 3 of 3: \d+\.\d% right, answer loss \d+\.\d{4}, naming loss \d+\.\d{4}, "
        r"\d+\.\d\d s a step, 0\.0 s left",
        shown[-1],
    )


def tell_begun() -> None:
    """Have a run make the file `begun` once signals wait for the end of a step."""
    from evscli.cli import train_report

    original = train_report.stop_between_steps

    @contextmanager
    def telling() -> Iterator[Callable[[], bool]]:
        with original() as asked:
            Path("begun").touch()
            yield asked

    train_report.stop_between_steps = telling


def test_ctrl_c_keeps_the_steps_done_and_the_same_command_goes_on(
    finished: Path, tmp_path: Path
) -> None:
    running = Running("train", "mini", "-o", "run", *THREE, cwd=tmp_path, before=tell_begun)
    wait_until((tmp_path / "begun").exists)
    running.send(signal.SIGINT)
    stopped = running.wait()
    assert stopped.code == 130, stopped
    assert "note: stopping after this step; once more loses the last steps" in stopped.err
    assert "note: stopped after step 1 of 3; its checkpoint is in run" in stopped.err
    assert "run it again to go on" in stopped.err
    assert [path.name for path in (tmp_path / "run").iterdir()] == [CHECKPOINT_FILE]
    resumed = run_here("train", "mini", "-o", "run", *THREE, "--json", cwd=tmp_path)
    assert resumed.code == 0, resumed
    assert re.search(r"^note: going on from step 1 of 3, \d+\.\d s so far$", resumed.err, re.M)
    assert json.loads(resumed.out) == json.loads((tmp_path / "run" / "report.json").read_text())
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        ours, theirs = tmp_path / "run" / "mini" / name, finished / "run" / "mini" / name
        assert ours.read_bytes() == theirs.read_bytes()


def test_a_second_ctrl_c_stops_at_once(tmp_path: Path) -> None:
    many = (*SMALL, "--tokens", "9999", "--steps", "1000", "--looks", "0")
    running = Running("train", "mini", "-o", "run", *many, cwd=tmp_path, before=tell_begun)
    wait_until((tmp_path / "begun").exists)
    running.send(signal.SIGTERM)
    wait_until(lambda: "once more" in running.err.read_text())
    running.send(signal.SIGTERM)
    stopped = running.wait()
    assert stopped.code == 130, stopped
    assert "stopped after step" not in stopped.err
    assert not (tmp_path / "run").exists()


def test_a_finished_run_is_reported_again(finished: Path) -> None:
    before = (finished / "run" / "mini" / "model.safetensors").read_bytes()
    spent = json.loads((finished / "run" / "report.json").read_text())["hours"]
    again = run_here("train", "mini", "-o", "run", *THREE, "--json", cwd=finished)
    assert again.code == 0, again
    assert "note: all 3 steps are done, in " in again.err
    assert json.loads(again.out)["steps"] == 3
    assert json.loads(again.out)["hours"] == spent
    assert (finished / "run" / "mini" / "model.safetensors").read_bytes() == before


def test_a_folder_of_another_run_is_refused(finished: Path) -> None:
    other = run_here("train", "mini", "-o", "run", *THREE, "--rate", "0.01", cwd=finished)
    assert other.code == 2
    assert "another training run (rate 0.002 there, 0.01 asked)" in other.error


def test_a_bar_is_shown_on_a_terminal(finished: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 120))
    terminal = partial(show_on, os.ttyname(theirs))
    arguments = ("train", "mini", "-o", finished / "run", *THREE)
    running = Running(*arguments, cwd=tmp_path, before=terminal)
    shown = read(ours)
    os.close(theirs)  # by now the run has it open
    while piece := read(ours):
        shown += piece
    os.close(ours)
    assert running.wait().code == 0, shown
    assert b"training mini: 100%" in shown
    assert b"3/3" in shown
    assert b"note: all 3 steps are done" in shown


def show_on(terminal: str) -> None:
    """Have all that this process prints appear there."""
    handle = os.open(terminal, os.O_WRONLY | os.O_NOCTTY)
    for number in (1, 2):
        os.dup2(handle, number)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))


def read(terminal: int) -> bytes:
    """What comes next; nothing when the other side is closed, which Linux calls an error."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


USAGE: dict[str, tuple[tuple[str, ...], str]] = {
    "no folder": ((), "Missing option '-o'"),
    "empty folder name": (("-o", ""), "--output is empty"),
    "folder is a file": (("-o", "file"), "cannot write into file"),
    "no steps": (("-o", "run", "--steps", "0"), "--steps must be 1 or more, got 0"),
    "negative seed": (("-o", "run", "--seed", "-1"), "--seed must be 0 or more, got -1"),
    "no threads": (("-o", "run", "--threads", "0"), "--threads must be 1 or more, got 0"),
    "no rate": (("-o", "run", "--rate", "0"), "rate must be a number above 0, got 0.0"),
    "rate is no number": (("-o", "run", "--rate", "nan"), "got nan"),
    "nothing but looks": (("-o", "run", "--steps", "9", "--looks", "9"), "fewer than the 9 steps"),
    "unknown view": (("-o", "run", "--view", "half"), "'half'"),
    "unknown device": (("-o", "run", "--device", "gpu"), "'gpu'"),
}


@pytest.mark.parametrize("fault", USAGE)
def test_a_wrong_call_is_one_line_and_leaves_nothing(fault: str, tmp_path: Path) -> None:
    arguments, words = USAGE[fault]
    (tmp_path / "file").touch()
    result = run_here("train", "mini", *arguments, cwd=tmp_path)
    assert result.code == 2, result
    assert words in result.error
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_cannot_be_written_fails_at_once(tmp_path: Path) -> None:
    result = run_here("train", "mini", "-o", "/proc/run", *THREE, cwd=tmp_path)
    assert result.code in (1, 2)
    assert "/proc/run" in result.error


@pytest.mark.parametrize(
    ("changes", "command"),
    [
        ({}, "evs train mini --seed 1 --steps 12000"),
        ({"seed": 7, "steps": 240}, "evs train mini --seed 7 --steps 240"),
        ({"rate": 0.01, "view": "first-frame"}, "--rate 0.01 --view first-frame"),
        ({"looks": 0}, "--looks 0"),
    ],
)
def test_the_command_that_repeats_a_run_names_what_is_not_usual(
    changes: dict[str, int | float | str], command: str
) -> None:
    assert command_of(TrainingPlan(**changes)).endswith(command)  # type: ignore[arg-type]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from evscli.cli import run; "
        "run(['train', '--help'], debug=False); run(['train', 'mini', '--help'], debug=False); "
        "sys.exit(bool({'torch', 'transformers', 'av'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Example: evs train mini") == 2


def test_some_entries_stand_for_a_long_history() -> None:
    history = [{"step": step} for step in range(1, 101)]
    assert thin_out(history, 200) == history
    shown = [entry["step"] for entry in thin_out(history, 12)]
    assert (len(shown), shown[0], shown[-1]) == (12, 1, 100)
    assert {b - a for a, b in pairwise(shown)} == {9}
