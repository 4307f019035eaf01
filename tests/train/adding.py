"""A learner of a few weights, by both rules, for tests of the training around it."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from evscli.train.learner import Learner, Pass
from evscli.train.task import Plan, TrainingTask


class Sums(Dataset[Tensor]):
    """Rows [16, 4]: their sum is what must be said."""

    def __getitem__(self, step: int) -> Tensor:
        return torch.randn(16, 4, generator=torch.Generator().manual_seed(step))


class Adder(Learner[Tensor]):
    """Learns to add four numbers."""

    def look(self, number: int, batch: Tensor) -> Pass:  # noqa: ARG002
        said = self.workers["layer"](self.workers["mixed"](batch.to(torch.bfloat16))).float()[:, 0]
        loss = (said - batch.sum(1)).square().mean()
        near = ((said - batch.sum(1)).abs() < 1).tolist()
        return Pass(total=loss, losses={"sum": loss}, kinds=["near"] * len(near), right=near)


def adder(plan: Plan, device: torch.device, *, kind: type[Adder] = Adder) -> Adder:
    torch.manual_seed(0)
    masters = nn.ModuleDict({"mixed": nn.Linear(4, 4, bias=False), "layer": nn.Linear(4, 1)})
    return kind(masters, plan, device, hidden=lambda name: name.startswith("mixed"))


def adding(plan: Plan) -> TrainingTask[Tensor]:
    """The task to learn to add by a plan."""
    learner = partial(adder, plan)
    return TrainingTask(plan=plan, make_learner=learner, batches=Sums(), kinds=("near",))
