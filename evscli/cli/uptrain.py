"""`evs train uptrain`: a checkpoint learns from pruned videos, at many pruning rates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from evscli.bundled import MINI
from evscli.cli import options
from evscli.cli.checks import check_run_folder, name_model
from evscli.cli.command import command
from evscli.cli.loading import quiet_loading, say_loading
from evscli.cli.notes import note
from evscli.cli.repeated import repeated
from evscli.cli.uptrain_data import Data, check_sources, find_data
from evscli.job.encoding import Device
from evscli.job.reading import Reading
from evscli.paths import folder_path
from evscli.texts import count_text
from evscli.train.uptrain.plan import UptrainPlan

if TYPE_CHECKING:
    from evscli.encoders.files import ModelFiles
    from evscli.train.loop import Trained
    from evscli.train.tuning.conversations import ReadConversations
    from evscli.train.uptrain.batches import Examples


@command
def uptrain(
    output: options.TunedFolder,
    data: Data,
    plan: UptrainPlan,
    reading: Reading,
    inputs: options.TrainingInputs = None,
    device: Device = "auto",
    processes: options.Processes = 1,
    blend: options.Blend = 0.0,
    as_json: options.Json = False,
) -> None:
    """Let the language part of a model learn from pruned videos, at many pruning rates.

    The rate of every batch is drawn, so that one model keeps its accuracy at all of them (EVS,
    arXiv 2510.14624). The part that sees stays as it is, and with it all stored tokens. Videos are
    encoded once, into DIR/store, unless a store is given. Run the same command again to go on
    after Ctrl-C, a crash or a reboot: the weights become the same as without it. At the end
    DIR/model is a checkpoint for --model, and DIR/report.json records the run.

    Example: evs train uptrain clips/ --conversations train.jsonl --model M -o tuned

    Example: evs train uptrain --store store --conversations train.jsonl --model M -o tuned
    """
    say_loading(data.model or MINI)
    from evscli.encoders.files import find_model

    check_sources(data, inputs)
    plan.requests()  # refuses a method before anything is loaded
    folder = folder_path(output, "--output")
    files = find_model(data.model or MINI)
    check_run_folder(folder, files)
    name_model(data.model or MINI)
    quiet_loading()
    from evscli.encoders.device import resolve_device
    from evscli.train.folder import run_folder
    from evscli.train.tuning.processes import make_accelerator

    accelerator = make_accelerator(plan, resolve_device(device))
    with run_folder(folder, leads=accelerator.is_main_process):
        check_plan(folder, plan)
        leads = accelerator.is_main_process
        wait = accelerator.wait_for_everyone
        found = find_data(
            data,
            inputs,
            reading,
            files,
            folder,
            device=device,
            processes=processes,
            leads=leads,
            wait=wait,
        )
        examples = examples_of(found, data, plan)
        plan = replace(plan, data=digest_of(examples, data, files))
        trained = run(plan, files, examples, folder, device=device, processes=processes)
        finish(
            trained,
            plan,
            files,
            folder,
            command=repeated(
                "evs train uptrain", inputs, data, plan, reading, output=output, blend=blend
            ),
            blend=blend,
            as_json=as_json,
        )


def check_plan(folder: Path, plan: UptrainPlan) -> None:
    """Raise UsageError before videos are encoded where they could not be learned from."""
    from evscli.train.checkpoint import goes_on
    from evscli.train.tuning.weights import peft_parts

    goes_on(folder, plan)
    if plan.lora:
        peft_parts()


def digest_of(examples: Examples, data: Data, files: ModelFiles) -> str:
    """Return the digest of everything that a run learns from, and of what learns."""
    from evscli.encoders.digest import json_digest
    from evscli.train.tuning.loaded import checkpoint_digest

    return json_digest([checkpoint_digest(files), data.films, examples.digest])


def run(
    plan: UptrainPlan,
    files: ModelFiles,
    examples: Examples,
    folder: Path,
    *,
    device: str,
    processes: int,
) -> Trained:
    """Train and show the progress."""
    from evscli.cli.train_report import run_shown
    from evscli.train.uptrain.task import uptrain_task

    task, target = uptrain_task(files, plan, examples, device=device)
    name = f"uptraining {files.name}"
    return run_shown(task, folder, name=name, device=target, processes=processes)


def examples_of(
    found: tuple[str, ReadConversations] | None, data: Data, plan: UptrainPlan
) -> Examples:
    """Return conversations about the videos of a store, or those about new films in every step.

    Raises UsageError for a video that lacks tokens that the plan needs.
    """
    if found is None:
        from evscli.job import Encoding
        from evscli.mini.exam.examples import FilmExamples

        return FilmExamples(encoding=Encoding(model=data.model), seed=plan.seed)
    from evscli.store import open_store
    from evscli.train.uptrain.batches import StoredExamples, check_tokens

    store, conversations = found[0], found[1].found
    videos = {one.video for one in conversations}
    note(
        f"learning from {count_text(len(conversations), 'conversation')} about "
        f"{count_text(len(videos), 'video')}"
    )
    check_tokens(open_store(store), [one.video for one in conversations], plan)
    return StoredExamples(store=store, conversations=conversations, seed=plan.seed)


def finish(
    trained: Trained,
    plan: UptrainPlan,
    files: ModelFiles,
    folder: Path,
    *,
    command: str,
    blend: float,
    as_json: bool,
) -> None:
    """Write DIR/model and DIR/report.json, and print the report."""
    from evscli.cli.train_report import report_course
    from evscli.train.folder import MODEL_FOLDER
    from evscli.train.loop import training_report
    from evscli.train.tuning.result import write_checkpoint
    from evscli.train.uptrain.learner import UptrainLearner

    learner = trained.learner
    assert isinstance(learner, UptrainLearner)
    if not learner.accelerator.is_main_process:
        return
    model = folder / MODEL_FOLDER
    write_checkpoint(learner.module, files, model, command=command, before=blend)
    document = {"model": files.name, **training_report(plan, trained, command=command)}
    document["blend"] = blend
    report_course(document, folder, results=[MODEL_FOLDER], as_json=as_json)
