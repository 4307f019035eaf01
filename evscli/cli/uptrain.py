"""`evs train uptrain`: a checkpoint learns from pruned videos, at many pruning rates."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from evscli.bundled import MINI
from evscli.cli import options
from evscli.cli.checks import check_output, name_model
from evscli.cli.command import command
from evscli.cli.notes import quiet_loading
from evscli.cli.repeated import repeated
from evscli.errors import UsageError
from evscli.job.encoding import Device
from evscli.job.reading import Reading
from evscli.option import Checked, Option
from evscli.paths import folder_path
from evscli.train.uptrain.plan import UptrainPlan

if TYPE_CHECKING:
    from evscli.corpus.tasks import Done
    from evscli.encoders.files import ModelFiles
    from evscli.job import Job
    from evscli.records import VideoInput
    from evscli.train.loop import Trained
    from evscli.train.tuning.conversations import ReadConversations
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
            "JSON lines about videos by id: video, and messages, or question and answer (a text, "
            "or the number of one of options).",
            metavar="FILE.jsonl",
        ),
    ] = None
    films: Annotated[
        int | None,
        Option(
            "Procedural videos that mini learns from again and again, encoded once into "
            "DIR/store, with DIR/conversations.jsonl. Default: new ones in every step.",
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
    reading: Reading,
    inputs: options.TrainingInputs = None,
    device: Device = "auto",
    processes: options.Processes = 1,
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
    check_output(folder)
    files = find_model(data.model or MINI)
    name_model(data.model or MINI)
    quiet_loading()
    found = with_store(data, inputs, reading, files, folder, device=device)
    examples = examples_of(found, data, plan)
    plan = replace(plan, data=examples.digest)
    trained = run(plan, files, examples, folder, device=device, processes=processes)
    finish(
        trained,
        plan,
        files,
        folder,
        command=repeated("evs train uptrain", inputs, data, plan, reading),
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


def with_store(
    data: Data,
    inputs: list[str] | None,
    reading: Reading,
    files: ModelFiles,
    folder: Path,
    *,
    device: str,
) -> tuple[str, ReadConversations] | None:
    """Return the store to learn from with the conversations about it, or None without them.

    Videos are encoded into DIR/store when the conversations about them have been read.
    """
    store = folder / "store"
    if data.films is not None:
        data = film_store(data, data.films, store)
    if data.conversations is None:
        return None
    from evscli.cli.events import report_left_out
    from evscli.cli.notes import note
    from evscli.cli.train_report import note_left_out
    from evscli.store import open_store

    if data.store is not None:
        return data.store, read(data.conversations, open_store(data.store), files)
    job = whole_job(store, reading, model=data.model, device=device)
    videos = job.find_videos(inputs or [], left_out=partial(report_left_out, as_json=False))
    conversations = read(data.conversations, {video.id for video in videos}, files)
    note(f"encoding the videos, once, into {store}")
    encode_whole(videos, job)
    left = conversations.about(open_store(store))
    note_left_out(left.left_out)
    return str(store), left


def read(path: Path, videos: Collection[str], files: ModelFiles) -> ReadConversations:
    """Read the conversations about videos by their ids, with a note on every line left out."""
    from evscli.cli.train_report import note_left_out
    from evscli.train.tuning.conversations import read_conversations
    from evscli.train.tuning.loaded import text_check

    found = read_conversations(path, videos, text_check(files))
    note_left_out(found.left_out)
    return found


def film_store(data: Data, count: int, store: Path) -> Data:
    """Encode procedural videos into a store, and return the data with it."""
    from evscli.cli.notes import note, progress
    from evscli.job import Encoding
    from evscli.mini.exam.examples import FilmExamples
    from evscli.mini.exam.stored import store_films

    note(f"encoding {count:,} procedural videos, once, into {store}")
    films = FilmExamples(encoding=Encoding(model=data.model), seed=0)
    lines = store.with_name("conversations.jsonl")
    with progress(count, unit="video") as advance:
        store_films(films, count, store=store, conversations=lines, advance=advance)
    return replace(data, store=str(store), conversations=lines)


def whole_job(store: Path, reading: Reading, *, model: str | None, device: str) -> Job:
    """Return the job that encodes videos into a store of all tokens."""
    from evscli.job import Encoding, Job, Selection, Storage

    return Job(
        selection=Selection(methods=("none",)),
        reading=reading,
        encoding=Encoding(model=model, device=device),
        storage=Storage(output=str(store)),
    )


def encode_whole(videos: Sequence[VideoInput], job: Job) -> None:
    """Encode videos into the job's store. Raises UsageError where none can be."""
    from evscli.job.run import run_job

    (summary,) = run_job(job.resolved(), videos, listener=FailureNotes())
    if not summary.pruned and not summary.skipped:
        raise UsageError("no video could be encoded, so there is nothing to learn from")


class FailureNotes:
    """A listener that prints a note on every video that fails."""

    def begin(self, jobs: object, summaries: object) -> None:
        """Print nothing about the beginning of a run."""

    def done(self, done: Done, *, again: bool) -> None:
        """Print a note on a failure that is the last of its video."""
        from evscli.cli.notes import note
        from evscli.records import Failure

        if isinstance(done.outcome, Failure) and not again:
            note(f"left out: {done.outcome.message}")


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
    check_tokens(open_store(store), [one.video for one in conversations], plan)
    return StoredExamples(store=store, conversations=conversations, seed=plan.seed)


def finish(
    trained: Trained,
    plan: UptrainPlan,
    files: ModelFiles,
    folder: Path,
    *,
    command: str,
    as_json: bool,
) -> None:
    """Write DIR/model and DIR/report.json, and print the report."""
    from evscli.cli.train_report import MODEL_FOLDER, report_course
    from evscli.train.loop import training_report
    from evscli.train.tuning.result import write_checkpoint
    from evscli.train.uptrain.learner import UptrainLearner

    learner = trained.learner
    assert isinstance(learner, UptrainLearner)
    if not learner.accelerator.is_main_process:
        return
    write_checkpoint(learner.module, files, folder / MODEL_FOLDER)
    document = {"model": files.name, **training_report(plan, trained, command=command)}
    report_course(document, folder, results=[MODEL_FOLDER], as_json=as_json)
