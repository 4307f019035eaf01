"""`evs prune`: videos in, pruned tokens in a store out."""

from __future__ import annotations

import os
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from evscli.cli import options
from evscli.cli.checks import (
    NOTHING_DONE,
    SOME_FAILED,
    name_model,
    refuse_address,
    refuse_empty,
)
from evscli.cli.interrupts import catch_termination
from evscli.cli.selection import check_requests, with_query
from evscli.records import Sampling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evscli.corpus.outcome import Summary
    from evscli.pruners import PruneRequest
    from evscli.pruners.budget_rule import BudgetRule
    from evscli.records import VideoInput


def prune(
    inputs: options.Inputs,
    method: options.PruneMethods,
    budget: options.PruneBudgets = None,
    budget_dist: options.BudgetDist = None,
    ids: options.Ids = options.IdRules.name,
    model: options.Model = None,
    output: options.Output = None,
    option: options.MethodOptions = None,
    prune_at: options.PruneAt = None,
    scorer: options.Scorer = None,
    query: options.Query = None,
    seed: options.Seed = 0,
    scores: options.Scores = False,
    store_dtype: options.StoreDtype = options.StoreDtypes.auto,
    fps: options.Fps = None,
    num_frames: options.NumFrames = None,
    max_frames: options.MaxFrames = None,
    sample_by: options.SampleBy = options.SampledBy.index_,
    damaged: options.Damaged = options.DamagedPolicy.trim,
    min_pixels: options.MinPixels = None,
    max_pixels: options.MaxPixels = None,
    total_pixels: options.TotalPixels = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    chunk_frames: options.ChunkFrames = 16,
    resize: options.Resize = options.ResizePlace.cpu,
    segment: options.Segment = None,
    engine: options.EngineName = options.EngineKind.local,
    address: options.Address = None,
    shard_of: options.ShardOf = None,
    workers: options.Workers = None,
    processes: options.DecodeProcesses = None,
    timeout: options.Timeout = None,
    retry_failed: options.RetryFailed = False,
    max_attempts: options.MaxAttempts = 1,
    check_sources: options.CheckSources = False,
    as_json: options.JsonEvents = False,
) -> None:
    """Prune videos and write what is kept to a store.

    Run the same command again to go on: a finished video is skipped, and one that failed is left
    out unless its file has changed. Several methods or budgets encode every video once and write
    one store each.

    Example: evs prune video.mp4 --method vcast --budget 0.3

    Example: evs prune clips/ --method evs --method vcast --budget 0.1 --budget 256tok/s -o stores
    """
    from evscli.corpus.decoding.children import warm_up

    refuse_empty(budget_dist=budget_dist, model=model, output=output, scorer=scorer, query=query)
    refuse_empty(address=address)
    on_ray = engine is options.EngineKind.ray
    if not on_ray:
        refuse_address(address)
        warm_up()  # it imports torch while this process does
    from evscli.cli.events import Events
    from evscli.cli.left_out import tell_left_out
    from evscli.cli.report import Report
    from evscli.corpus.engine import Engine
    from evscli.corpus.inputs import find_videos
    from evscli.corpus.local import prune_corpus
    from evscli.corpus.ray import connected, prune_on_ray, units_on_ray
    from evscli.corpus.resume import Retries
    from evscli.corpus.segments import check_segment
    from evscli.corpus.share import parse_share
    from evscli.encoders.device import common_units, worker_devices
    from evscli.encoders.files import find_model
    from evscli.needs import Recipe, query_rows, run_settled, settled
    from evscli.pruners.given import check_given
    from evscli.render.roots import remember

    requests = check_requests(method, budget, budget_dist, option or [], prune_at)
    told = partial(tell_left_out, as_json=as_json)
    videos = with_query(find_videos(inputs, ids=ids.value, left_out=told), query)
    if segment is not None:
        check_segment(segment, videos)
    check_given(requests, videos, scorer=scorer)
    name = name_model(model, videos=len(videos))
    query_rows(name, videos, requests)
    recipe = Recipe(
        model=name,
        requests=tuple(requests),
        sampling=Sampling(
            fps=fps,
            num_frames=num_frames,
            max_frames=max_frames,
            min_pixels=min_pixels,
            max_pixels=max_pixels,
            total_pixels=total_pixels,
            by=sample_by.value,
        ),
        dtype=dtype,
        chunk_frames=chunk_frames,
        resize=resize.value,
        scorer=scorer,
        seed=seed,
        store_scores=scores,
        segment=segment,
        ids=ids.recorded,
        store_dtype=store_dtype.value,
    )
    how = Engine(
        devices=() if on_ray else worker_devices(device, workers),
        processes=processes,
        timeout=timeout,
        damaged=damaged.value,
        retries=Retries(failed=retry_failed, attempts=max_attempts),
        check_sources=check_sources,
        segment=segment,
        share=parse_share(shard_of, os.environ),
    )
    run, units = prune_corpus, partial(common_units, how.devices)
    if on_ray:
        run = partial(prune_on_ray, address=address, device=device, workers=workers)
        units = partial(units_on_ray, address=address, device=device, workers=workers)
    known = find_model(name).name
    folders = stores(known, requests, output)
    for folder in folders:
        remember(folder, dict.fromkeys(video.root for video in videos if lies_here(video)))
    catch_termination()
    listener = (Events if as_json else Report)(model=known, stores=folders)

    def go(recipe: Recipe) -> list[Summary]:
        return run(videos, recipe.make, folders, listener=listener, engine=how)

    with connected(address) if on_ray else nullcontext():
        summaries = run_settled(recipe, folders, units, go)
    listener.finish(summaries)
    if store_dtype != options.StoreDtypes.auto:
        from evscli.cli.storing import tell_loss

        here = how.devices[0] if how.devices else device
        recipe = settled(recipe, folders, units)
        tell_loss(videos, recipe, folders[0], device=here, as_json=as_json)
    raise typer.Exit(exit_code(summaries))


def stores(model: str, requests: Sequence[PruneRequest], output: str | None) -> list[Path]:
    """A folder for every selection: DIR itself for one, below DIR for several."""
    names = [f"{request.pruner.name}-{file_name(request.budget)}" for request in requests]
    if output is None:
        return [Path("evs-out") / f"{Path(model).name}-{name}" for name in names]
    return [Path(output)] if len(names) == 1 else [Path(output) / name for name in names]


def lies_here(video: VideoInput) -> bool:
    """Whether it is a file of its own below its root."""
    return video.held is None and video.fault is None


def file_name(budget: BudgetRule) -> str:
    """A budget as part of a file's name."""
    return str(budget).replace("/", "-").replace(":", "-")


def exit_code(summaries: Sequence[Summary]) -> int:
    """0 all done, 1 nothing done, 3 some videos failed."""
    if not any(summary.failed or summary.failed_earlier for summary in summaries):
        return 0
    done = any(summary.pruned or summary.skipped for summary in summaries)
    return SOME_FAILED if done else NOTHING_DONE
