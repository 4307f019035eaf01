"""The output of `evs train`: its progress, and at the end its results."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from evscli.cli.interrupts import stop_between_steps
from evscli.cli.notes import note
from evscli.evaluation.report.accuracy import baselines_table, lines
from evscli.evaluation.statistics.tallies import Tally
from evscli.mini.training.learner import ANSWER, naming_loss
from evscli.mini.world.questions import KINDS
from evscli.store.durable import replace_file
from evscli.tables import tab_separated, table_of
from evscli.texts import count_text, duration_text
from evscli.train.folder import MODEL_FOLDER
from evscli.train.loop import REPORT_EVERY, Trained, TrainingRun, train
from evscli.train.task import B, TrainingTask
from evscli.train.tuning.plan import DEFAULT

MOST_NAMED = 5
"""The most examples left out that are named. The others are counted."""

ROWS = 12
"""The most rows of the table of the course of a run."""


def run_shown(
    task: TrainingTask[B], folder: Path, *, name: str, device: torch.device, processes: int
) -> Trained:
    """Train and show the progress. Raises KeyboardInterrupt, after a note, where it was stopped."""
    total = task.plan.total
    with (
        stop_between_steps() as stop,
        closing(ProgressPrinter(total, name, shown=task.leads)) as progress,
    ):
        trained = train(
            task,
            folder,
            on_resume=progress.resume,
            on_report=progress.report,
            on_step=progress.advance,
            stop=stop,
            device=device,
            processes=processes,
            report_every=min(REPORT_EVERY, max(1, total // ROWS)),
        )
    if trained.step < total:
        note(f"stopped after step {trained.step:,} of {total:,}; its checkpoint is in {folder}")
        raise KeyboardInterrupt
    return trained


class ProgressPrinter:
    """A bar on a terminal; a line for every report where standard error is piped."""

    def __init__(self, steps: int, what: str, *, shown: bool = True) -> None:
        self.steps, self.shown = steps, shown
        self.done = self.start = 0
        self.noted: set[str] = set()
        self.began = time.monotonic()
        self.bar = tqdm(
            total=steps,
            desc=what,
            unit="step",
            disable=not shown or not sys.stderr.isatty(),
            dynamic_ncols=True,
        )

    def resume(self, run: TrainingRun[Any]) -> None:
        """Set the bar to the step of a checkpoint, and print notes about it."""
        self.start = self.done = self.bar.n = self.bar.initial = run.step
        if not self.shown:
            return
        spent = duration_text(run.spent)
        with tqdm.external_write_mode(file=sys.stderr):
            if run.step >= self.steps:
                note(
                    f"all {self.steps:,} steps are done, in {spent}; the results are written again"
                )
                return
            note(f"going on from step {run.step:,} of {self.steps:,}, {spent} so far")
            if run.moved:
                note(
                    "the machine, its threads, the device or torch is another one than before: "
                    "from here on the weights differ, in rounding, from those of one machine"
                )

    def advance(self, done: int) -> None:
        """Move the bar to the number of steps done."""
        self.bar.update(done - self.done)
        self.done = done

    def report(self, report: Mapping[str, Any]) -> None:
        """Show losses and accuracy of the last steps, and once what was left out of them."""
        if not self.shown:
            return
        left_out = dict.fromkeys(report.get("left_out", ()))
        if new := [reason for reason in left_out if reason not in self.noted]:
            self.noted.update(new)
            with tqdm.external_write_mode(file=sys.stderr):
                note_left_out(new)
        if not self.bar.disable:
            self.bar.set_postfix_str(", ".join(losses_texts(report)), refresh=False)
            return
        try:
            print(self.line(report), file=sys.stderr, flush=True)
        except OSError:  # nothing reads standard error any more, and hours of work must go on
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)

    def line(self, report: Mapping[str, Any]) -> str:
        """Return a report as a line, with the time left at the pace of this session."""
        step = report["step"]
        pace = (time.monotonic() - self.began) / max(1, step - self.start)
        return (
            f"step {step:,} of {self.steps:,}: {', '.join(losses_texts(report))}, "
            f"{pace:.2f} s a step, {duration_text(pace * (self.steps - step))} left"
        )

    def close(self) -> None:
        """Take the bar off the terminal."""
        self.bar.close()


def note_left_out(reasons: Sequence[str]) -> None:
    """Print notes on the first examples that were left out, and on the number of others."""
    for reason in reasons[:MOST_NAMED]:
        note(f"left out: {reason}")
    if len(reasons) > MOST_NAMED:
        note(f"{len(reasons) - MOST_NAMED:,} more were left out")


def losses_texts(report: Mapping[str, Any]) -> list[str]:
    """Return the losses of the last steps; those of naming, of which there are many, as one."""
    losses = report["loss"]
    if not losses:
        return ["nothing learned"]
    others = [name for name in losses if name != ANSWER]
    texts = [answers_text(report)] if ANSWER in losses else []
    if len(others) > 1:
        return [*texts, f"naming loss {naming_loss(losses):.4f}"]
    return [*texts, *(f"{name} loss {losses[name]:.4f}" for name in others)]


def answers_text(report: Mapping[str, Any]) -> str:
    """Return how well questions were answered, where that was counted, and the loss."""
    loss = f"answer loss {report['loss'][ANSWER]:.4f}"
    return f"{report['overall']:.1%} right, {loss}" if report.get("accuracy") else loss


def report(
    document: Mapping[str, Any], folder: Path, *, held_out: Sequence[Tally], as_json: bool
) -> None:
    """Write DIR/report.json and print it, as JSON or for people."""
    if report_run(document, folder, as_json=as_json):
        return
    head = ("step", "answer", "naming", "right", *KINDS)
    rows = [course_row(entry) for entry in thin_out(document["history"], ROWS)]
    show(table_of(head, rows), tab_separated(head, rows))
    if held_out:
        show(baselines_table(held_out), lines(held_out))
        again = f"evs eval --model {folder / 'mini'} --seed {document['plan']['seed']}"
        note(f"`{again} --videos {held_out[0].videos}` asks about the same held-out videos")
    note(f"the checkpoint is {folder / 'mini'}, all figures are in {folder / 'report.json'}")


def report_run(document: Mapping[str, Any], folder: Path, *, as_json: bool) -> bool:
    """Write DIR/report.json and print the run's settings; return whether it was JSON."""
    text = json.dumps(document, indent=2)
    replace_file(folder / "report.json", f"{text}\n".encode())
    if as_json:
        print(text)
        return True
    print(f"trained by {document['trained_by']}")
    print(f"plan       {plan_text(document['plan'])}")
    print(f"time       {document['steps']:,} steps in {duration_text(3600 * document['hours'])}")
    for machine in document["machines"]:
        print(
            f"machine    {machine['processor']}, {machine['device']}, "
            f"{count_text(machine['threads'], 'thread')}, torch {machine['torch']}"
        )
    return False


