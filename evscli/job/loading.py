"""The loading of a job's encoder, learned scorer, and rows of queries.

Scorers and rows of queries come from checkpoints. Missing ones are refused before any work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from torch import Tensor

from evscli.encoders import VideoEncoder, load_encoder
from evscli.encoders.device import AUTO as AUTO_DTYPE
from evscli.encoders.scorer import (
    ScorerRecord,
    checkpoint_scorer,
    load_scorer,
    read_record,
)
from evscli.errors import MismatchError, ModelError, UsageError
from evscli.job.encoding import Encoding
from evscli.job.job import Job, Pruning
from evscli.job.storage import Storage
from evscli.pipeline import VideoPruner
from evscli.pruners import PruneRequest
from evscli.pruners.request import needing
from evscli.records import ModelInfo, Sampling, VideoInput, dtype_text
from evscli.store.run import encoder_dtypes
from evscli.store.schema import resolve_store_dtype

if TYPE_CHECKING:
    from evscli.language.query import QueryEmbedder

T = TypeVar("T")
P = TypeVar("P", bound=Pruning)


def make_pruner(
    job: Pruning,
    device: str,
    *,
    encoder: VideoEncoder | None = None,
    queries: QueryEmbedder | None = None,
) -> VideoPruner:
    """Load everything onto a device, but for an encoder and rows of queries that are at hand.

    Raises UsageError, ModelError and DeviceError.
    """
    storage = job.storage if isinstance(job, Job) else Storage()
    queries = queries or query_rows(job)
    encoder = encoder or make_encoder(job.encoding, job.sampling, device)
    return VideoPruner(
        encoder,
        *job.requests,
        seed=job.selection.seed,
        store_scores=storage.scores,
        segment=storage.segment,
        ids=job.reading.recorded_ids,
        store_dtype=resolve_store_dtype(storage.store_dtype, computed=encoder.info.dtype),
        scorer=scorer_weights(job, encoder),
        queries=queries,
    )


def make_encoder(encoding: Encoding, sampling: Sampling, device: str) -> VideoEncoder:
    """Load the encoder onto a device, with every field of `encoding`. Raises as `load_encoder`."""
    return load_encoder(**vars(replace(encoding.resolved(), device=device)), sampling=sampling)


def settled(job: P, folders: Sequence[Path], units: Callable[[], frozenset[str]]) -> P:
    """Return the job with a dtype settled that every process would else choose for itself.

    For `auto` it is the dtype in which the stores `folders` were made, so that a run goes on alike
    on any machine; where there is no store yet, `units` is called for the dtypes with arithmetic
    units. Raises MismatchError where stores differ, and DamagedError.
    """
    if job.encoding.dtype != AUTO_DTYPE:
        return job
    found = {made: folder for folder in folders if (made := encoder_dtypes(folder)) is not None}
    if len(found) > 1:
        each = " and ".join(f"{folder} in {dtype_text(*made)}" for made, folder in found.items())
        raise MismatchError(
            f"dtype auto is what a store was made in, and these differ: {each}; prune into them "
            "one by one, or name another folder with -o"
        )
    kept, computed = next(iter(found), (None, None))
    if kept is not None and kept == computed:
        return replace(job, encoding=replace(job.encoding, dtype=kept))
    may = units() if computed is None else frozenset({computed})
    return replace(job, encoding=replace(job.encoding, units=may))


def run_settled(
    job: P,
    folders: Sequence[Path],
    units: Callable[[], frozenset[str]],
    run: Callable[[P], T],
) -> T:
    """Run the settled job.

    Where runs begin at once on different machines, the first to write its store settles the dtype
    for all: a run that finds another's store begins again with that. Raises as `settled` and `run`.
    """
    first = settled(job, folders, units)
    try:
        return run(first)
    except MismatchError:
        if (again := settled(job, folders, units)) == first:
            raise
        return run(again)


def query_rows(job: Pruning, videos: Sequence[VideoInput] = ()) -> QueryEmbedder | None:
    """Return a maker of queries' rows where a method needs it; every video's query is tried.

    Raises UsageError for a video without a query, or with one that cannot be read, and ModelError
    for a checkpoint that has no rows.
    """
    if needing(job.requests, "query") is None:
        return None
    from evscli.language.query import QueryEmbedder, check_queries  # few methods need tokenizers

    embedder = QueryEmbedder(job.encoding.files)
    check_queries(embedder, videos)
    return embedder


def scorer_weights(job: Pruning, encoder: VideoEncoder) -> Mapping[str, Tensor] | None:
    """Load the weights of a learned scorer onto the encoder's device, where a method needs them.

    The weights are those of the job's file, or the model's own. Raises UsageError where there are
    none, and ModelError for those of another encoder.
    """
    method, width = needing(job.requests, "scorer"), encoder.shape.width
    if method is None:
        return None
    path: Path | None
    if job.selection.scorer is not None:
        path = Path(job.selection.scorer)
        found = load_scorer(path, width=width)
    else:
        path = job.encoding.own_scorer()
        found = checkpoint_scorer(job.encoding.files, width=width) or {}
    if path is not None and (record := read_record(path)) is not None:
        check_record(path, record, encoder.info, job.requests)
    if not found:
        raise UsageError(
            f"method {method!r} needs trained weights and {encoder.info.name} has none: "
            "give them with --scorer FILE"
        )
    return {name: value.to(encoder.device) for name, value in found.items()}


def check_record(
    path: Path, record: ScorerRecord, model: ModelInfo, requests: Sequence[PruneRequest]
) -> None:
    """Raise ModelError for a scorer of another encoder, and UsageError for one of another block."""
    if record.vision_bf16_sha256 != model.vision_bf16_sha256:
        raise ModelError(
            f"{path} was trained for the encoder of {record.model}, which is not that of "
            f"{model.name}; name that checkpoint with --model, or train another scorer"
        )
    blocks = {one.prune_at for one in requests if "scorer" in one.needs}
    if blocks != {record.prune_at}:
        raise UsageError(
            f"{path} was trained to look after block {record.prune_at}: give --prune-at "
            f"{record.prune_at}, or train another scorer"
        )
