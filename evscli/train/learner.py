"""The learner: float32 weights, and the bfloat16 copy of them that runs.

Released weights are bfloat16, so the forward pass uses from the first step on what users will
run. Hidden matrices learn by Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon),
all else by AdamW (arXiv 1711.05101).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW, Muon, Optimizer

from evscli.train.task import CPU, B, Learned, Plan

T = TypeVar("T")

CLIP = 1.0
"""The largest norm of the gradient."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pass:
    """The result of the bfloat16 weights on one batch."""

    total: Tensor
    """The loss that the step lowers."""
    losses: Mapping[str, Tensor]
    """The parts of the loss by name."""
    kinds: Sequence[str] = ()
    """The kind of every question, [n]."""
    right: Sequence[bool] = ()
    """Whether the answer to each question was right, [n]."""


class Learner(ABC, Generic[B]):
    """Modules that learn from batches, determined by a plan and its batches.

    `hidden` decides by name which of the two-dimensional weights are hidden matrices.
    """

    def __init__(
        self,
        masters: nn.ModuleDict,
        plan: Plan,
        device: torch.device = CPU,
        *,
        hidden: Callable[[str], bool],
    ) -> None:
        self.plan = plan
        self.device = device
        self.masters = masters.to(device)
        self.workers = half(self.masters)
        self.optimizers = make_optimizers(self.masters, plan, hidden)

    @abstractmethod
    def look(self, number: int, batch: B) -> Pass:
        """Run `workers` on the batch of a step, differentiably."""

    def step(self, number: int, batch: B) -> Learned:
        """Learn from one batch."""
        seen = self.look(number, batch)
        torch.autograd.backward(seen.total)
        self._hand_over_gradients()
        clip_grad_norm_(self.masters.parameters(), CLIP)
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = self.plan.rate_at(number)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self._copy_weights()
        return Learned(
            losses={name: float(loss.detach()) for name, loss in seen.losses.items()},
            kinds=seen.kinds,
            right=seen.right,
        )

    def _hand_over_gradients(self) -> None:
        for master, worker in self._pairs():
            master.grad = None if worker.grad is None else worker.grad.float()
            worker.grad = None

    @torch.no_grad()
    def _copy_weights(self) -> None:
        masters, workers = zip(*self._pairs(), strict=True)
        torch._foreach_copy_(list(workers), list(masters))

    def _pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        return zip(self.masters.parameters(), self.workers.parameters(), strict=True)

    def state(self) -> dict[str, Tensor]:
        """Return everything that later steps depend on, by name."""
        weights = {f"weights/{name}": p.detach() for name, p in self.masters.named_parameters()}
        return weights | {
            f"{kind}/{index}/{key}": value
            for kind, optimizer in self.optimizers.items()
            for index, param in enumerate(parameters_of(optimizer))
            for key, value in optimizer.state[param].items()
        }

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore the result of `state()`."""
        for name, weight in self.masters.named_parameters():
            weight.copy_(state[f"weights/{name}"])
        for kind, optimizer in self.optimizers.items():
            for index, param in enumerate(parameters_of(optimizer)):
                head = f"{kind}/{index}/"
                kept = {k.removeprefix(head): v for k, v in state.items() if k.startswith(head)}
                optimizer.state[param] = {
                    key: value.to(param.device, copy=True) for key, value in kept.items()
                }
        self._copy_weights()


def half(masters: nn.ModuleDict) -> nn.ModuleDict:
    """Make a bfloat16 copy. Rotary frequencies stay float32, as in a loaded checkpoint."""
    copy = deepcopy(masters).to(torch.bfloat16)
    pairs = zip(masters.named_modules(), copy.modules(), strict=True)
    for (_, master), worker in pairs:
        for name, buffer in master.named_buffers(recurse=False):
            setattr(worker, name, buffer.clone())
    return copy


def make_optimizers(
    masters: nn.ModuleDict, plan: Plan, hidden: Callable[[str], bool]
) -> dict[str, Optimizer]:
    """Make Muon for hidden matrices, and AdamW for embeddings, patches, norms, biases and heads."""
    rules: dict[str, list[Tensor]] = {"muon": [], "adamw": []}
    for name, param in masters.named_parameters():
        rules["muon" if param.ndim == 2 and hidden(name) else "adamw"].append(param)
    common: dict[str, Any] = {"lr": plan.rate, "weight_decay": plan.weight_decay}
    makers: dict[str, Callable[[list[Tensor]], Optimizer]] = {
        "muon": partial(Muon, adjust_lr_fn="match_rms_adamw", **common),
        "adamw": partial(AdamW, betas=(0.9, 0.98), fused=True, **common),
    }
    return {rule: makers[rule](params) for rule, params in rules.items() if params}


def parameters_of(optimizer: Optimizer) -> list[Tensor]:
    """Return the parameters of an optimizer in order."""
    return [param for group in optimizer.param_groups for param in group["params"]]


def on_device(value: T, device: torch.device) -> T:
    """Return a dataclass or a dict with every tensor on a device, also those in its values."""
    moved: Any = value
    if isinstance(value, Tensor):
        moved = value.to(device)
    elif isinstance(value, dict):
        moved = {name: on_device(each, device) for name, each in value.items()}
    elif is_dataclass(value) and not isinstance(value, type):
        parts = {each.name: on_device(getattr(value, each.name), device) for each in fields(value)}
        moved = replace(value, **parts)
    typed: T = moved
    return typed
