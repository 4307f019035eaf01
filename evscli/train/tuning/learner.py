"""A learner whose optimiser, mixed precision and processes are those of accelerate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim import AdamW

from evscli.train.learner import CLIP
from evscli.train.task import Learned
from evscli.train.tuning.plan import TuningPlan
from evscli.train.tuning.weights import learning

Part = TypeVar("Part")


class TuningLearner(ABC, Generic[Part]):
    """A module some of whose weights learn, determined by a plan and its batches.

    Of several processes each has a share of every batch, which may be empty, and their gradients
    are summed when all have run their parts: the processes need not have equally many.
    """

    LOSSES: ClassVar[tuple[str, ...]]
    """The names of all losses that `look` may return."""

    def __init__(
        self,
        module: nn.Module,
        plan: TuningPlan,
        accelerator: Accelerator,
        *,
        rates: Mapping[str, float] | None = None,
    ) -> None:
        """Take the module; `rates` are highest learning rates by the first names of parameters.

        Others learn at the plan's own rate.
        """
        self.plan, self.accelerator = plan, accelerator
        self.device: torch.device = accelerator.device
        self.module: Any = module.to(self.device)
        self.names, self.learned = learning(self.module)
        groups: dict[float, list[nn.Parameter]] = defaultdict(list)
        for name, parameter in self._named():
            rate = (rates or {}).get(name.partition(".")[0], plan.rate)
            groups[rate / plan.rate].append(parameter)
        optimizer = AdamW(
            [{"params": some, "factor": factor} for factor, some in groups.items()],
            lr=plan.rate,
            weight_decay=plan.weight_decay,
        )
        # Not for training: a module prepared so would expect parts in every process.
        self.runner = accelerator.prepare_model(self.module, evaluation_mode=True)
        self.optimizer = accelerator.prepare(optimizer)

    @abstractmethod
    def look(self, part: Part) -> Mapping[str, Tensor]:
        """Return the losses of a part of a batch by name, each its share of the whole batch's.

        The shares of all parts, of all processes, add up to the loss.
        """

    def in_all(self, count: int) -> int:
        """Return the sum of a count over all processes, each of which must call this."""
        return int(self.accelerator.reduce(torch.tensor(count, device=self.device)))

    def learn(self, number: int, parts: Sequence[Part], *, left_out: Sequence[str]) -> Learned:
        """Do step `number` with a batch, part by part. Without parts no weight changes."""
        if not self.in_all(len(parts)):
            return Learned(losses={}, left_out=left_out)
        self.runner.train()
        totals: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=self.device))
        for part in parts:
            with self.accelerator.autocast():
                losses = self.look(part)
            self.accelerator.backward(torch.stack([*losses.values()]).sum())
            for name, loss in losses.items():
                totals[name] = totals[name] + loss.detach()
        if self.accelerator.num_processes > 1:
            if not parts:  # the scale of float16 is set by a backward pass
                self.accelerator.backward(0 * self.learned[0].sum())
            totals = self._joined(totals)
            self._join_gradients()
        self.accelerator.clip_grad_norm_(self.learned, CLIP)
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.rate_at(number) * group["factor"]
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        means = {name: float(loss) for name, loss in totals.items()}
        return Learned(losses=means, left_out=left_out)

    def _joined(self, totals: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the losses summed over all processes, those that any process has."""
        zero = torch.zeros((), device=self.device)
        rows = [[totals.get(name, zero), zero + (name in totals)] for name in self.LOSSES]
        summed = self.accelerator.reduce(torch.stack([torch.stack(row) for row in rows]))
        found = zip(self.LOSSES, summed, strict=True)
        return {name: loss for name, (loss, present) in found if present}

    def _join_gradients(self) -> None:
        """Sum the gradients of all processes. Weights without one in any process stay so."""
        has = torch.tensor([each.grad is not None for each in self.learned], device=self.device)
        for parameter, some in zip(self.learned, self.accelerator.reduce(has.int()), strict=True):
            if some:
                mine = parameter.grad
                mine = torch.zeros_like(parameter) if mine is None else mine
                parameter.grad = self.accelerator.reduce(mine)

    def state(self) -> dict[str, Tensor]:
        """Return everything that later steps depend on, by name."""
        weights = {f"weights/{name}": p.detach() for name, p in self._named()}
        moments = self._inner.state
        return weights | {
            f"adamw/{name}/{key}": value
            for name, p in self._named()
            for key, value in moments[p].items()
        }

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore the result of `state()`."""
        for name, weight in self._named():
            weight.copy_(state[f"weights/{name}"])
            head = f"adamw/{name}/"
            kept = {k.removeprefix(head): v for k, v in state.items() if k.startswith(head)}
            self._inner.state[weight] = {
                key: value.to(weight.device if value.ndim else "cpu", copy=True)
                for key, value in kept.items()
            }

    @property
    def _inner(self) -> AdamW:
        optimizer: AdamW = getattr(self.optimizer, "optimizer", self.optimizer)
        return optimizer

    def _named(self) -> list[tuple[str, nn.Parameter]]:
        return list(zip(self.names, self.learned, strict=True))
