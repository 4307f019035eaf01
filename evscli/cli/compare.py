"""`evs compare`: methods and budgets side by side on one encoding of each video."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from evscli.cli import options
from evscli.cli.checks import check_output, name_model, refuse_empty, refuse_held
from evscli.cli.notes import note, noted_warnings, progress, quiet_loading
from evscli.cli.selection import check_requests, with_query
from evscli.errors import ModelError
from evscli.records import Sampling

if TYPE_CHECKING:
    from evscli.language.generate import LanguageModel

METHODS = ("evs", "vcast", "vidcom2", "uniform-grid")
BUDGETS = ("0.1", "0.25", "0.5")
RANDOM = "random"


def compare(
    inputs: options.Inputs,
    method: options.CompareMethods = None,
    budget: options.CompareBudgets = None,
    budget_dist: options.BudgetDist = None,
    ids: options.Ids = options.IdRules.name,
    model: options.Model = None,
    output: options.Results = "evs-compare",
    option: options.MethodOptions = None,
    prune_at: options.PruneAt = None,
    scorer: options.Scorer = None,
    query: options.Query = None,
    question: options.Question = None,
    no_language: options.NoLanguage = False,
    seed: options.Seed = 0,
    fps: options.Fps = None,
    num_frames: options.NumFrames = None,
    max_frames: options.MaxFrames = None,
    min_pixels: options.MinPixels = None,
    max_pixels: options.MaxPixels = None,
    total_pixels: options.TotalPixels = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    as_json: options.Json = False,
) -> None:
    """Compare methods and budgets on videos that are encoded once.

    For each selection: tokens kept, time to choose them, diagnostics, events seen where a
    truth.json beside the video names some, overlap with the other selections, and how far the
    language model's next token moves from the unpruned prefill. Printed, and written to DIR as
    compare.json, .md, .png and .svg.

    Example: evs compare video.mp4 --method evs --method vcast --budget 0.1 --budget 0.25

    Example: evs compare clips/ --method vcast --prune-at 1
    """
    from evscli.cli.compare_report import report
    from evscli.cli.left_out import tell_left_out
    from evscli.compare.agreement import usual_question
    from evscli.compare.measure import Bench
    from evscli.compare.run import compare as compare_all
    from evscli.corpus.inputs import find_videos
    from evscli.encoders import load_encoder
    from evscli.needs import query_rows, scorer_weights
    from evscli.pruners.given import check_given

    refuse_empty(
        budget_dist=budget_dist,
        model=model,
        output=output,
        scorer=scorer,
        query=query,
        question=question,
    )
    names = with_random(method or METHODS)
    requests = check_requests(names, budget or BUDGETS, budget_dist, option or [], prune_at)
    check_output(Path(output))
    told = partial(tell_left_out, as_json=False)
    videos = with_query(find_videos(inputs, ids=ids.value, left_out=told), query)
    refuse_held(videos)
    check_given(requests, videos, scorer=scorer)
    name = name_model(model, videos=len(videos))
    quiet_loading()
    with noted_warnings():
        queries = query_rows(name, videos, requests)
        sampling = Sampling(
            fps=fps,
            num_frames=num_frames,
            max_frames=max_frames,
            min_pixels=min_pixels,
            max_pixels=max_pixels,
            total_pixels=total_pixels,
        )
        encoder = load_encoder(name, device=device, dtype=dtype, sampling=sampling)
        bench = Bench(
            encoder=encoder,
            requests=requests,
            language=None if no_language else language_of(name, device=device, dtype=dtype),
            question=question or usual_question(name),
            scorer=scorer_weights(scorer, name, encoder, requests),
            queries=queries,
            seed=seed,
        )
        with progress(len(videos), unit="video") as advance:
            comparison = compare_all(videos, bench, advance=advance)
    raise typer.Exit(report(comparison, Path(output), as_json=as_json))


def with_random(methods: Sequence[str]) -> list[str]:
    """The methods, and `random` at the end: no comparison is honest without it."""
    return [*(name for name in methods if name != RANDOM), RANDOM]


def language_of(model: str, *, device: str, dtype: str) -> LanguageModel | None:
    """The checkpoint's language model; None, which is said, where it has none."""
    from evscli.language.generate import load_language_model

    try:
        return load_language_model(model, device=device, dtype=dtype)
    except ModelError as error:
        note(f"{error}; compared without it (--no-language says that this is meant)")
        return None
