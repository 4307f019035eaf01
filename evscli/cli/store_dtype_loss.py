"""The last line of `evs prune --store-dtype`: the effect of the dtype on the next token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from evscli.bundled import usual_question
from evscli.cli.events import emit
from evscli.cli.loading import quiet_loading
from evscli.cli.notes import noted_warnings
from evscli.cli.report import print_safely
from evscli.corpus.segments import part_of
from evscli.errors import EvsError
from evscli.evaluation.compare.store_dtype_loss import StoreDtypeLoss, measure_loss
from evscli.job import Job
from evscli.job.loading import settled
from evscli.records import VideoInput
from evscli.store import open_store
from evscli.texts import one_line


def report_loss(videos: Sequence[VideoInput], job: Job, *, as_json: bool) -> None:
    """Measure the first of `videos` in the first store and print it, where a dtype is narrower."""
    store, asked = job.folders[0], job.storage
    opened = open_store(store)
    if asked.segment is not None:
        videos = [part_of(video, 0.0, asked.segment) for video in videos]
    video = next((video for video in videos if video.id in opened), None)
    if video is None or opened.info(video.id).store_dtype is None:
        return
    quiet_loading()
    try:
        with noted_warnings():
            loss = measure_loss(
                opened[video.id],
                video,
                settled(job, job.folders, frozenset),
                question=usual_question(job.encoding.files.name),
            )
    except EvsError as error:
        said = f"store dtype {asked.store_dtype}: its effect on the next token was not measured"
        values: dict[str, Any] = {"store_dtype": asked.store_dtype, "not_measured": str(error)}
        line = f"{said} ({one_line(str(error))})"
    else:
        values, line = asdict(loss), loss_line(loss)
    if as_json:
        emit("store_dtype", {"store": str(store), **values})
    else:
        print_safely(line)


def loss_line(loss: StoreDtypeLoss) -> str:
    """Return the measurements in one line."""
    token = "same first token" if loss.same_token else "another first token"
    return (
        f"store dtype {loss.store_dtype}: the next token's logits differ by at most "
        f"{loss.logit_difference:.2g} (KL {loss.kl:.2g} nats, {token}), measured on {loss.video}"
    )
