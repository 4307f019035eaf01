"""`evs plan`: what a run of `evs prune` would come to, before it."""

from __future__ import annotations

import os
import time
from functools import partial

import typer

from evscli.cli import options
from evscli.cli.checks import check_output, name_model, refuse_empty
from evscli.cli.interrupts import catch_termination
from evscli.cli.notes import noted_warnings, progress, quiet_loading
from evscli.cli.prune import stores
from evscli.cli.selection import check_requests, with_query
from evscli.errors import UsageError
from evscli.records import Sampling

UNPRUNED = "none"
ALL = "all"


def plan(
    inputs: options.Inputs,
    method: options.PlanMethods = None,
    budget: options.PruneBudgets = None,
    budget_dist: options.BudgetDist = None,
    ids: options.Ids = options.IdRules.name,
    model: options.Model = None,
    output: options.Output = None,
    sample: options.SampleSize = None,
    no_calibrate: options.NoCalibrate = False,
    option: options.MethodOptions = None,
    prune_at: options.PruneAt = None,
    scorer: options.Scorer = None,
    query: options.Query = None,
    seed: options.Seed = 0,
    scores: options.Scores = False,
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
    store_dtype: options.StoreDtype = options.StoreDtypes.auto,
    shard_of: options.ShardOf = None,
    workers: options.Workers = None,
    processes: options.DecodeProcesses = None,
    timeout: options.Timeout = None,
    retry_failed: options.RetryFailed = False,
    max_attempts: options.MaxAttempts = 1,
    as_json: options.Json = False,
) -> None:
    """Say what a run would come to: frames, tokens, bytes on disk and time. Nothing is written.

    Takes the options of `evs prune` and plans by the same rules; videos that its store holds are
    left out. The time follows from pruning a few videos here.

    Example: evs plan clips/ --method vcast --budget 0.1 --budget 0.3 --model mini
    """
    began = time.monotonic()
    from evscli.corpus.decoding.children import warm_up

    refuse_empty(budget_dist=budget_dist, model=model, output=output, scorer=scorer, query=query)
    most = sample_size(sample)
    warm_up()  # it imports torch while this process does
    from evscli.cli.plan_report import report
    from evscli.corpus.engine import Engine
    from evscli.corpus.estimate import estimate, look_into, prepare
    from evscli.corpus.inputs import LeftOut, find_videos
    from evscli.corpus.resume import Retries
    from evscli.corpus.segments import check_segment
    from evscli.corpus.share import parse_share
    from evscli.encoders.device import common_units, worker_devices
    from evscli.encoders.files import find_model
    from evscli.needs import Recipe, query_rows, settled
    from evscli.pruners.given import check_given

    requests = check_requests(method or [UNPRUNED], budget, budget_dist, option or [], prune_at)
    left_out: list[LeftOut] = []
    found = find_videos(inputs, ids=ids.value, left_out=left_out.append)
    videos = with_query(found, query)
    if segment is not None:
        check_segment(segment, videos)
    check_given(requests, videos, scorer=scorer)
    name = name_model(model, videos=len(videos))
    folders = stores(find_model(name).name, requests, output)
    for folder in folders:
        check_output(folder)
    engine = Engine(
        devices=worker_devices(device, workers),
        processes=processes,
        timeout=timeout,
        damaged=damaged.value,
        retries=Retries(failed=retry_failed, attempts=max_attempts),
        segment=segment,
        share=parse_share(shard_of, os.environ),
    )
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
    catch_termination()
    quiet_loading()
    with noted_warnings():
        query_rows(name, videos, requests)
        recipe = settled(recipe, folders, partial(common_units, engine.devices))
        prepared = prepare(videos, recipe.make, folders, engine=engine, most=most, began=began)
        with progress(len(prepared.sample.jobs), unit="video") as advance:
            looks = look_into(prepared, advance=advance)
        result = estimate(prepared, looks, timed=not no_calibrate)
    raise typer.Exit(report(result, prepared, folders, left_out, as_json=as_json))


def sample_size(text: str | None) -> int | None:
    """How many videos to look into: 0 for all, None where nothing is said. Raises UsageError."""
    if text is None or text.isdecimal():
        return None if text is None else int(text)
    if text != ALL:
        raise UsageError(
            f"--sample {text!r} is no number of videos; give one such as 500, or {ALL}"
        )
    return 0
