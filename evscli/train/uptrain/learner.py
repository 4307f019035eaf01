"""The learner of uptraining: the language part of a checkpoint, whole or by adapters.

Optimiser, mixed precision and several processes are those of accelerate, adapters those of peft.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim import AdamW

from evscli.errors import UsageError
from evscli.train.learner import CLIP
from evscli.train.task import Learned
from evscli.train.uptrain.batches import TuningBatch, labelled
from evscli.train.uptrain.plan import UptrainPlan

ANSWER = "answer"
VISION = ("visual", "vision_tower", "vision_backbone", "multi_modal_projector")
"""The names of the parts of a model that see. They make the tokens, and learn nothing."""


class UptrainLearner:
    """A checkpoint whose language part learns, determined by a plan and its batches."""

    def __init__(self, model: nn.Module, plan: UptrainPlan, accelerator: Accelerator) -> None:
        self.plan, self.accelerator = plan, accelerator
        self.device: torch.device = accelerator.device
        self.model: Any = with_adapters(model, plan) if plan.lora else language_part(model)
        self.model.to(self.device)
        self.names, self.learned = learning(self.model)
        optimizer = AdamW(self.learned, lr=plan.rate, weight_decay=plan.weight_decay)
        self.runner, self.optimizer = accelerator.prepare(self.model, optimizer)

    def step(self, number: int, batch: TuningBatch) -> Learned:
        """Learn from one batch, part by part; every answer token weighs the same."""
        self.runner.train()
        tokens = sum(labelled(part["labels"]) for part in batch.parts)
        total = torch.zeros((), device=self.device)
        for index, part in enumerate(batch.parts):
            last = index == len(batch.parts) - 1
            held = nullcontext() if last else self.accelerator.no_sync(self.runner)
            with held:
                with self.accelerator.autocast():
                    loss = self.runner(**part.to(self.device)).loss
                loss = loss * (labelled(part["labels"]) / tokens)
                self.accelerator.backward(loss)
            total += loss.detach()
        self.accelerator.clip_grad_norm_(self.learned, CLIP)
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.rate_at(number)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        mean = self.accelerator.reduce(total, reduction="mean")
        return Learned(losses={ANSWER: float(mean)}, kinds=(), right=())

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


def learning(model: nn.Module) -> tuple[list[str], list[nn.Parameter]]:
    """Return names and values of the parameters that learn, each once."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    return [name for name, _ in named], [p for _, p in named]


def language_part(model: nn.Module) -> nn.Module:
    """Let all weights of the language part learn, in float32, and those that see stay."""
    for name, parameter in model.named_parameters():
        learns = not sees(name)
        parameter.requires_grad_(learns)
        if learns:
            parameter.data = parameter.data.float()
    return model


def with_adapters(model: nn.Module, plan: UptrainPlan) -> nn.Module:
    """Give the language part adapters of the plan's rank. Raises UsageError without peft."""
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise UsageError(
            f"--lora needs peft ({error}): pip install 'evscli[train]', or leave it out"
        ) from None
    torch.manual_seed(plan.seed)  # the adapters' first weights
    config = LoraConfig(
        r=plan.lora or 0,
        lora_alpha=2 * (plan.lora or 0),
        target_modules="all-linear",
        exclude_modules=f".*({'|'.join(VISION)}).*",
    )
    with warnings.catch_warnings():  # peft asks transformers by a name that is deprecated there
        warnings.simplefilter("ignore", FutureWarning)
        adapted: nn.Module = get_peft_model(model, config)
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return adapted


def sees(name: str) -> bool:
    """Return whether a parameter belongs to the parts that see, by its name."""
    return any(part in name.split(".") for part in VISION)
