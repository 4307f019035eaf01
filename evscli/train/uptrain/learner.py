"""The learner of uptraining: the language part of a checkpoint, whole or by adapters."""

from __future__ import annotations

from collections.abc import Mapping

from accelerate import Accelerator
from torch import Tensor, nn

from evscli.train.task import Learned
from evscli.train.tuning.answers import ANSWER, AnswerInputs, answer_loss
from evscli.train.tuning.learner import TuningLearner
from evscli.train.tuning.weights import let_learn, speaks, with_adapters
from evscli.train.uptrain.batches import TuningBatch
from evscli.train.uptrain.plan import UptrainPlan


class UptrainLearner(TuningLearner[tuple[AnswerInputs, int]]):
    """A checkpoint whose language part learns, determined by a plan and its batches."""

    LOSSES = (ANSWER,)

    def __init__(self, model: nn.Module, plan: UptrainPlan, accelerator: Accelerator) -> None:
        if plan.lora:
            model = with_adapters(model, speaks, rank=plan.lora, seed=plan.seed)
        else:
            model = let_learn(model, speaks)
        super().__init__(model, plan, accelerator)

    def step(self, number: int, batch: TuningBatch) -> Learned:
        """Learn from one batch; every answer token of it weighs the same, in all processes."""
        answers = [AnswerInputs.of(part) for part in batch.parts]
        tokens = self.in_all(sum(part.count for part in answers))
        return self.learn(number, [(part, tokens) for part in answers], left_out=batch.left_out)

    def look(self, part: tuple[AnswerInputs, int]) -> Mapping[str, Tensor]:
        """Return the loss of the answers of a part, as a share of the batch's mean."""
        answers, tokens = part
        return {ANSWER: answer_loss(self.runner, answers, self.device) / tokens}
