"""Budgets as people write them: a fraction, tokens per video or second, or a range to draw from.

Each gives one video the fraction of its tokens to keep. Importing this imports no torch.
"""

from __future__ import annotations

import hashlib
import random
import re
from dataclasses import dataclass

from evscli.errors import UsageError
from evscli.pruners.budget import check_budget

UNIFORM = "uniform"
EXAMPLES = "0.25, 4096tok, 256tok/s or 0.1:0.9"
_NUMBER = r"(\d{1,12}\.?\d{0,15}|\.\d{1,15})"


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
