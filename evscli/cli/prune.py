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
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from evscli.corpus.local import Summary
    from evscli.encoders import VideoEncoder
    from evscli.pipeline import Query
    from evscli.pruners import PruneRequest
    from evscli.pruners.budget_rule import BudgetRule

MOST_WITHOUT_MODEL = 20
"""Inputs up to which the bundled model may be used without naming it."""

WHY = {"scorer": "trained weights", "query": "a question"}
"""What a person gives for what a method needs."""

NOTHING_DONE = 1
SOME_FAILED = 3


def prune(
    inputs: options.Inputs,
    method: options.PruneMethods,
    budget: options.PruneBudgets = None,
    budget_dist: options.BudgetDist = None,
    model: options.Model = None,
    output: options.Output = None,
    option: options.MethodOptions = None,
    prune_at: options.PruneAt = None,
    scorer: options.Scorer = None,
    query: options.Query = None,
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
    and the rest go on. Several methods or budgets encode every video once and write one store each.

    Example: evs prune video.mp4 --method vcast --budget 0.3

    Example: evs prune clips/ --method evs --method vcast --budget 0.1 --budget 256tok/s -o stores
    """
    from evscli.cli.report import Report
    from evscli.corpus.inputs import find_videos
    from evscli.corpus.local import prune_corpus
    from evscli.encoders import load_encoder
    from evscli.pipeline import VideoPruner

    refuse_empty(model=model, output=output, scorer=scorer, query=query)
    requests = check_requests(method, budget, budget_dist, option or [], prune_at)
    check_given(requests, scorer=scorer, query=query)
    videos = find_videos(inputs)
    name = name_model(model, videos=len(videos))
    words = None if query is None else embed_query(name, query)
    encoder = load_encoder(
        name,
        device=device,
        dtype=dtype,
        chunk_frames=chunk_frames,
        resize=resize.value,
        sampling=Sampling(fps=fps, num_frames=num_frames, max_frames=max_frames),
    )
    pruner = VideoPruner(
        encoder,
        *requests,
        seed=seed,
        store_scores=scores,
        scorer=None if scorer is None else read_scorer(scorer, encoder),
        query=words,
    )
    folders = stores(encoder.info.name, requests, output)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    start = time.monotonic()
    report = Report(model=encoder.info.name, stores=folders, quiet=as_json)
    summaries = prune_corpus(videos, pruner, folders, report=report, check_sources=check_sources)
    report.finish(summaries, elapsed=time.monotonic() - start)
    raise typer.Exit(exit_code(summaries))


def check_requests(
    methods: Sequence[str],
    budgets: Sequence[str] | None,
    distribution: str | None,
    texts: Sequence[str],
    prune_at: int | None,
) -> list[PruneRequest]:
    """Every method with every budget, `none` once; raises UsageError."""
    from evscli.pruners import check_selection, get_pruner
    from evscli.pruners.budget_rule import parse_rule
    from evscli.pruners.options import split_assignments
    from evscli.pruners.selection import own_options, refuse_unused

    given = split_assignments(texts)
    names = [*dict.fromkeys(methods)]
    refuse_unused(given, names)
    rules = [parse_rule(text, distribution=distribution) for text in dict.fromkeys(budgets or [])]
    requests = []
    for name in names:
        alone = get_pruner(name).keeps_all and len(names) > 1
        for rule in [None] if alone or not rules else rules:
            requests.append(
                check_selection(name, rule, own_options(name, given), prune_at=prune_at)
            )
    return requests


def check_given(requests: Sequence[PruneRequest], *, scorer: str | None, query: str | None) -> None:
    """Raise UsageError where a method lacks what it needs, or something is given for none."""
    for need, value, flag in (
        ("scorer", scorer, "--scorer FILE"),
        ("query", query, "--query TEXT"),
    ):
        names = [request.pruner.name for request in requests if need in request.needs]
        if names and value is None:
            raise UsageError(f"method {names[0]!r} needs {WHY[need]}: give it with {flag}")
        if value is not None and not names:
            raise UsageError(f"no method here uses a {need}: leave {flag.split()[0]} out")


def embed_query(model: str, text: str) -> Query:
    """The query's rows of the model's input embeddings."""
    from evscli.language.query import QueryEmbedder
    from evscli.pipeline import Query

    return Query(text=text, rows=QueryEmbedder(model)(text))


def read_scorer(path: str, encoder: VideoEncoder) -> Mapping[str, Tensor]:
    """The weights of a learned scorer for this encoder."""
    from evscli.encoders.scorer import load_scorer

    return load_scorer(Path(path), width=encoder.shape.width)


def stores(model: str, requests: Sequence[PruneRequest], output: str | None) -> list[Path]:
    """A folder for every selection: DIR itself for one, below DIR for several."""
    names = [f"{request.pruner.name}-{file_name(request.budget)}" for request in requests]
    if output is None:
        return [Path("evs-out") / f"{Path(model).name}-{name}" for name in names]
    return [Path(output)] if len(names) == 1 else [Path(output) / name for name in names]


def file_name(budget: BudgetRule) -> str:
    """A budget as part of a file's name."""
    return str(budget).replace("/", "-").replace(":", "-")


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


def exit_code(summaries: Sequence[Summary]) -> int:
    """0 all done, 1 nothing done, 3 some videos failed."""
    if not any(summary.failed for summary in summaries):
        return 0
    done = any(summary.pruned or summary.skipped for summary in summaries)
    return SOME_FAILED if done else NOTHING_DONE