def plan_text(plan: Mapping[str, float | str]) -> str:
    """Return the settings that were given or follow from the model; digests and versions stay out.

    All of them stand in DIR/report.json.
    """
    hidden = ("data", "algorithm")
    given = {name: value for name, value in plan.items() if value not in (DEFAULT, "")}
    return ", ".join(f"{name} {value}" for name, value in given.items() if name not in hidden)


def report_course(
    document: Mapping[str, Any], folder: Path, *, results: Sequence[str], as_json: bool
) -> None:
    """Write DIR/report.json and print it with every loss; `results` are the names in DIR."""
    if report_run(document, folder, as_json=as_json):
        return
    names = list(dict.fromkeys(name for entry in document["history"] for name in entry["loss"]))
    rows = [
        [f"{entry['step']:,}", *(loss_cell(entry, name) for name in names)]
        for entry in thin_out(document["history"], ROWS)
    ]
    head = ("step", *(f"{name} loss" for name in names))
    show(table_of(head, rows), tab_separated(head, rows))
    for name in results:
        what = "checkpoint" if name == MODEL_FOLDER else "scorer"
        note(f"the {what} is {folder / name}")
    note(f"all figures are in {folder / 'report.json'}")


def loss_cell(entry: Mapping[str, Any], name: str) -> str:
    """Return a loss of an entry, or nothing where the entry has none of that name."""
    return f"{entry['loss'][name]:.4f}" if name in entry["loss"] else ""


def show(table: Table, lines: Sequence[str]) -> None:
    """Print a table on a terminal, else its lines with tabs."""
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(table)
    else:
        print(*lines, sep="\n")


def thin_out(history: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Keep at most `count` entries, evenly spread, the first and the last among them."""
    if len(history) <= count:
        return list(history)
    return [history[round(i * (len(history) - 1) / (count - 1))] for i in range(count)]


def course_row(entry: Mapping[str, Any]) -> list[str]:
    """Return step, losses, and the share of right answers: of all questions and of each kind."""
    losses, right = entry["loss"], entry["accuracy"]
    return [
        f"{entry['step']}",
        f"{losses[ANSWER]:.4f}" if ANSWER in losses else "",
        f"{naming_loss(losses):.4f}",
        f"{entry['overall']:.1%}" if ANSWER in losses else "",
        *(f"{right[kind]:.1%}" if kind in right else "" for kind in KINDS),
    ]
