"""`evs plan`: an estimate of a run of `evs prune` before it starts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import typer

from evscli.cli import options
from evscli.cli.checks import check_output, name_model
from evscli.cli.command import command
from evscli.cli.loading import import_encoders, quiet_loading, say_loading
from evscli.cli.notes import noted_warnings, progress
from evscli.errors import UsageError
from evscli.job import Job, Selection
from evscli.option import Option

UNPRUNED_BUDGET = "none"
ALL = "all"


@dataclass(frozen=True, kw_only=True)
class PlannedSelection(Selection):
    """A selection that keeps every token where no method is named."""

    methods: Annotated[
        tuple[str, ...],
        Option(
            "As for `evs prune`; may be repeated. none keeps every token.",
            names=("--method",),
            metavar="METHOD",
        ),
    ] = (UNPRUNED_BUDGET,)


@dataclass(frozen=True, kw_only=True)
class PlannedJob(Job):
    """A run that is only planned."""

    selection: PlannedSelection = PlannedSelection()


@command
def plan(
    inputs: options.Inputs,
    job: PlannedJob,
    sample: options.SampleSize = None,
    no_calibrate: options.NoCalibrate = False,
    as_json: options.Json = False,
) -> None:
    """Estimate frames, tokens, bytes on disk and time of a run. Nothing is written.

    The options and rules are those of `evs prune`; videos that its store holds are left out. The
    time follows from pruning a few videos here.

    Example: evs plan clips/ --method vcast --budget 0.1 --budget 0.3 --model mini
    """
    began = time.monotonic()
    from evscli.corpus.decoding.children import warm_up

    most = sample_size(sample)
    if job.execution.engine != "local":
        raise UsageError("evs plan tries videos on this machine: leave --engine and --address out")
    warm_up(resizing=job.encoding.resize == "cpu")  # it imports while this process does
    say_loading(job.encoding.name)
    from evscli.corpus.inputs import LeftOut

    left_out: list[LeftOut] = []
    videos = job.find_videos(inputs, left_out=left_out.append)
    name_model(job.encoding.name)
    job = job.resolved()
    folders = job.folders
    for folder in folders:
        check_output(folder)
    import_encoders()
    quiet_loading()
    from evscli.cli.plan_report import report
    from evscli.corpus.estimate import estimate, prepare, survey_sample
    from evscli.encoders.device import common_units
    from evscli.job.loading import make_pruner, query_rows, settled
    from evscli.job.run import engine_of

    engine = engine_of(job)
    with noted_warnings():
        query_rows(job, videos)
        job = settled(job, folders, partial(common_units, engine.devices))
        make = partial(make_pruner, job)
        prepared = prepare(videos, make, folders, engine=engine, most=most, began=began)
        with progress(len(prepared.sample.tasks), unit="video") as advance:
            looks = survey_sample(prepared, advance=advance)
        result = estimate(prepared, looks, timed=not no_calibrate)
    raise typer.Exit(report(result, prepared, folders, left_out, as_json=as_json))


def sample_size(text: str | None) -> int | None:
    """Return the number of videos to look into: 0 for all, None by default. Raises UsageError."""
    if text is None or text.isdecimal():
        return None if text is None else int(text)
    if text != ALL:
        raise UsageError(
            f"--sample {text!r} is not a number of videos; give one such as 500, or {ALL}"
        )
    return 0
