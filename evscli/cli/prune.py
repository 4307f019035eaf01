"""`evs prune`: videos in, pruned tokens in a store out."""

from __future__ import annotations

import signal
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evscli.bundled import MINI, mini_notice
from evscli.errors import UsageError
from evscli.records import Sampling

if TYPE_CHECKING:
    from evscli.corpus.local import Summary

MOST_WITHOUT_MODEL = 20
"""Inputs up to which the bundled model may be used without naming it."""

NOTHING_DONE = 1
SOME_FAILED = 3


class Resize(StrEnum):
    """Where frames are resized."""

    cpu = "cpu"
    device = "device"


def prune(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Videos, folders or globs.")
    ],
    method: Annotated[str, typer.Option(help="Pruning method; `evs methods` lists them.")],
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="FRACTION", help="Fraction of tokens kept, 0 < budget <= 1; `none` needs none."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Checkpoint: a local folder or a hub id. Default: the bundled mini."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="DIR", help="Store. Default: evs-out/MODEL-METHOD-BUDGET."
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Option of the method; may be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of random methods.")] = 0,
    scores: Annotated[
        bool, typer.Option("--scores", help="Store every token's score too.")
    ] = False,
    fps: Annotated[float | None, typer.Option(help="Frames per second to sample.")] = None,
    num_frames: Annotated[int | None, typer.Option(help="Frames to sample per video.")] = None,
    max_frames: Annotated[int | None, typer.Option(help="Most frames to sample.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    dtype: Annotated[
        str, typer.Option(help="auto (the checkpoint's own), float32, bfloat16 or float16.")
    ] = "auto",
    chunk_frames: Annotated[int, typer.Option(help="Frames encoded at a time.")] = 16,
    resize: Annotated[
        Resize, typer.Option(help="cpu is exact; device is faster and approximate.")
    ] = Resize.cpu,
    check_sources: Annotated[
        bool, typer.Option("--check-sources", help="Hash finished videos again before skipping.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON summary.")] = False,
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

    fraction = None if budget is None else parse_budget(budget)
    request = check_selection(method, fraction, parse_options(method, option or []))
    videos = find_videos(inputs)
    if model is None and len(videos) > MOST_WITHOUT_MODEL:
        raise UsageError(
            f"{len(videos)} videos but no --model; name the checkpoint to use "
            f"(--model {MINI} for the bundled demonstration model)"
        )
    name = model or MINI
    if name == MINI:
        print(f"note: {mini_notice()}", file=sys.stderr)
    encoder = load_encoder(
        name,
        device=device,
        dtype=dtype,
        chunk_frames=chunk_frames,
        resize=resize.value,
        sampling=Sampling(fps=fps, num_frames=num_frames, max_frames=max_frames),
    )
    pruner = VideoPruner(encoder, request, seed=seed, store_scores=scores)
    folder = output or default_store(encoder.info.name, method, request.budget)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    start = time.monotonic()
    report = Report(quiet=as_json)
    summary = prune_corpus(videos, pruner, folder, report=report, check_sources=check_sources)
    report.finish(summary, folder=folder, elapsed=time.monotonic() - start)
    raise typer.Exit(exit_code(summary))


def default_store(model: str, method: str, budget: float) -> Path:
    """evs-out/<model>-<method>-<budget>, the model without its organisation."""
    return Path("evs-out") / f"{Path(model).name}-{method}-{budget:g}"


def exit_code(summary: Summary) -> int:
    """0 all done, 1 nothing done, 3 some videos failed."""
    if not summary.failed:
        return 0
    return SOME_FAILED if summary.pruned or summary.skipped else NOTHING_DONE
