"""The learner of `mini`: it learns to answer, and to classify every visual token.

The loss is the cross entropy of the answers, and that of naming every visual token: a token of the
vision tower by its content, and the language model's state of it by motion and past events,
through linear heads that are thrown away afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import PreTrainedTokenizerFast

from evscli.mini.form import MERGE, new_model
from evscli.mini.training.batches import Batch, FilmBatches
from evscli.mini.training.forward import Seen, read, see
from evscli.mini.training.labels import CLASSES
from evscli.mini.training.plan import TrainingPlan
from evscli.mini.training.prompts import IGNORED, Asked, VideoPrompt, form_prompt
from evscli.mini.world.questions import KINDS
from evscli.mini.world.scene import CELL, TEMPORAL_PATCH
from evscli.models.parts.pixels import QwenPixels
from evscli.train.learner import Learner, Pass, on_device
from evscli.train.task import CPU, TrainingTask

MODEL, NAMING = "model", "naming"

ANSWER = "answer"
SEEN_BY_VISION = ("shape", "color", "centre")
RUNNING_COUNTS = ("scene", "flash", "popped")
NAMING_WEIGHT = 0.5
"""The weight of each naming loss."""

KIND_WEIGHTS = {"direction": 1.5, "order": 1.5, "count": 1.5, "times": 2.0, "scenes": 2.0}
"""The weights of answers against 1, for kinds that are asked less often and learned last."""

RARE = 4.0
"""The weight of a token with something on it against one with nothing."""

PIXEL_FORMAT = QwenPixels(
    patch_size=CELL // MERGE,
    temporal_patch_size=TEMPORAL_PATCH,
    merge_size=MERGE,
    resample="bicubic",
    mean=torch.full((3,), 127.5),
    std=torch.full((3,), 127.5),
)


class MiniLearner(Learner[Batch]):
    """A new model, and the linear heads that classify its visual tokens."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, plan: TrainingPlan, device: torch.device = CPU
    ) -> None:
        model = new_model(tokenizer, seed=plan.seed)
        naming = Naming(model.config.text_config.hidden_size)
        masters = nn.ModuleDict({MODEL: model, NAMING: naming})
        super().__init__(masters, plan, device, hidden=in_the_model)
        self.tokenizer = tokenizer
        self.looks = plan.looks

    def look(self, number: int, batch: Batch) -> Pass:
        """Run the model on videos of one form, in the first steps the vision tower alone."""
        batch = on_device(batch, self.device)
        model, naming = self.workers[MODEL], self.workers[NAMING]
        seen = see(model, patches_of(batch.frames), batch.form.cells)
        if number < self.looks:
            losses = naming(seen.embeds, None, batch.labels)
            return Pass(total=total(losses), losses=losses)
        prompt = on_device(form_prompt(self.tokenizer, batch.form), self.device)
        losses, right = losses_of(model, naming, seen, prompt, batch)
        kinds = batch.asked.kinds
        names = list(KINDS)
        return Pass(
            total=total(losses),
            losses=losses,
            kinds=[names[kind] for kind in kinds[kinds >= 0].tolist()],
            right=right.view(-1, 2).all(1).tolist(),  # the word and the end of the answer
        )


def in_the_model(name: str) -> bool:
    """Return whether a matrix is one of the model's hidden ones, not an embedding or a head."""
    return name.startswith(MODEL) and "embed" not in name


def mini_task(tokenizer: PreTrainedTokenizerFast, plan: TrainingPlan) -> TrainingTask[Batch]:
    """Return the plan, the learner and the batches of `mini`."""
    return TrainingTask(
        plan=plan,
        make_learner=lambda device: MiniLearner(tokenizer, plan, device),
        batches=FilmBatches(tokenizer, plan),
        kinds=tuple(KINDS),
    )


class Naming(nn.Module):
    """A linear head for each label of visual tokens of width `width`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = nn.ModuleDict({name: nn.Linear(width, n) for name, n in CLASSES.items()})

    def forward(
        self, seen: Tensor, states: Tensor | None, labels: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Compute losses by name, of the tower's tokens and of the language model's states, if any.

        Both are [B, K, C].
        """
        losses = {}
        for name, head in self.heads.items():
            tokens = seen if name in SEEN_BY_VISION else states
            if tokens is None:
                continue
            logits = head(tokens).float()
            weight = logits.new_ones(CLASSES[name])
            if name not in RUNNING_COUNTS:
                weight[1:] = RARE
            losses[name] = cross_entropy(
                logits.flatten(0, 1), labels[name].flatten(), weight, ignore_index=IGNORED
            )
        return losses


def patches_of(frames: Tensor) -> Tensor:
    """Return [B, F, 3, H, W] uint8 frames as normalised patches [B, T, S, P]."""
    patches = PIXEL_FORMAT.patchify(frames.flatten(0, 1))
    return patches.view(len(frames), -1, *patches.shape[1:])


def losses_of(
    model: Any, naming: nn.Module, seen: Seen, prompt: VideoPrompt, batch: Batch
) -> tuple[dict[str, Tensor], Tensor]:
    """Compute all losses of a batch, and whether each of the answers' tokens [n] was right."""
    tap = model.config.text_config.num_hidden_layers - 2
    states = read(model, prompt, seen, batch.asked.ids, tap=tap)
    given = batch.asked.targets >= 0
    targets = batch.asked.targets[given]
    logits = model.lm_head(states.questions[given]).float()
    losses = {ANSWER: answer_loss(logits, targets, kinds_of_targets(batch.asked))}
    losses |= naming(seen.embeds, states.visual, batch.labels)
    return losses, logits.argmax(-1) == targets


def kinds_of_targets(asked: Asked) -> Tensor:
    """Return [n]: the kind of every target that is given, as an index of `KINDS`."""
    return asked.kinds[:, :, None].expand_as(asked.targets)[asked.targets >= 0]


def answer_loss(logits: Tensor, targets: Tensor, kinds: Tensor) -> Tensor:
    """Compute the mean cross entropy of [n, V], weighted by kind."""
    weights = logits.new_tensor([KIND_WEIGHTS.get(kind, 1.0) for kind in KINDS])[kinds]
    return (cross_entropy(logits, targets, reduction="none") * weights).sum() / weights.sum()


def total(losses: dict[str, Tensor]) -> Tensor:
    """Compute the weighted sum of all losses."""
    weighted = [loss if name == ANSWER else NAMING_WEIGHT * loss for name, loss in losses.items()]
    return torch.stack(weighted).sum()


def naming_loss(losses: Mapping[str, float]) -> float:
    """Return the mean of all losses but that of the answers."""
    naming = [loss for name, loss in losses.items() if name != ANSWER]
    return sum(naming) / len(naming)
