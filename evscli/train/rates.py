"""Distributions of the pruning rate, of which training draws one for every batch.

EVS (arXiv 2510.14624) draws the rate of a mini-batch from a Beta distribution, so that one model
learns all rates. Importing this imports no numpy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from evscli.errors import UsageError

MOST = 0.999
"""The largest rate that is drawn, since a budget of 0 keeps no token."""
EXAMPLES = "beta:1.2,1.2, uniform, uniform:0.2,0.8 or fixed:0.75"
_NUMBER = r"(\d{1,6}\.?\d{0,12}|\.\d{1,12})"


@dataclass(frozen=True, kw_only=True)
class RateDistribution:
    """A distribution of the share of tokens that are pruned."""

    kind: Literal["beta", "uniform", "fixed"]
    first: float
    """The parameter a of beta, the lower bound of uniform, or the fixed rate."""
    second: float = 0.0
    """The parameter b of beta, or the upper bound of uniform."""

    def __str__(self) -> str:
        if self.kind == "fixed":
            return f"fixed:{_text(self.first)}"
        return f"{self.kind}:{_text(self.first)},{_text(self.second)}"

    def draw(self, *, seed: int, step: int) -> float:
        """Return the rate of a step, in 0..0.999. It does not depend on other steps."""
        import numpy as np  # `evs --help` reads this module without it

        rng = np.random.default_rng([seed, 4, step])
        if self.kind == "beta":
            return min(float(rng.beta(self.first, self.second)), MOST)
        if self.kind == "uniform":
            return min(float(rng.uniform(self.first, self.second)), MOST)
        return self.first


def parse_rates(text: str) -> RateDistribution:
    """Return `beta:A,B`, `uniform`, `uniform:LOW,HIGH` or `fixed:RATE` as a distribution.

    Raises UsageError for other texts, for parameters of beta of 0, and for rates outside of what
    can be drawn.
    """
    written = re.sub(r"\s", "", text)
    if written == "uniform":
        return RateDistribution(kind="uniform", first=0.0, second=1.0)
    if found := re.fullmatch(rf"beta:{_NUMBER},{_NUMBER}", written):
        first, second = map(float, found.groups())
        if first > 0 and second > 0:
            return RateDistribution(kind="beta", first=first, second=second)
    if found := re.fullmatch(rf"uniform:{_NUMBER},{_NUMBER}", written):
        first, second = map(float, found.groups())
        if first < second <= 1:
            return RateDistribution(kind="uniform", first=first, second=second)
    if found := re.fullmatch(rf"fixed:{_NUMBER}", written):
        first = float(found.group(1))
        if first <= MOST:
            return RateDistribution(kind="fixed", first=first)
    raise UsageError(
        f"{text!r} is not a distribution of rates: write one as {EXAMPLES}; a rate is the share of "
        f"tokens pruned, 0 to {MOST}, LOW is below HIGH, and A and B are above 0"
    )


def _text(value: float) -> str:
    """Return a number with all of its digits, since settings that differ must read differently."""
    return str(int(value)) if value == int(value) else repr(value)
