"""From the words of a command to what prunes: a model and what some methods need beside its tokens.

A scorer and rows of a query are found in checkpoints. Refuses what is missing before any work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from torch import Tensor

from evscli.encoders import VideoEncoder, load_encoder
from evscli.encoders.device import AUTO as AUTO_DTYPE
from evscli.encoders.files import find_model
from evscli.encoders.load import BY_CHECKPOINT
from evscli.encoders.scorer import checkpoint_scorer, load_scorer
from evscli.errors import MismatchError, UsageError
from evscli.language.query import QueryEmbedder, check_queries
from evscli.pipeline import VideoPruner
from evscli.pruners import PruneRequest
from evscli.pruners.given import needing
from evscli.records import Sampling, VideoInput, dtype_text
from evscli.store.run import encoder_dtypes
from evscli.store.schema import AUTO, resolve_store_dtype

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that a `VideoPruner` is made from, the device aside; other processes can be sent it."""

    model: str
    requests: tuple[PruneRequest, ...]
    sampling: Sampling = BY_CHECKPOINT
    dtype: str = AUTO_DTYPE
    units: frozenset[str] | None = None
    """The dtypes in which `auto` computes, as `load_encoder` takes them."""
    chunk_frames: int = 16
    resize: str = "cpu"
    scorer: str | Path | None = None
    seed: int = 0
    store_scores: bool = False
    segment: float | None = None
    ids: str | None = None
    store_dtype: str = AUTO

    def make(self, device: str) -> VideoPruner:
        """Load the model onto a device. Raises UsageError, ModelError and DeviceError."""
        queries = query_rows(self.model, (), self.requests)
        encoder = load_encoder(
            self.model,
            device=device,
            dtype=self.dtype,
            units=self.units,
            chunk_frames=self.chunk_frames,
            resize=self.resize,
            sampling=self.sampling,
        )
        return VideoPruner(
            encoder,
            *self.requests,
            seed=self.seed,
            store_scores=self.store_scores,
            segment=self.segment,
            ids=self.ids,
            store_dtype=resolve_store_dtype(self.store_dtype, computed=encoder.info.dtype),
            scorer=scorer_weights(self.scorer, self.model, encoder, self.requests),
            queries=queries,
        )


def settled(recipe: Recipe, folders: Sequence[Path], units: Callable[[], frozenset[str]]) -> Recipe:
    """The recipe without a dtype that every process would work out for itself.

    `auto` is what the stores `folders` were made with, so that a run goes on alike on whatever
    machine; where there is none yet, `units` are asked for. Raises MismatchError where stores
    differ, and DamagedError.
    """
    if recipe.dtype != AUTO_DTYPE:
        return recipe
    found = {made: folder for folder in folders if (made := encoder_dtypes(folder)) is not None}
    if len(found) > 1:
        told = " and ".join(f"{folder} in {dtype_text(*made)}" for made, folder in found.items())
        raise MismatchError(
            f"dtype auto is what a store was made in, and these differ: {told}; prune into them "
            "one by one, or name another folder with -o"
        )
    for kept, computed in found:
        if kept == computed:
            return replace(recipe, dtype=kept)
        return replace(recipe, units=frozenset({computed}))
    return replace(recipe, units=units())


def run_settled(
    recipe: Recipe,
    folders: Sequence[Path],
    units: Callable[[], frozenset[str]],
    run: Callable[[Recipe], T],
) -> T:
    """Run by the settled recipe.

    Of runs that begin at once on different machines the first to write its store settles it for
    all: one that meets another's store begins again by that. Raises what `settled` and `run` do.
    """
    first = settled(recipe, folders, units)
    try:
        return run(first)
    except MismatchError:
        if (again := settled(recipe, folders, units)) == first:
            raise
        return run(again)


def query_rows(
    model: str, videos: Sequence[VideoInput], requests: Sequence[PruneRequest]
) -> QueryEmbedder | None:
    """Makes rows of queries, where a method needs them; every video's query is tried at once.

    Raises UsageError for a video without a query, or with one that cannot be read, and ModelError
    for a checkpoint that has no rows.
    """
    if needing(requests, "query") is None:
        return None
    embedder = QueryEmbedder(model)
    check_queries(embedder, videos)
    return embedder


def scorer_weights(
    path: str | Path | None, model: str, encoder: VideoEncoder, requests: Sequence[PruneRequest]
) -> Mapping[str, Tensor] | None:
    """The weights of a learned scorer on the encoder's device, where a method needs them.

    They are those of `path`, or the model's own. Raises UsageError where there are none, and
    ModelError for those of another encoder.
    """
    method, width = needing(requests, "scorer"), encoder.shape.width
    if method is None:
        return None
    if path is not None:
        found = load_scorer(Path(path), width=width)
    else:
        found = checkpoint_scorer(find_model(model), width=width) or {}
    if not found:
        raise UsageError(
            f"method {method!r} needs trained weights and {encoder.info.name} has none: "
            "give them with --scorer FILE"
        )
    return {name: value.to(encoder.device) for name, value in found.items()}
