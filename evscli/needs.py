"""What some methods need beside tokens, found in checkpoints: a scorer, and rows of a query.

Refuses what is missing before any work, and what is given and used by no method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from evscli.encoders import VideoEncoder
from evscli.encoders.files import find_model
from evscli.encoders.scorer import checkpoint_scorer, load_scorer
from evscli.errors import UsageError
from evscli.language.query import QueryEmbedder, check_queries
from evscli.pruners import PruneRequest
from evscli.pruners.given import needing
from evscli.records import VideoInput


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
