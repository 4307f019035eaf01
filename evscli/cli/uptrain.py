"""`evs train uptrain`: a checkpoint learns from pruned videos, at many pruning rates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from evscli.bundled import MINI
from evscli.cli import options
from evscli.cli.checks import check_run_folder, name_model
from evscli.cli.command import command
from evscli.cli.interrupts import catch_termination
from evscli.cli.notes import quiet_loading
from evscli.cli.repeated import repeated
from evscli.cli.uptrain_store import encode_data
from evscli.errors import UsageError
from evscli.job.encoding import Device
from evscli.option import Checked, Option
from evscli.paths import folder_path
from evscli.train.uptrain.plan import UptrainPlan

if TYPE_CHECKING:
    from evscli.encoders.files import ModelFiles
    from evscli.train.loop import Trained
    from evscli.train.uptrain.batches import Examples


@dataclass(frozen=True, kw_only=True)
class Data(Checked):
    """The data that is learned from, and the checkpoint that learns."""

    GROUP: ClassVar = "Data"

    store: Annotated[
        str | None,
        Option(
            "Store that holds all tokens of its videos: evs prune --budget 1. Default: procedural "
            "videos, for mini.",
            metavar="STORE",
        ),
    ] = None
    conversations: Annotated[
        Path | None,
        Option(
            "JSON lines about videos by id: video, and messages, or question and answer.",
            metavar="FILE.jsonl",
        ),
    ] = None
    films: Annotated[
        int | None,
        Option(
            "Procedural videos that mini learns from again and again, encoded once into "
            "DIR/store, with DIR/film-conversations.jsonl. Default: new ones in every step.",
            metavar="N",
            least=1,
        ),
    ] = None
    model: Annotated[
        str | None, Option("Checkpoint to begin with. Default: the bundled mini.", metavar="MODEL")
    ] = None


@command
def uptrain(
    output: options.TunedFolder,
    data: Data,
    plan: UptrainPlan,
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
    from evscli.encoders.files import find_model

    check_sources(data, inputs)
    plan.request()  # refuses a method before anything is loaded
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
        if accelerator.is_main_process:
            catch_termination()
            encode_data(inputs, data.films, folder, model=data.model, device=device)
        accelerator.wait_for_everyone()
        examples = examples_of(with_store(data, inputs, folder), plan)
        plan = replace(plan, data=digest_of(examples, data, files))
        trained = run(plan, files, examples, folder, device=device, processes=processes)
        finish(
            trained,
            plan,
            files,
            folder,
            command=repeated("evs train uptrain", inputs, data, plan, output=output),
            blend=blend,
            as_json=as_json,
        )


def check_sources(data: Data, inputs: list[str] | None) -> None:
    """Raise UsageError unless videos, or a store, come with conversations, and nothing twice."""
    if inputs and data.store is not None:
        raise UsageError("videos and --store exclude each other: a store holds the videos already")
    if data.films is not None and (inputs or data.store is not None or data.conversations):
        raise UsageError(
            "--films are procedural videos with their questions: give no videos, --store or "
            "--conversations beside them"
        )
    if (data.conversations is None) != (data.store is None and not inputs):
        raise UsageError(
            "--conversations are about videos or a --store: give both, or neither to learn from "
            "procedural videos"
        )


def check_plan(folder: Path, plan: UptrainPlan) -> None:
    """Raise UsageError before videos are encoded where they could not be learned from."""
    from evscli.train.checkpoint import goes_on
    from evscli.train.tuning.weights import peft_parts

    goes_on(folder, plan)
    if plan.lora:
        peft_parts()


def with_store(data: Data, inputs: list[str] | None, folder: Path) -> Data:
    """Return the data with the store to learn from, where it is the run's own."""
    from evscli.train.folder import FILMS_FILE

    if data.films is not None:
        lines = folder / FILMS_FILE
        return replace(data, store=str(folder / "store"), conversations=lines)
    return replace(data, store=str(folder / "store")) if inputs else data


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


def examples_of(data: Data, plan: UptrainPlan) -> Examples:
    """Return the conversations of the store, with a note on every line left out, or of films."""
    if data.store is None or data.conversations is None:
        from evscli.job import Encoding
        from evscli.mini.exam.examples import FilmExamples

        return FilmExamples(encoding=Encoding(model=data.model), seed=plan.seed)
    from evscli.cli.train_report import note_left_out
    from evscli.store import open_store
    from evscli.train.tuning.conversations import read_conversations
    from evscli.train.uptrain.batches import StoredExamples

    read = read_conversations(data.conversations, open_store(data.store))
    note_left_out(read.left_out)
    return StoredExamples(store=data.store, conversations=read.found, seed=plan.seed)


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
