"""The learner of a scorer, and of what learns with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor

from evscli.train.scorer.batches import ScorerBatch
from evscli.train.scorer.model import CHANGE, ScoredModel, ScorerPart
from evscli.train.scorer.plan import ScorerPlan
from evscli.train.task import Learned
from evscli.train.tuning.answers import ANSWER
from evscli.train.tuning.learner import TuningLearner


class ScorerLearner(TuningLearner[ScorerPart]):
    """A scorer with the model that it prunes for, determined by a plan and its batches."""

    LOSSES = (CHANGE, ANSWER)

    def __init__(self, module: ScoredModel, plan: ScorerPlan, accelerator: Accelerator) -> None:
        """Take a module whose weights that learn are marked."""
        super().__init__(module, plan, accelerator, rates={"scorer": plan.scorer_rate})

    def step(self, number: int, batch: ScorerBatch) -> Learned:
        """Learn from one batch."""
        total = self.in_all(sum(map(len, batch.parts)))
        parts = [ScorerPart(videos=part, rate=batch.rate, total=total) for part in batch.parts]
        self.module.left_out.clear()
        learned = self.learn(number, parts, left_out=batch.left_out)
        too_long = gather_object([*self.module.left_out])  # of all processes
        return replace(learned, left_out=[*batch.left_out, *too_long])

    def look(self, part: ScorerPart) -> Mapping[str, Tensor]:
        """Return the losses of a part."""
        losses: dict[str, Tensor] = self.runner(part)
        return losses
