"""The budget, the fraction of tokens kept, and the token counts that follow from it.

People write it as a fraction, as tokens per video or second, or as a range to draw from, which give
one video the fraction of its tokens to keep. Each method chooses one of the counts. Importing this
imports no torch.
"""

from __future__ import annotations

import hashlib
import math
import random
import re
from dataclasses import dataclass
from numbers import Real
from typing import Annotated, Literal

from evscli.errors import UsageError
from evscli.option import Option

PruningRate = Annotated[
    float | None,
    Option("The rate q of a serving engine, beside a budget of 1-q, to count exactly as it does."),
]
"""The type of an option that `serving_count` takes."""

UNIFORM = "uniform"
EXAMPLES = "0.25, 4096tok, 256tok/s or 0.1:0.9"
_NUMBER = r"(\d{1,12}\.?\d{0,15}|\.\d{1,15})"


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
    try:
        value = float(budget)
    except OverflowError:
        value = math.inf
    if not 0 < value <= 1:
        raise UsageError(
            f"budget is the fraction of tokens kept and must be above 0 and at most 1, "
            f"got {value:g}: give a value such as 0.25"
        )
    return value


def check_rate(pruning_rate: float, budget: float) -> float:
    """Return the rate of pruning q. Raises UsageError where it does not mean the budget 1-q."""
    if not (0 <= pruning_rate < 1 and abs(1 - pruning_rate - budget) <= 1e-6):
        raise UsageError(
            f"pruning_rate {pruning_rate:g} means a budget of {1 - pruning_rate:g}, but the budget "
            f"is {budget:g}: give matching values, or leave pruning_rate out"
        )
    return pruning_rate


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


@dataclass(frozen=True, kw_only=True)
class CountRule:
    """The number of tokens that a budget keeps, by a method that ranks all tokens in one order.

    Of such a ranking a smaller budget keeps a subset of what a larger one keeps, so the rule is all
    that a reader of stored tokens needs to choose a smaller budget.
    """

    least: int = 1
    """The fewest tokens kept: 1, or the number of tokens of the first frame."""
    rounding: Literal["nearest", "down"] = "nearest"
    """Whether the number is the one nearest to the budget, or the largest within it."""

    def count(self, tokens: int, budget: float) -> int:
        """Return the number kept of `tokens`."""
        counted = floor_count if self.rounding == "down" else round_count
        return min(max(counted(tokens, budget), self.least), tokens)

    def notes(self, tokens: int, budget: float) -> tuple[str, ...]:
        """Return a note where the first frame takes the whole budget."""
        allowed = floor_count(tokens, budget)
        if self.least == 1 or budget == 1 or allowed > self.least:
            return ()
        more = "sample more frames, or choose another method, to keep less"
        if tokens > self.least:
            more = f"more survives at budgets above {self.least / tokens:.3g} or with more frames"
        return (
            f"The first frame is kept whole, {self.least} of {tokens} tokens, and a budget of "
            f"{budget:g} allows {allowed}; {more}.",
        )


def first_frame_rule(cells: int, *_: object, **__: object) -> CountRule:
    """Return the rule that keeps a first frame of `cells` tokens whole, within the budget."""
    return CountRule(least=cells, rounding="down")


def first_frame_count(frames: int, cells: int, budget: float, *_: object, **__: object) -> int:
    """Return the most of `frames` of `cells` tokens within the budget, at least the first frame."""
    return first_frame_rule(cells).count(frames * cells, budget)


def first_frame_notes(frames: int, cells: int, budget: float) -> tuple[str, ...]:
    """Return a note where the first of `frames` of `cells` takes the whole budget."""
    return first_frame_rule(cells).notes(frames * cells, budget)


@dataclass(frozen=True, kw_only=True)
class Demand:
    """The numbers of one video that a rule depends on."""

    id: str
    tokens: int
    """The number of tokens before pruning."""
    seconds: float
    """The seconds of video that the tokens stand for."""


@dataclass(frozen=True, kw_only=True)
class Fraction:
    """A budget that is the same fraction of every video."""

    value: float

    def of(self, demand: Demand, seed: int) -> float:
        """Return the fraction to keep of one video."""
        del demand, seed
        return self.value

    def __str__(self) -> str:
        return _text(self.value)


