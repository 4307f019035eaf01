"""Which selections an evaluation compares. Imports no torch, so that a wrong one fails at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from evscli.pruners import PruneRequest, check_selection
from evscli.pruners.options import split_assignments
from evscli.pruners.selection import own_options, refuse_unused

UNPRUNED = "none"
RANDOM = "random"


def selections(
    methods: Sequence[str], budgets: Iterable[float], options: Sequence[str] = ()
) -> list[PruneRequest]:
    """Unpruned once, then every method and at last `random` at every budget, the smallest first.

    No comparison is honest without those two, so they need not be named. `options` are texts
    `name=value`, each for every method that has it. Raises UsageError for what `check_selection`
    refuses, and for an option that no method has.
    """
    given = split_assignments(options)
    names = [name for name in dict.fromkeys(methods) if name not in (UNPRUNED, RANDOM)]
    refuse_unused(given, [*names, RANDOM])
    ordered = sorted(set(budgets))
    return [
        check_selection(UNPRUNED),
        *(
            check_selection(name, budget, own_options(name, given))
            for name in (*names, RANDOM)
            for budget in ordered
        ),
    ]


def video_seed(seed: int, video: str) -> int:
    """The seed of random methods for one video: another for each, the same in every run.

    With one seed for all, videos of one grid would lose the very same cells, and the baseline
    would be one draw instead of many.
    """
    digest = hashlib.sha256(f"{seed}\0{video}".encode()).digest()
    return int.from_bytes(digest[:7])
