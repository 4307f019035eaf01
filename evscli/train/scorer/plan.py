"""The settings of a run that trains a scorer. Importing this imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from evscli.option import Option
from evscli.train.tuning.plan import TuningPlan

PUBLISHED_BLOCK = 3
"""The block after which the published scorer looks."""


@dataclass(frozen=True, kw_only=True)
class ScorerPlan(TuningPlan):
    """The settings of a run. Two runs of one plan on one machine give the same weights."""

    ALGORITHM: ClassVar = 2

    prune_at: Annotated[
        int | None,
        Option(
            "Block of the encoder after which windows are scored, counted from 0. Default: 3, in a "
            "shallow encoder the last that leaves two behind it.",
            metavar="BLOCK",
            least=0,
        ),
    ] = None
    units: Annotated[
        int | None,
        Option(
            "Units of the scorer's network. Default: four times the encoder's channels.",
            metavar="N",
            least=1,
        ),
    ] = None
    learn: Annotated[
        Literal["scorer", "language", "all"],
        Option(
            "What learns from conversations: the scorer alone, the language part with it, or the "
            "encoder as well. Without conversations the scorer learns alone."
        ),
    ] = "language"
    auxiliary: Annotated[
        float,
        Option(
            "Weight of the auxiliary loss, by which a score predicts how much a window changed.",
            metavar="WEIGHT",
            least=0,
        ),
    ] = 1.0
    scorer_rate: Annotated[
        float, Option("Highest learning rate of the scorer.", metavar="RATE", above=0)
    ] = 1e-3

    def block(self, depth: int) -> int:
        """Return the block after which an encoder of `depth` blocks is pruned."""
        return min(PUBLISHED_BLOCK, max(depth - 3, 0)) if self.prune_at is None else self.prune_at
