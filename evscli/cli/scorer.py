"""`evs train scorer`: a scorer learns which windows an encoder should go on with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from evscli.cli import options
from evscli.cli.checks import check_run_folder, name_model
from evscli.cli.command import command
from evscli.cli.loading import quiet_loading, say_loading
from evscli.cli.notes import note
from evscli.cli.repeated import repeated
from evscli.errors import UsageError
from evscli.job import Encoding
from evscli.job.encoding import Device
from evscli.job.reading import Reading
from evscli.option import Checked, Option
from evscli.paths import folder_path
from evscli.records import Sampling
from evscli.train.scorer.plan import ScorerPlan

if TYPE_CHECKING:
    from evscli.train.loop import Trained
    from evscli.train.scorer.batches import PatchedVideos


@dataclass(frozen=True, kw_only=True)
class ScorerData(Checked):
    """The conversations that a scorer learns by, and the checkpoint that it is for."""

    GROUP: ClassVar = "Data"

    conversations: Annotated[
        Path | None,
        Option(
            "JSON lines about the videos by id: video, and messages, or question and answer (a "
            "text, or the number of one of options). Without them the scorer learns alone.",
            metavar="FILE.jsonl",
        ),
    ] = None
    unlabelled: Annotated[
        bool, Option("Procedural videos come without their questions: the scorer learns alone.")
    ] = False
    model: Annotated[
        str | None, Option("Checkpoint to train for. Default: the bundled mini.", metavar="MODEL")
    ] = None


@command
def scorer(
    output: options.TunedFolder,
    data: ScorerData,
    plan: ScorerPlan,
    reading: Reading,
    sampling: Sampling,
    inputs: options.TrainingInputs = None,
    device: Device = "auto",
    processes: options.Processes = 1,
    blend: options.Blend = 0.0,
    as_json: options.Json = False,
) -> None:
    """Train the scorer of STTS for an encoder, on your own videos.

    From videos alone a score learns to predict how much a window changed since the frame before.
    From conversations about them it also learns what the answers need, through the bias of
    attention, together with the language part (STTS, arXiv 2603.18004). Run the same command again
    to go on after Ctrl-C, a crash or a reboot: the weights become the same as without it. At the
    end DIR/scorer.safetensors is for --scorer, DIR/model a checkpoint where more than the scorer
    learned, and DIR/report.json records the run.

    Example: evs train scorer clips/ --model M -o scorer

    Example: evs train scorer clips/ --conversations train.jsonl --model M -o scorer
    """
    encoding = Encoding(model=data.model, device=device, dtype="float32")
    say_loading(encoding.name)
    folder = folder_path(output, "--output")
    if data.conversations is not None and not inputs:
        raise UsageError("--conversations are about videos: name these too")
    if data.conversations is None and (inputs or data.unlabelled):
        refuse_language(plan)
    if data.unlabelled and inputs:
        raise UsageError(
            "--unlabelled is about procedural videos: your own have no questions where you leave "
            "--conversations out"
        )
    name_model(encoding.name)
    encoding = encoding.resolved()
    check_run_folder(folder, encoding.files)
    quiet_loading()
    from evscli.encoders.device import resolve_device
    from evscli.train.folder import run_folder
    from evscli.train.tuning.processes import make_accelerator

    leads = make_accelerator(plan, resolve_device(device)).is_main_process
    with run_folder(folder, leads=leads):
        videos = videos_of(data, plan, encoding, inputs, reading, sampling)
        plan = replace(plan, data=digest_of(videos, encoding))
        trained = run(plan, encoding, videos, folder, processes=processes)
        finish(
            trained,
            plan,
            encoding,
            folder,
            command=repeated(
                "evs train scorer",
                inputs,
                data,
                plan,
                reading,
                sampling,
                output=output,
                blend=blend,
            ),
            blend=blend,
            as_json=as_json,
        )


def digest_of(videos: PatchedVideos, encoding: Encoding) -> str:
    """Return the digest of the videos and of the weights: whole checkpoints learn to talk."""
    from evscli.encoders.digest import json_digest
    from evscli.train.tuning.loaded import checkpoint_digest

    whole = checkpoint_digest(encoding.files) if videos.talks else None
    return json_digest([whole, videos.digest])


def refuse_language(plan: ScorerPlan) -> None:
    """Raise UsageError for a setting of the language part where a scorer learns alone."""
    given = {"--learn all": plan.learn == "all", "--lora": plan.lora, "--context": plan.context}
    if used := [name for name, value in given.items() if value]:
        raise UsageError(
            f"{used[0]} is not used without conversations, where a scorer learns alone: leave it "
            "out, or give --conversations"
        )
    if not plan.auxiliary:
        raise UsageError(
            "--auxiliary 0 leaves a scorer without conversations nothing to learn from: give a "
            "weight above 0"
        )


def videos_of(
    data: ScorerData,
    plan: ScorerPlan,
    encoding: Encoding,
    inputs: list[str] | None,
    reading: Reading,
    sampling: Sampling,
) -> PatchedVideos:
    """Return the videos of the inputs with their conversations, or procedural ones."""
    if not inputs:
        from evscli.mini.exam.examples import FilmVideos

        return FilmVideos(encoding=encoding, seed=plan.seed, talks=not data.unlabelled)
    from evscli.cli.events import report_left_out
    from evscli.cli.train_report import note_left_out
    from evscli.corpus.inputs import find_videos
    from evscli.train.scorer.batches import FileVideos
    from evscli.train.tuning.conversations import VideoConversation, read_conversations
    from evscli.train.tuning.loaded import text_check

    left_out = partial(report_left_out, as_json=False)
    found = find_videos(inputs, ids=reading.ids, left_out=left_out)
    encoding.check_named(len(found))
    videos = {video.id: video for video in found}
    if data.conversations is None:
        talks = tuple(VideoConversation(video=name, messages=()) for name in videos)
    else:
        check = text_check(encoding.files)
        read = read_conversations(data.conversations, videos, check)
        note_left_out(read.left_out)
        talks = read.found
    return FileVideos(
        videos=videos,
        conversations=talks,
        encoding=encoding,
        sampling=sampling,
        damaged=reading.damaged,
        seed=plan.seed,
    )


def run(
    plan: ScorerPlan, encoding: Encoding, videos: PatchedVideos, folder: Path, *, processes: int
) -> Trained:
    """Train and show the progress."""
    from evscli.cli.train_report import run_shown
    from evscli.train.scorer.task import scorer_task

    if plan.learn != "scorer" and not videos.talks:
        note("there are no conversations, so the scorer learns alone, from the videos")
    task, target = scorer_task(encoding, plan, videos)
    name = f"a scorer for {encoding.files.name}"
    return run_shown(task, folder, name=name, device=target, processes=processes)


def finish(
    trained: Trained,
    plan: ScorerPlan,
    encoding: Encoding,
    folder: Path,
    *,
    command: str,
    blend: float,
    as_json: bool,
) -> None:
    """Write DIR/scorer.safetensors, maybe DIR/model, and DIR/report.json, and print the report."""
    from evscli.cli.train_report import report_course
    from evscli.train.loop import training_report
    from evscli.train.scorer.learner import ScorerLearner
    from evscli.train.scorer.result import write_results

    learner, files = trained.learner, encoding.files
    assert isinstance(learner, ScorerLearner)
    if not learner.accelerator.is_main_process:
        return
    results = write_results(learner, files, folder, command=command, before=blend)
    document = {"model": files.name, **training_report(plan, trained, command=command)}
    document["blend"] = blend
    report_course(document, folder, results=results, as_json=as_json)
