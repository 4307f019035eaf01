"""The selections of an evaluation. Importing this imports no torch, so wrong ones fail at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from evscli.errors import UsageError
from evscli.pruners import Pruner, PruneRequest, check_selection, get_pruner
from evscli.pruners.options import split_assignments
from evscli.pruners.request import own_options, refuse_unused

UNPRUNED = "none"
RANDOM = "random"


def selections(
    methods: Sequence[str], budgets: Iterable[float], options: Sequence[str] = ()
) -> list[PruneRequest]:
    """Return unpruned once, then every method and at last `random` at every budget, smallest first.

    Those two are always the references, so they need not be named. `options` are texts
    `name=value`, each for every method that has it. Raises UsageError for what `check_selection`
    refuses, and for an option that no method has.
    """
    given = split_assignments(options)
    names = [name for name in dict.fromkeys(methods) if name not in (UNPRUNED, RANDOM)]
    pruners = [get_pruner(name) for name in (*names, RANDOM)]
    for pruner in pruners:
        refuse_needy(pruner)
    refuse_unused(given, pruners)
    ordered = sorted(set(budgets))
    return [
        check_selection(UNPRUNED),
        *(
            check_selection(pruner, budget, own_options(pruner, given))
            for pruner in pruners
            for budget in ordered
        ),
    ]


def refuse_needy(pruner: Pruner) -> None:
    """Raise UsageError for a method that works on more than tokens and pixels."""
    if pruner.inside is not None or pruner.needs - {"pixels"}:
        where = "works inside the encoder" if pruner.inside is not None else "needs a question"
        raise UsageError(
            f"method {pruner.name!r} {where}, and evs eval gives tokens and pixels only: choose "
            "another, or see with evs compare what it keeps"
        )
