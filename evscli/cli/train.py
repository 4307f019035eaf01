"""`evs train`: training of the learned parts on this machine."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from evscli.cli import options
from evscli.cli.checks import check_run_folder
from evscli.cli.command import GroupedCommand, command
from evscli.cli.loading import say_loading
from evscli.cli.notes import progress
from evscli.cli.scorer import scorer
from evscli.cli.uptrain import uptrain
from evscli.job.encoding import Device
from evscli.mini.training.plan import TrainingPlan
from evscli.paths import folder_path

if TYPE_CHECKING:
    from evscli.train.loop import Trained

HELD_OUT = 200
"""The default number of held-out videos."""

train = typer.Typer(
    help="Train the learned parts.\n\nExample: evs train mini -o mini-run", rich_markup_mode=None
)


train.command(cls=GroupedCommand)(uptrain)
train.command(cls=GroupedCommand)(scorer)


@train.command(cls=GroupedCommand)
@command
def mini(
    output: options.Run,
    plan: TrainingPlan,
    looks: options.Looks = None,
    device: Device = "auto",
    threads: options.Threads = None,
    processes: options.Processes = 1,
    held_out: options.HeldOut = HELD_OUT,
    as_json: options.Json = False,
) -> None:
    """Train the bundled model mini on videos drawn here, which takes hours.

    Run the same command again to go on after Ctrl-C, a crash or a reboot: the weights become the
    same as without it. At the end DIR/mini is a checkpoint for --model, and DIR/report.json
    records the run.

    Example: evs train mini -o mini-run
    """
    plan = plan if looks is None else replace(plan, looks=looks)
    folder = folder_path(output, "--output")
    say_loading("torch")
    check_run_folder(folder)
    from evscli.train.folder import run_folder

    with run_folder(folder):
        trained = run(plan, folder, device=device, threads=threads, processes=processes)
        finish(plan, trained, folder, held_out=held_out, as_json=as_json)


def run(
    plan: TrainingPlan, folder: Path, *, device: str, threads: int | None, processes: int
) -> Trained:
    """Train and show the progress."""
    import torch

    from evscli.cli.train_report import run_shown
    from evscli.encoders.device import resolve_device
    from evscli.mini.form import mini_tokenizer
    from evscli.mini.training.learner import mini_task

    target = resolve_device(device)
    if threads is not None:
        torch.set_num_threads(threads)
    task = mini_task(mini_tokenizer(), plan)
    return run_shown(task, folder, name="training mini", device=target, processes=processes)


def finish(
    plan: TrainingPlan, trained: Trained, folder: Path, *, held_out: int, as_json: bool
) -> None:
    """Write DIR/mini and DIR/report.json, and print the report."""
    from transformers.utils import logging

    from evscli.cli.train_report import report
    from evscli.mini.exam.procedural import held_out_tallies
    from evscli.mini.form import mini_tokenizer, write_checkpoint
    from evscli.mini.training.learner import MODEL, MiniLearner
    from evscli.store.durable import new_folder
    from evscli.train.loop import training_report

    logging.disable_progress_bar()
    command = command_of(plan)
    learner = trained.learner
    assert isinstance(learner, MiniLearner)
    model = learner.workers[MODEL]
    with new_folder(folder / "mini") as begun:
        write_checkpoint(model, mini_tokenizer(), begun, training=f"trained by `{command}`")
    document = training_report(plan, trained, command=command)
    if held_out:
        with progress(held_out, unit="video") as advance:
            rows = held_out_tallies(
                folder / "mini", videos=held_out, seed=plan.seed, advance=advance
            )
        document["held_out"] = [asdict(row) for row in rows]
    report(document, folder, held_out=rows if held_out else [], as_json=as_json)


def command_of(plan: TrainingPlan) -> str:
    """Return the command that repeats a run: seed, steps, and every setting that is not usual."""
    values, usual = plan.values(), TrainingPlan(seed=plan.seed, steps=plan.steps).values()
    others = [name for name in values if values[name] != usual[name]]
    given = [f"--{name} {values[name]}" for name in ("seed", "steps", *others)]
    return " ".join(["evs train mini", *given])