@dataclass(frozen=True, kw_only=True)
class TokensPerVideo:
    """A number of tokens of every video, and all tokens of a video that has fewer."""

    tokens: int

    def of(self, demand: Demand, seed: int) -> float:
        """Return the fraction to keep of one video."""
        del seed
        return min(1.0, self.tokens / demand.tokens)

    def __str__(self) -> str:
        return f"{self.tokens}tok"


@dataclass(frozen=True, kw_only=True)
class TokensPerSecond:
    """A number of tokens for every second, and all tokens of a video that has fewer."""

    rate: float

    def of(self, demand: Demand, seed: int) -> float:
        """Return the fraction to keep of one video, at least one token."""
        del seed
        wanted = max(1, round(self.rate * demand.seconds))
        return min(1.0, wanted / demand.tokens)

    def __str__(self) -> str:
        return f"{_text(self.rate)}tok/s"


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A fraction drawn for every video, as the uptraining of EVS does (arXiv 2510.14624).

    The draw depends on the seed and the video's id alone, so that a run that is resumed, and other
    machines, draw the same.
    """

    low: float
    high: float
    beta: tuple[float, float] | None = None
    """The parameters of the Beta distribution over the range. None draws evenly."""

    def of(self, demand: Demand, seed: int) -> float:
        """Return the fraction to keep of one video."""
        digest = hashlib.sha256(f"{seed}/{demand.id}".encode()).digest()
        source = random.Random(int.from_bytes(digest[:16]))
        share = source.random() if self.beta is None else source.betavariate(*self.beta)
        return self.low + share * (self.high - self.low)

    def __str__(self) -> str:
        shape = "" if self.beta is None else f"-beta{_text(self.beta[0])},{_text(self.beta[1])}"
        return f"{_text(self.low)}:{_text(self.high)}{shape}"


BudgetRule = Fraction | TokensPerVideo | TokensPerSecond | Drawn


def parse_rule(text: str, *, distribution: str | None = None) -> BudgetRule:
    """Return the rule of a text such as `0.25`, `4096tok`, `256tok/s` or `0.1:0.9`.

    `distribution`, `uniform` or `beta:A,B`, is that of the draws from a range. Raises UsageError
    for any other text, and for a distribution where there is no range.
    """
    if match := re.fullmatch(f"{_NUMBER}:{_NUMBER}", text):
        low, high = (check_budget(float(value)) for value in match.groups())
        if low == high:
            raise UsageError(f"budget {text!r} leaves nothing to draw: write {low:g}, or a range")
        if low > high:
            raise UsageError(f"budget {text!r} goes from {low:g} down: write {high:g}:{low:g}")
        return Drawn(low=low, high=high, beta=_beta(distribution or UNIFORM))
    if distribution is not None:
        raise UsageError(
            f"a distribution needs a range to draw from, and budget {text!r} is not one: give one "
            "such as 0.1:0.9, or leave --budget-dist out"
        )
    if match := re.fullmatch(rf"(\d{{1,12}})tok|{_NUMBER}tok/s", text):
        if not float(match[1] or match[2]):
            raise UsageError(f"budget {text!r} keeps nothing: write one such as {EXAMPLES}")
        if match[1]:
            return TokensPerVideo(tokens=int(match[1]))
        return TokensPerSecond(rate=float(match[2]))
    try:
        value = float(text)
    except ValueError:
        raise UsageError(
            f"budget {text!r} is not understood: write one such as {EXAMPLES}"
        ) from None
    return Fraction(value=check_budget(value))


def as_rule(budget: float | str | BudgetRule, *, distribution: str | None = None) -> BudgetRule:
    """Return the rule of a budget in any form. Raises UsageError as `parse_rule` does."""
    if isinstance(budget, str):
        return parse_rule(budget, distribution=distribution)
    return budget if isinstance(budget, BudgetRule) else Fraction(value=check_budget(budget))


def _text(value: float) -> str:
    """Return a number with all of its digits, since settings that differ must read differently."""
    return str(int(value)) if value == int(value) else repr(value)


def _beta(distribution: str) -> tuple[float, float] | None:
    if distribution == UNIFORM:
        return None
    match = re.fullmatch(f"beta:{_NUMBER},{_NUMBER}", distribution)
    if match is None or not all(map(float, match.groups())):
        raise UsageError(
            f"distribution {distribution!r} is not understood: write uniform, or beta:A,B with "
            "both above 0 such as beta:1.2,1.2"
        )
    return float(match[1]), float(match[2])
