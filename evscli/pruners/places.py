"""The places in an encoder where methods can choose, checked. Importing this imports no torch."""

from __future__ import annotations

from numbers import Integral

from evscli.errors import UsageError
from evscli.option import value_text
from evscli.pruners.method import Pruner
from evscli.records import INPUT, PruneAt


def check_place(name: str, given: object) -> PruneAt:
    """Return the place that a text or a value stands for: a block from 0, or `input`.

    Raises UsageError, which begins with `name`, for any other.
    """
    if given == INPUT:
        return INPUT
    if isinstance(given, str) and given.isdecimal() and len(given) < 10:
        given = int(given)
    if isinstance(given, Integral) and not isinstance(given, bool) and int(given) >= 0:
        return int(given)
    raise UsageError(
        f"{name} must be a block of the encoder counted from 0, or {INPUT}, got {value_text(given)}"
    )


def place_of(pruner: Pruner, asked: object) -> PruneAt | None:
    """Return the place where a method chooses: the one that is asked for, else its own.

    Raises UsageError where it cannot choose there.
    """
    if asked is None:
        return pruner.inside
    if pruner.keeps_all or "query" in pruner.needs:
        reason = "keeps everything" if pruner.keeps_all else "compares finished tokens with words"
        raise UsageError(
            f"method {pruner.name!r} {reason}, so it can prune after the encoder alone: "
            "leave --prune-at out"
        )
    place = check_place("--prune-at", asked)
    if place == INPUT and pruner.inside is not None:
        raise UsageError(
            f"method {pruner.name!r} looks at what blocks of the encoder make, so it cannot prune "
            "before the first: give a block with --prune-at"
        )
    return place
