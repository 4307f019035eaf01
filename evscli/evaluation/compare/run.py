"""Measures many videos; a failing one is recorded and the rest go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from evscli.corpus.outcome import failure_of
from evscli.errors import VideoError
from evscli.evaluation.compare.comparison import Comparison
from evscli.evaluation.compare.measure import Bench, Measured, measure
from evscli.evaluation.metrics.truth import known_events
from evscli.provenance import provenance
from evscli.records import Failure, VideoInput


def compare(
    videos: Sequence[VideoInput], bench: Bench, *, advance: Callable[[int], None]
) -> Comparison:
    """Every selection of `bench` on every video; `advance` is told of each video done.

    Raises UsageError for a malformed `truth.json`, before any work.
    """
    for video in videos:
        known_events(video.path)
    measured: list[list[Measured]] = []
    failures: list[Failure] = []
    for video in videos:
        try:
            measured.append(measure(video, bench))
        except VideoError as error:
            failures.append(failure_of(video, error))
        advance(1)
    return Comparison(
        requests=bench.requests,
        measured=measured,
        failures=failures,
        setup=setup_of(bench),
    )


def setup_of(bench: Bench) -> dict[str, Any]:
    """With what it was measured, as JSON values."""
    asked = {} if bench.language is None else {"question": bench.question}
    return {
        "model": bench.encoder.info.name,
        "encoder": dict(bench.encoder.settings),
        **asked,
        "seed": bench.seed,
        "provenance": provenance(device=str(bench.encoder.device)),
    }
