"""Which selections an evaluation compares. Imports no torch, so that a wrong one fails at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from evscli.errors import UsageError
from evscli.pruners import PruneRequest, check_selection, get_pruner
from evscli.pruners.options import closest, split_assignments

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


def own_options(method: str, given: Mapping[str, str]) -> dict[str, str]:
    """Those of the options `given` that `method` has."""
    own = {option.name for option in get_pruner(method).options}
    return {name: value for name, value in given.items() if name in own}


def refuse_unused(given: Mapping[str, str], methods: Sequence[str]) -> None:
    """Raise UsageError for an option that none of `methods` has."""
    known = [option.name for method in methods for option in get_pruner(method).options]
    for name in given:
        if name not in known:
            choice = f"choose from {', '.join(known)}" if known else "leave it out"
            raise UsageError(
                f"none of the methods {', '.join(methods)} has an option {name!r}"
                f"{closest(name, known)}: {choice}"
            )


def video_seed(seed: int, video: str) -> int:
    """The seed of random methods for one video: another for each, the same in every run.

    With one seed for all, videos of one grid would lose the very same cells, and the baseline
    would be one draw instead of many.
    """
    digest = hashlib.sha256(f"{seed}\0{video}".encode()).digest()
    return int.from_bytes(digest[:7])
