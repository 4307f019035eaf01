"""`evs prune`: videos in, pruned tokens in a store out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import typer

from evscli.cli import options
from evscli.cli.checks import NOTHING_DONE, SOME_FAILED, name_model
from evscli.cli.command import command
from evscli.cli.loading import import_encoders, say_loading
from evscli.cli.notes import logged_as
from evscli.job import Job

if TYPE_CHECKING:
    from evscli.corpus.tasks import Summary


@command
def prune(inputs: options.Inputs, job: Job, as_json: options.JsonEvents = False) -> None:
    """Prune videos and write the tokens kept to a store.

    Run the same command again to go on: a finished video is skipped, and one that failed is left
    out unless its file has changed. Several methods or budgets encode every video once and write
    one store each.

    Example: evs prune video.mp4 --method vcast --budget 0.3

    Example: evs prune clips/ --method evs --method vcast --budget 0.1 --budget 256tok/s -o stores
    """
    from evscli.corpus.decoding.children import warm_up

    if job.execution.engine == "local":
        warm_up(resizing=job.encoding.resize == "cpu")  # it imports while this process does
    say_loading(job.encoding.name)
    from evscli.cli.events import Events, report_left_out
    from evscli.cli.report import RunReport

    videos = job.find_videos(inputs, left_out=partial(report_left_out, as_json=as_json))
    name_model(job.encoding.name)
    job = job.resolved()
    import_encoders()
    from evscli.job.run import run_job

    listener = (Events if as_json else RunReport)(model=job.encoding.files.name, stores=job.folders)
    with logged_as(listener.remark):
        summaries = run_job(job, videos, listener=listener)
    listener.finish(summaries)
    if job.storage.store_dtype != "auto":
        from evscli.cli.store_dtype_loss import report_loss  # it imports language models

        report_loss(videos, job, as_json=as_json)
    raise typer.Exit(exit_code(summaries))


def exit_code(summaries: Sequence[Summary]) -> int:
    """Return 0 where all is done, 1 where nothing is done, 3 where some videos failed."""
    if not any(summary.failed or summary.failed_earlier for summary in summaries):
        return 0
    done = any(summary.pruned or summary.skipped for summary in summaries)
    return SOME_FAILED if done else NOTHING_DONE
