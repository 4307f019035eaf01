"""Methods, budgets and what they need, as a person names them on the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from evscli.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from evscli.encoders import VideoEncoder
    from evscli.language.query import QueryEmbedder
    from evscli.pruners import PruneRequest
    from evscli.records import VideoInput


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


def check_given(
    requests: Sequence[PruneRequest], videos: Sequence[VideoInput], *, scorer: str | None
) -> None:
    """Raise UsageError for a question that is needed and missing, or for what no method uses."""
    asking, scoring = (needing(requests, need) for need in ("query", "scorer"))
    asked = any(video.query for video in videos)
    if asking and not asked:
        raise UsageError(f"method {asking!r} needs a question: give it with --query TEXT")
    if asked and not asking:
        raise UsageError("no method here uses a query: leave --query, or the column query, out")
    if scorer is not None and not scoring:
        raise UsageError("no method here uses a scorer: leave --scorer out")


def needing(requests: Sequence[PruneRequest], need: str) -> str | None:
    """The first method that needs something."""
    return next((one.pruner.name for one in requests if need in one.needs), None)


def with_query(videos: Sequence[VideoInput], query: str | None) -> list[VideoInput]:
    """The videos, `query` asked of those that a list gives none."""
    return [replace(video, query=video.query or query) for video in videos]


def query_rows(
    model: str, videos: Sequence[VideoInput], requests: Sequence[PruneRequest]
) -> QueryEmbedder | None:
    """Makes rows of queries, where a method needs them; every video's query is tried at once."""
    if needing(requests, "query") is None:
        return None
    from evscli.language.query import QueryEmbedder, check_queries

    embedder = QueryEmbedder(model)
    check_queries(embedder, videos)
    return embedder


def scorer_weights(
    path: str | None, model: str, encoder: VideoEncoder, requests: Sequence[PruneRequest]
) -> Mapping[str, Tensor] | None:
    """The weights of a learned scorer, where a method needs them: of `path`, or the model's own."""
    from evscli.encoders.files import find_model
    from evscli.encoders.scorer import checkpoint_scorer, load_scorer

    method, width = needing(requests, "scorer"), encoder.shape.width
    if method is None:
        return None
    if path is not None:
        return load_scorer(Path(path), width=width)
    found = checkpoint_scorer(find_model(model), width=width)
    if found is None:
        raise UsageError(
            f"method {method!r} needs trained weights and {encoder.info.name} has none: "
            "give them with --scorer FILE"
        )
    return found
