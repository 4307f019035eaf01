"""The learner of `mini`: it learns to answer, and to classify every visual token."""

from __future__ import annotations

import torch
from torch import nn
from transformers import PreTrainedTokenizerFast

from evscli.mini.form import new_model
from evscli.mini.training.batches import Batch, FilmBatches
from evscli.mini.training.objective import Naming, losses_of, name_all, total
from evscli.mini.training.plan import TrainingPlan
from evscli.mini.training.prompts import video_prompt
from evscli.mini.world.questions import KINDS
from evscli.train.device import on_device
from evscli.train.learner import Learner, Pass
from evscli.train.task import CPU, Task

MODEL, NAMING = "model", "naming"


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
        if number < self.looks:
            losses = name_all(model, naming, batch)
            return Pass(total=total(losses), losses=losses)
        prompt = on_device(video_prompt(self.tokenizer, batch.form), self.device)
        losses, right = losses_of(model, naming, prompt, batch)
        kinds = batch.asked.kinds
        names = list(KINDS)
        return Pass(
            total=total(losses),
            losses=losses,
            kinds=[names[kind] for kind in kinds[kinds >= 0].tolist()],
            right=right.view(-1, 2).all(1).tolist(),  # the word and the end of the answer
        )


def in_the_model(name: str) -> bool:
    """Whether a matrix is one of the model's hidden ones, neither an embedding nor a head."""
    return name.startswith(MODEL) and "embed" not in name


def mini_task(tokenizer: PreTrainedTokenizerFast, plan: TrainingPlan) -> Task[Batch]:
    """Return the plan, the learner and the batches of `mini`."""
    return Task(
        plan=plan,
        make_learner=lambda device: MiniLearner(tokenizer, plan, device),
        batches=FilmBatches(tokenizer, plan),
        kinds=tuple(KINDS),
    )
