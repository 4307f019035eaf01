"""The model in training: float32 weights that learn, and the bfloat16 copy of them that works.

The released weights are bfloat16, so the forward pass sees from the first step on what users will
run. Hidden matrices learn by Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon),
all else by AdamW (arXiv 1711.05101).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW, Muon, Optimizer
from transformers import PreTrainedTokenizerFast

from evscli.mini.form import new_model
from evscli.mini.training.batches import Batch
from evscli.mini.training.objective import Naming, losses_of, name_all, total
from evscli.mini.training.plan import TrainingPlan
from evscli.mini.training.prompts import video_prompt

CLIP = 1.0
"""Largest norm of the gradient."""

MODEL, NAMING = "model", "naming"
CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True, eq=False)
class Learned:
    """What one step saw."""

    losses: dict[str, float]
    kinds: Tensor
    """[n] the kind of every question, as an index of `KINDS`"""
    right: Tensor
    """[n] bool: answered right, the end of the answer included"""


class Learner:
    """A model that learns from batches; a plan and its batches decide all of it."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        plan: TrainingPlan,
        device: torch.device = CPU,
    ) -> None:
        model = new_model(tokenizer, seed=plan.seed)
        naming = Naming(model.config.text_config.hidden_size)
        self.tokenizer = tokenizer
        self.plan = plan
        self.device = device
        self.masters = nn.ModuleDict({MODEL: model, NAMING: naming}).to(device)
        self.workers = half(self.masters)
        self.optimizers = make_optimizers(self.masters, plan)

    def step(self, number: int, batch: Batch) -> Learned:
        """Learn from one batch."""
        batch = batch.to(self.device)
        model, naming = self.workers[MODEL], self.workers[NAMING]
        if number < self.plan.looks:
            losses, right = name_all(model, naming, batch), torch.zeros(0, dtype=torch.bool)
        else:
            prompt = video_prompt(self.tokenizer, batch.form).to(self.device)
            losses, right = losses_of(model, naming, prompt, batch)
        torch.autograd.backward(total(losses))
        self._hand_over_gradients()
        clip_grad_norm_(self.masters.parameters(), CLIP)
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = self.plan.rate_at(number)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self._copy_weights()
        kinds = batch.asked.kinds
        return Learned(
            losses={name: float(loss.detach()) for name, loss in losses.items()},
            kinds=kinds[kinds >= 0].cpu(),
            right=right.view(-1, 2).all(1).cpu(),
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
        """Everything that later steps depend on, by name."""
        weights = {f"weights/{name}": p.detach() for name, p in self.masters.named_parameters()}
        return weights | {
            f"{kind}/{index}/{key}": value
            for kind, optimizer in self.optimizers.items()
            for index, param in enumerate(parameters_of(optimizer))
            for key, value in optimizer.state[param].items()
        }

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go back to what `state()` gave."""
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
    """A bfloat16 copy; its rotary frequencies stay float32, as loading a checkpoint keeps them."""
    copy = deepcopy(masters).to(torch.bfloat16)
    pairs = zip(masters.named_modules(), copy.modules(), strict=True)
    for (_, master), worker in pairs:
        for name, buffer in master.named_buffers(recurse=False):
            setattr(worker, name, buffer.clone())
    return copy


def make_optimizers(masters: nn.ModuleDict, plan: TrainingPlan) -> dict[str, Optimizer]:
    """Muon for hidden matrices; AdamW for embeddings, patches, norms, biases and heads."""
    matrices: list[Tensor] = []
    rest: list[Tensor] = []
    for name, param in masters.named_parameters():
        hidden = param.ndim == 2 and name.startswith(MODEL) and "embed" not in name
        (matrices if hidden else rest).append(param)
    common: dict[str, Any] = {"lr": plan.rate, "weight_decay": plan.weight_decay}
    return {
        "muon": Muon(matrices, adjust_lr_fn="match_rms_adamw", **common),
        "adamw": AdamW(rest, betas=(0.9, 0.98), fused=True, **common),
    }


def parameters_of(optimizer: Optimizer) -> list[Tensor]:
    """Its parameters in order."""
    return [param for group in optimizer.param_groups for param in group["params"]]
