"""The budget, the fraction of tokens kept, and the token counts that follow from it.

Each method chooses one of the counts. Importing this imports no torch.
"""

from __future__ import annotations

import math
from numbers import Real
from typing import Annotated

from evscli.errors import UsageError
from evscli.option import Option

PruningRate = Annotated[
    float | None,
    Option("The rate q of a serving engine, beside a budget of 1-q, to count exactly as it does."),
]
"""The type of an option that `serving_count` takes."""


def check_budget(budget: object) -> float:
    """Return `budget` as a float in (0, 1], the fraction of tokens kept.

    Raises UsageError for anything else: text, a bool, nan, zero, or more than 1.
    """
    if budget is None:
        raise UsageError(
            "no budget given: give the fraction of the tokens to keep, for example 0.25"
        )
    if isinstance(budget, bool) or not isinstance(budget, Real):
        raise UsageError(f"budget must be a number, got {budget!r}: give one such as 0.25")
    value = float(budget)
    if not 0 < value <= 1:
        raise UsageError(
            f"budget is the fraction of tokens kept and must be above 0 and at most 1, "
            f"got {value:g}: give a value such as 0.25"
        )
    return value


def parse_budget(text: str) -> float:
    """Return the budget of a command line's text. Raises UsageError as `check_budget` does."""
    try:
        budget: object = float(text)
    except ValueError:
        budget = text
    return check_budget(budget)


def check_rate(pruning_rate: float, budget: float) -> float:
    """Return the rate of pruning q. Raises UsageError where it does not mean the budget 1-q."""
    if not (0 <= pruning_rate < 1 and abs(1 - pruning_rate - budget) <= 1e-6):
        raise UsageError(
            f"pruning_rate {pruning_rate:g} means a budget of {1 - pruning_rate:g}, but the budget "
            f"is {budget:g}: give matching values, or leave pruning_rate out"
        )
    return pruning_rate


def first_frame_note(method: str, frames: int, cells: int, budget: float) -> tuple[str, ...]:
    """Return a note where the first of `frames` of `cells` takes the whole budget."""
    allowed = floor_count(frames * cells, budget)
    if budget == 1 or allowed > cells:
        return ()
    return (
        f"{method} keeps the first frame whole, {cells} of {frames * cells} tokens, and a budget "
        f"of {budget:g} allows {allowed}; more survives at budgets above {1 / frames:.3g} or with "
        "more frames.",
    )


def floor_count(tokens: int, budget: float) -> int:
    """Return the largest whole number of tokens within the budget.

    A product that rounding left just under a whole number counts as that number.
    """
    return math.floor(tokens * budget + 1e-9)


def round_count(tokens: int, budget: float) -> int:
    """Return the number of tokens nearest to the budget (halves to even), at least 1."""
    return min(max(round(tokens * budget), 1), tokens)


def serving_count(tokens: int, budget: float, pruning_rate: float | None) -> int:
    """Return `floor_count`, or with a rate q `int(T*N*(1-q))` exactly as engines compute it.

    Raises UsageError where rate and budget disagree.
    """
    if pruning_rate is None:
        return floor_count(tokens, budget)
    return int(tokens * (1 - check_rate(pruning_rate, budget)))
