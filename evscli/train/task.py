"""The parts of a training task: its plan, its learner, and its batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor
from torch.utils.data import Dataset

from evscli.errors import EvsError

B = TypeVar("B")
Given = TypeVar("Given", contravariant=True)
CPU = torch.device("cpu")


class TrainingError(EvsError):
    """An error for training that cannot go on."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Learned:
    """The results of one step."""

    losses: Mapping[str, float]
    """The parts of the loss by name."""
    kinds: Sequence[str] = ()
    """The kind of every question, [n], where it is known whether answers were right."""
    right: Sequence[bool] = ()
    """Whether the answer to each question was right, [n]."""
    left_out: Sequence[str] = ()
    """The examples that were not learned from, each with the reason."""


class Learns(Protocol[Given]):
    """A learner: it learns from batches, step by step."""

    device: torch.device

    def step(self, number: int, batch: Given) -> Learned:
        """Learn from one batch."""

    def state(self) -> dict[str, Tensor]:
        """Return everything that later steps depend on, by name."""

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore the result of `state()`."""


class Plan(Protocol):
    """The settings of a run. Two runs of one plan on one machine give the same weights."""

    @property
    def steps(self) -> int:
        """The number of steps of the run as it was first started."""

    @property
    def more(self) -> int:
        """The number of steps after `steps`, which a finished run may be given too."""

    @property
    def total(self) -> int:
        """The number of all steps."""

    @property
    def rate(self) -> float:
        """The highest learning rate."""

    @property
    def weight_decay(self) -> float:
        """The rate at which weights without a gradient decay to 0."""

    @property
    def algorithm(self) -> int:
        """The version of the training. Another one gives other weights for the same plan."""

    def rate_at(self, step: int) -> float:
        """Return the learning rate of step 0, 1, ..."""

    def values(self) -> dict[str, float | str]:
        """Return all settings by name, with `more` and `algorithm` among them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingTask(Generic[B]):
    """A plan with its learner and its batches."""

    plan: Plan
    make_learner: Callable[[torch.device], Learns[B]]
    """The function that makes the learner on a device, in its state before the first step."""
    batches: Dataset[B]
    """The batches by number of the step. Other processes get a copy to draw from."""
    kinds: Sequence[str] = ()
    """The kinds of questions, in the order of reports."""
    leads: bool = True
    """Whether this process, of those that learn together, writes the checkpoints."""
    in_any: Callable[[bool], bool] = bool
    """The function that says whether something holds in any of them, each of which calls it."""
