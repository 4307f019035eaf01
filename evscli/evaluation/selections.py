"""The selections of an evaluation. Importing this imports no torch, so wrong ones fail at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf
from pathlib import Path

from evscli.budget import Fraction
from evscli.job.selection import Selection
from evscli.pruners import PruneRequest, check_selection
from evscli.pruners.request import check_given, needing

UNPRUNED = "none"
RANDOM = "random"


def selections(
    selection: Selection, *, own_scorer: Callable[[], Path | None] = lambda: None
) -> list[PruneRequest]:
    """Return unpruned once, then every method and at last `random` at every budget, smallest first.

    Those two are always the references, behind the whole encoder, so they need not be named. A
    method that chooses by a question gets the one that is asked. Raises UsageError as
    `Selection.requests` does, and for a scorer or a query that no method uses.
    """
    named = tuple(one for one in selection.methods if one not in (UNPRUNED, RANDOM))
    own: tuple[PruneRequest, ...] = ()
    if named:
        own = replace(selection, methods=named).requests(own_scorer=own_scorer)
    options = () if named else selection.options
    random = replace(selection, methods=(RANDOM,), options=options, prune_at=None).requests()
    asked = selection.query is not None or needing(own, "query") is not None
    check_given(own, asked=asked, scorer=selection.scorer)
    return [check_selection(UNPRUNED), *_smallest_first(own), *_smallest_first(random)]


def _smallest_first(requests: tuple[PruneRequest, ...]) -> list[PruneRequest]:
    """Return the requests of every method with fractions in order, and other budgets as given."""
    methods = list(dict.fromkeys(request.pruner for request in requests))
    return sorted(
        requests,
        key=lambda one: (
            methods.index(one.pruner),
            one.budget.value if isinstance(one.budget, Fraction) else inf,
        ),
    )
