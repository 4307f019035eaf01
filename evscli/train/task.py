"""What a trainer brings: a plan that says all, the learner, and its batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import torch
from torch.utils.data import Dataset

if TYPE_CHECKING:
    from evscli.train.learner import Learner

B = TypeVar("B")
CPU = torch.device("cpu")


class Plan(Protocol):
    """Settings of a run; two runs of one plan on one machine give the same weights."""

    @property
    def steps(self) -> int:
        """Steps of the run as it was first asked for."""

    @property
    def more(self) -> int:
        """Steps behind `steps`, which may be given to a run that is finished."""

    @property
    def total(self) -> int:
        """All steps."""

    @property
    def rate(self) -> float:
        """Highest learning rate."""

    @property
    def weight_decay(self) -> float:
        """The rate at which weights fall to 0 that nothing teaches."""

    @property
    def algorithm(self) -> int:
        """Version of the training: another one gives other weights for the same plan."""

    def rate_at(self, step: int) -> float:
        """The learning rate of step 0, 1, ..."""

    def values(self) -> dict[str, float | str]:
        """All settings by name, with `more` and `algorithm` among them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Task(Generic[B]):
    """Something to train."""

    plan: Plan
    make_learner: Callable[[torch.device], Learner[B]]
    """The learner on a device, as it is before the first step."""
    batches: Dataset[B]
    """The batch of every step, by its number. Other processes get a copy to draw from."""
    kinds: Sequence[str] = ()
    """Kinds of what is asked, in the order of reports."""
