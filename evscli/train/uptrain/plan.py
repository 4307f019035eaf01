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
            "Pruning method that scores finished tokens. Give it several times to take turns, "
            "batch by batch.",
            names=("--method",),
            metavar="METHOD",
        ),
    ] = ("evs",)

    def requests(self) -> tuple[PruneRequest, ...]:
        """Return the methods in turn, at a budget that every batch replaces.

        Raises UsageError for a method that needs a question, pixels, a scorer or the encoder.
        """
        from evscli.job import Selection

        if "none" in self.methods:
            raise UsageError("method 'none' keeps every token at any rate: choose one that prunes")
        requests = Selection(methods=self.methods, budgets=(0.5,)).requests()
        for request in requests:
            if request.needs or request.prune_at is not None or request.pruner.keeps_all:
                raise UsageError(
                    f"method {request.name!r} does not score finished tokens alone: choose one "
                    "that does, such as evs, vcast or surprise"
                )
        return requests
