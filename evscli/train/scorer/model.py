"""A scorer and the checkpoint that it prunes for, as one module that returns their losses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from evscli.budget import Fraction
from evscli.language import ConversationCollator
from evscli.models.contract import Tower
from evscli.pipeline.record import pruned_video
from evscli.pruners import PruneRequest, check_selection
from evscli.records import KeptTokens, PrunedVideo
from evscli.train.scorer.batches import PatchedVideo
from evscli.train.scorer.module import Scorer
from evscli.train.scorer.passes import keep, score
from evscli.train.tuning.answers import ANSWER, AnswerInputs, answer_loss
from evscli.train.tuning.conversations import Messages
from evscli.train.tuning.loaded import too_long

CHANGE = "change"
"""The name of the auxiliary loss: a score predicts how much its window changed."""

LEAST_BUDGET = 0.001


@dataclass(frozen=True, kw_only=True, eq=False)
class ScorerPart:
    """Some videos of a batch, the rate at which they are pruned, and the size of their batch."""

    videos: Sequence[PatchedVideo]
    rate: float
    total: int
    """The number of videos in the batch."""


class ScoredModel(nn.Module):
    """A scorer, the tower that it looks into, and the language model behind that."""

    def __init__(
        self,
        scorer: Scorer,
        model: nn.Module,
        *,
        tower: Callable[[tuple[int, int]], Tower],
        collate: ConversationCollator | None,
        after: int,
        frozen: bool,
        auxiliary: float,
        context: int | None,
    ) -> None:
        """Take the parts; `tower` prepares the model's own vision tower for a grid of patches."""
        super().__init__()
        self.scorer, self.model = scorer, model
        self.tower, self.collate, self.after = tower, collate, after
        self.frozen, self.auxiliary, self.context = frozen, auxiliary, context
        self.prepared: dict[tuple[int, int], Tower] = {}
        self.left_out: list[str] = []
        """The conversations that did not fit the context, each as a reason."""

    def forward(self, part: ScorerPart) -> dict[str, Tensor]:
        """Return the losses of a part by name, each its share of the batch's.

        Every video weighs the same, so that the parts of a batch do not matter.
        """
        found: dict[str, list[Tensor]] = defaultdict(list)
        for video in part.videos:
            change, record = self.pruned(video, part.rate)
            found[CHANGE].append(self.auxiliary * change)
            if record is not None:
                found[ANSWER] += self.answered(record, video.conversations)
        return {name: torch.stack(some).sum() / part.total for name, some in found.items() if some}

    def answered(self, record: PrunedVideo, conversations: Sequence[Messages]) -> list[Tensor]:
        """Return the mean loss of the answers about a video, where some fit the context."""
        assert self.collate is not None, "conversations come with a language model"
        collate, fitting = self.collate, []
        for messages in conversations:
            reason = too_long(collate, record, messages, self.context)
            self.left_out += reason
            fitting += [] if reason else [(record, messages)]
        if not fitting:
            return []
        answers = AnswerInputs.of(collate(fitting))
        return [answer_loss(self.model, answers, self.device) / answers.count]

    def pruned(self, video: PatchedVideo, rate: float) -> tuple[Tensor, PrunedVideo | None]:
        """Return the auxiliary loss of a video, and its record where it is talked about."""
        plan = video.planned.plan
        tower = self.tower_of(plan.resized_size)
        patches = video.patches.to(self.device, non_blocking=True)
        scored = score(tower, patches, self.scorer, after=self.after, frozen=self.frozen)
        if not video.conversations:
            return scored.auxiliary, None
        request = self.request(rate)
        count = request.expected_count(plan.grid_thw)
        kept = keep(tower, scored, count)
        tokens = KeptTokens(mask=kept.mask.cpu(), expected=count)
        record = pruned_video(
            video.planned, request, tokens, kept.embeds, kept.planes, store_scores=False
        )
        return scored.auxiliary, record

    def request(self, rate: float) -> PruneRequest:
        """Return the selection that a rate stands for."""
        budget = Fraction(value=max(1 - rate, LEAST_BUDGET))
        return check_selection("stts", budget, prune_at=self.after)

    def tower_of(self, size: tuple[int, int]) -> Tower:
        """Return the tower for frames of (height, width) pixels."""
        if size not in self.prepared or not self.frozen:
            with torch.no_grad() if self.frozen else torch.enable_grad():
                self.prepared[size] = self.tower(size)
        return self.prepared[size]

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.scorer.parameters()).device


def vision_of(parts: Mapping[str, nn.Module | nn.Parameter], config: Any) -> Any:
    """Return the vision side of a loaded model as its family's tower takes it."""
    if len(parts) == 1:
        return next(iter(parts.values()))
    holder = nn.Module()
    holder.config = config
    for name, part in parts.items():
        setattr(holder, name, part)
    return holder
