"""Methods, budgets and queries, as a person names them on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
    from evscli.pruners.given import own_options, refuse_unused
    from evscli.pruners.options import split_assignments

    given = split_assignments(texts)
    names = [*dict.fromkeys(methods)]
    refuse_unused(given, names)
    given_rules = [parse_rule(text, distribution=distribution) for text in budgets or []]
    rules = [*dict.fromkeys(given_rules)]
    requests = []
    for name in names:
        alone = get_pruner(name).keeps_all and len(names) > 1
        for rule in [None] if alone or not rules else rules:
            requests.append(
                check_selection(name, rule, own_options(name, given), prune_at=prune_at)
            )
    return requests


def with_query(videos: Sequence[VideoInput], query: str | None) -> list[VideoInput]:
    """The videos, `query` asked of those that a list gives none."""
    return [replace(video, query=video.query or query) for video in videos]
