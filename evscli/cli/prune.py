"""`evs prune`: videos in, pruned tokens in a store out."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from evscli.bundled import MINI, MINI_NOTICE
from evscli.cli import options
from evscli.errors import UsageError
from evscli.records import Sampling

if TYPE_CHECKING:
    from evscli.corpus.local import Summary

MOST_WITHOUT_MODEL = 20
"""Inputs up to which the bundled model may be used without naming it."""

NOTHING_DONE = 1
SOME_FAILED = 3


def prune(
    inputs: options.Inputs,
    method: options.Method,
    budget: options.Budget = None,
    model: options.Model = None,
    output: options.Output = None,
    option: options.MethodOptions = None,
    seed: options.Seed = 0,
    scores: options.Scores = False,
    fps: options.Fps = None,
    num_frames: options.NumFrames = None,
    max_frames: options.MaxFrames = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    chunk_frames: options.ChunkFrames = 16,
    resize: options.Resize = options.ResizePlace.cpu,
    check_sources: options.CheckSources = False,
    as_json: options.Json = False,
) -> None:
    """Prune videos and write what is kept to a store.

    A finished video is skipped when the same command is run again; a failing one is recorded
    and the rest go on.

    Example: evs prune video.mp4 --method vcast --budget 0.3
    """
    from evscli.cli.report import Report
    from evscli.corpus.inputs import find_videos
    from evscli.corpus.local import prune_corpus
    from evscli.encoders import load_encoder
    from evscli.pipeline import VideoPruner
    from evscli.pruners import check_selection, parse_budget, parse_options

    refuse_empty(model=model, output=output)
    fraction = None if budget is None else parse_budget(budget)
    request = check_selection(method, fraction, parse_options(method, option or []))
    videos = find_videos(inputs)
    encoder = load_encoder(
        name_model(model, videos=len(videos)),
        device=device,
        dtype=dtype,
        chunk_frames=chunk_frames,
        resize=resize.value,
        sampling=Sampling(fps=fps, num_frames=num_frames, max_frames=max_frames),
    )
    pruner = VideoPruner(encoder, request, seed=seed, store_scores=scores)
    folder = Path(output or default_store(encoder.info.name, method, str(request.budget)))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    start = time.monotonic()
    report = Report(model=encoder.info.name, store=folder, quiet=as_json)
    summary = prune_corpus(videos, pruner, folder, report=report, check_sources=check_sources)
    report.finish(summary, elapsed=time.monotonic() - start)
    raise typer.Exit(exit_code(summary))


def name_model(model: str | None, *, videos: int) -> str:
    """The checkpoint to use, which is said; it must be named for many videos.

    Raises UsageError.
    """
    if model is None and videos > MOST_WITHOUT_MODEL:
        raise UsageError(
            f"{videos} videos but no --model; name the checkpoint to use "
            f"(--model {MINI} for the bundled demonstration model)"
        )
    name = model or MINI
    print(f"note: {MINI_NOTICE if name == MINI else f'model {name}'}", file=sys.stderr)
    return name


def refuse_empty(**options: str | None) -> None:
    """Raise UsageError for an option given as an empty text, as an unset shell variable is."""
    for name, value in options.items():
        if value == "":
            raise UsageError(f"--{name} is empty; give a value or leave the option out")


def default_store(model: str, method: str, budget: str) -> str:
    """evs-out/<model>-<method>-<budget>, the model without its organisation."""
    return f"evs-out/{Path(model).name}-{method}-{budget}"


def exit_code(summary: Summary) -> int:
    """0 all done, 1 nothing done, 3 some videos failed."""
    if not summary.failed:
        return 0
    return SOME_FAILED if summary.pruned or summary.skipped else NOTHING_DONE
