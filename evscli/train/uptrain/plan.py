"""The settings of an uptraining run. Importing this imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from evscli.errors import UsageError
from evscli.option import Option
from evscli.train.tuning.plan import TuningPlan

if TYPE_CHECKING:
    from evscli.pruners import PruneRequest


@dataclass(frozen=True, kw_only=True)
class UptrainPlan(TuningPlan):
    """The settings of a run. Two runs of one plan on one machine give the same weights."""

    ALGORITHM: ClassVar = 3

    methods: Annotated[
        tuple[str, ...],
        Option(
            "Pruning method that scores finished tokens.", names=("--method",), metavar="METHOD"
        ),
    ] = ("evs",)
    """The one method. It has the form that the option has in other commands, for their files."""

    def request(self) -> PruneRequest:
        """Return the method at a budget that every batch replaces.

        Raises UsageError for a method that needs a question, pixels, a scorer or the encoder.
        """
        from evscli.job import Selection

        request, *more = Selection(methods=self.methods, budgets=(0.5,)).requests()
        if more:
            raise UsageError("--method was given several times: train with one")
        if request.needs or request.prune_at is not None or request.pruner.keeps_all:
            raise UsageError(
                f"method {self.methods[0]!r} does not score finished tokens alone: choose one that "
                "does, such as evs, vcast or surprise"
            )
        return request
