"""Batches of conversations about pruned videos, which follow from a plan and the number of a step.

One pruning rate is drawn for a batch. Neither the rate nor the conversations depend on earlier
steps, so that training can go on exactly where it stopped, in any number of processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from evscli.budget import Fraction
from evscli.datasets import VideoDataset
from evscli.encoders.digest import json_digest
from evscli.language import ConversationCollator
from evscli.language.prefill import ModelInputs
from evscli.pipeline.again import pruned_again
from evscli.pruners import PruneRequest, check_selection
from evscli.pruners.seeds import video_seed
from evscli.records import IntArray, PrunedVideo, PruneInputs
from evscli.store.reader import store_fingerprint
from evscli.train.uptrain.conversations import Messages, StoredConversation
from evscli.train.uptrain.plan import UptrainPlan


@dataclass(frozen=True, kw_only=True, eq=False)
class TuningBatch:
    """The parts of one batch, each the inputs of one forward pass with labels."""

    parts: Sequence[ModelInputs]
    rate: float
    """The share of tokens that was to be pruned."""
    kept: int
    """The number of visual tokens kept."""
    total: int
    """The number of visual tokens before pruning."""


class Examples(Protocol):
    """A source of conversations about videos of which all tokens are known."""

    @property
    def digest(self) -> str:
        """The digest of everything that the examples follow from, beside the plan."""

    def take(self, step: int, count: int) -> list[tuple[PrunedVideo, Messages]]:
        """Return the `count` examples of a step. They follow from the step alone."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredExamples:
    """Conversations about the videos of a store, in another order in every epoch."""

    store: str
    conversations: Sequence[StoredConversation]
    seed: int

    @cached_property
    def videos(self) -> VideoDataset:
        """The videos of the store, opened in the process that reads them."""
        return VideoDataset(self.store)

    @property
    def digest(self) -> str:
        """The digest of the store's configuration and of all conversations."""
        lines = [[one.video, list(one.messages)] for one in self.conversations]
        return json_digest([store_fingerprint(Path(self.store)), lines])

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "videos"}

    def take(self, step: int, count: int) -> list[tuple[PrunedVideo, Messages]]:
        """Return the examples of a step, over the end of an epoch into the next."""
        places = range(step * count, (step + 1) * count)
        chosen = [self.conversations[self.order(place)] for place in places]
        return [(self.videos[self.videos.number(one.video)], one.messages) for one in chosen]

    def order(self, place: int) -> int:
        """Return the number of the conversation at a place of the endless order."""
        epoch, index = divmod(place, len(self.conversations))
        return int(shuffled(len(self.conversations), self.seed, epoch)[index])


@lru_cache(maxsize=2)  # a batch may lie in two epochs
def shuffled(count: int, seed: int, epoch: int) -> IntArray:
    """Return the order of an epoch: a permutation of 0..count-1."""
    return np.random.default_rng([seed, 5, epoch]).permutation(count)


class PrunedBatches(Dataset[TuningBatch]):
    """Batches at rates drawn by the plan, by the number of the step."""

    def __init__(
        self,
        examples: Examples,
        collate: ConversationCollator,
        plan: UptrainPlan,
        *,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        """Take the share `rank` of `world` processes."""
        self.examples, self.collate, self.plan = examples, collate, plan
        self.request = plan.request()
        self.rank, self.world = rank, world

    def __len__(self) -> int:
        return self.plan.total

    def __getitem__(self, step: int) -> TuningBatch:
        rate = self.plan.rates.draw(seed=self.plan.seed, step=step)
        taken = self.examples.take(step, self.plan.batch)[self.rank :: self.world]
        pruned = [(self.pruned(record, rate, step), messages) for record, messages in taken]
        size = -(-len(pruned) // self.plan.accumulate)
        return TuningBatch(
            parts=[self.collate(pruned[at : at + size]) for at in range(0, len(pruned), size)],
            rate=rate,
            kept=sum(record.info.kept for record, _ in pruned),
            total=sum(record.info.tokens for record, _ in pruned),
        )

    def pruned(self, record: PrunedVideo, rate: float, step: int) -> PrunedVideo:
        """Return a video with the share `rate` of its tokens pruned; one with nothing to prune."""
        budget = Fraction(value=1 - rate)
        request = at_budget(self.request, budget)
        seed = video_seed(self.plan.seed + step, record.id)
        if record.order is not None and same_method(record, request):
            return record.at(budget)
        return pruned_again(record, request, PruneInputs(seed=seed))


def at_budget(request: PruneRequest, budget: Fraction) -> PruneRequest:
    """Return a request with another budget."""
    given: Mapping[str, object] = request.options
    return check_selection(request.pruner, budget, given)


def same_method(record: PrunedVideo, request: PruneRequest) -> bool:
    """Return whether a stored video has the order of a request's method."""
    info = record.info
    return (info.method, {**info.options}) == (request.pruner.name, {**request.options})


def labelled(labels: Tensor) -> int:
    """Return the number of tokens that a loss is computed of."""
    return int((labels[:, 1:] >= 0).sum())
