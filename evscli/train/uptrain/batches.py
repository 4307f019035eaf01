"""Batches of conversations about pruned videos, which follow from a plan and the number of a step.

One pruning rate is drawn for a batch, and methods take turns. Nothing of a batch depends on earlier
steps, so that training can go on exactly where it stopped, in any number of processes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from torch.utils.data import Dataset

from evscli.budget import Fraction
from evscli.datasets import VideoDataset
from evscli.encoders.digest import json_digest
from evscli.errors import DamagedError, EvsError
from evscli.language import ConversationCollator
from evscli.language.prefill import ModelInputs
from evscli.pipeline.again import check_whole, pruned_again
from evscli.pruners import PruneRequest, check_selection
from evscli.pruners.seeds import video_seed
from evscli.records import PrunedVideo, PruneInputs, VideoInfo
from evscli.store import Store
from evscli.store.reader import store_fingerprint
from evscli.train.tuning.conversations import Messages, VideoConversation
from evscli.train.tuning.loaded import too_long
from evscli.train.tuning.order import ShuffledConversations, Taken
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
    left_out: Sequence[str] = ()
    """The conversations that are not in it, each with the reason."""


ALIKE = 0.7
"""The least number of tokens of a row of a part, as a share of those of its longest."""

TEXT = 128
"""The tokens of text of a row, about."""

Example = tuple[PrunedVideo, Messages]
"""A conversation about a video; conversations about one video have the very same record."""


class Examples(Protocol):
    """A source of conversations about videos of which all tokens are known."""

    @property
    def digest(self) -> str:
        """The digest of everything that the examples follow from, beside the plan."""

    def take(self, step: int, count: int) -> Taken[Example]:
        """Return the `count` examples of a step. They follow from the step alone."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredExamples:
    """Conversations about the videos of a store, in another order in every epoch."""

    store: str
    conversations: Sequence[VideoConversation]
    seed: int

    @cached_property
    def videos(self) -> VideoDataset:
        """The videos of the store, opened in the process that reads them."""
        return VideoDataset(self.store)

    @cached_property
    def shuffled(self) -> ShuffledConversations:
        """The conversations in the order of the training."""
        return ShuffledConversations(conversations=self.conversations, seed=self.seed)

    @property
    def digest(self) -> str:
        """The digest of the store's configuration and of all conversations."""
        lines = [[one.video, list(one.messages)] for one in self.conversations]
        return json_digest([store_fingerprint(Path(self.store)), lines])

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "videos"}

    def take(self, step: int, count: int) -> Taken[Example]:
        """Return the examples of a step. A video that cannot be read is left out."""
        chosen = self.shuffled.take(step, count)
        records: dict[str, PrunedVideo] = {}
        unread: dict[str, str] = {}
        for video in dict.fromkeys(one.video for one in chosen):
            try:
                records[video] = self.videos[self.videos.number(video)]
            except EvsError as error:
                unread[video] = f"{video}: {error}"
        return Taken(
            examples=[(records[one.video], one.messages) for one in chosen if one.video in records],
            left_out=[*unread.values()],
        )


class PrunedBatches(Dataset[TuningBatch]):
    """Batches at rates drawn by the plan, by the number of the step."""

    def __init__(
        self,
        examples: Examples,
        collate: ConversationCollator,
        plan: UptrainPlan,
        *,
        context: int | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        """Take the share `rank` of `world` processes, and conversations of `context` tokens."""
        self.examples, self.collate, self.plan = examples, collate, plan
        self.requests, self.context = plan.requests(), context
        self.rank, self.world = rank, world

    def __len__(self) -> int:
        return self.plan.total

    def __getitem__(self, step: int) -> TuningBatch:
        rate = self.plan.rates.draw(seed=self.plan.seed, step=step)
        taken = self.examples.take(step, self.plan.batch)
        fitting, left_out = self.fitting(self.pruned(taken.examples, rate, step))
        first, stop = (len(fitting) * rank // self.world for rank in (self.rank, self.rank + 1))
        mine = fitting[first:stop]
        most = max(1, -(-len(mine) // self.plan.accumulate))
        return TuningBatch(
            parts=[self.collate(part) for part in alike(mine, most)],
            rate=rate,
            kept=sum(record.info.kept for record, _ in mine),
            total=sum(record.info.tokens for record, _ in mine),
            left_out=[*taken.left_out, *left_out],
        )

    def pruned(self, examples: Sequence[Example], rate: float, step: int) -> list[Example]:
        """Return the examples with the share `rate` of their tokens pruned, each video once."""
        records = {id(record): record for record, _ in examples}
        pruned = {name: self.prune(record, rate, step) for name, record in records.items()}
        return [(pruned[id(record)], messages) for record, messages in examples]

    def prune(self, record: PrunedVideo, rate: float, step: int) -> PrunedVideo:
        """Return a video with the share `rate` of its tokens pruned."""
        budget = Fraction(value=1 - rate)
        request = at_budget(self.requests[step % len(self.requests)], budget)
        seed = video_seed(self.plan.seed + step, record.id)
        if nested(record.info, request):
            return record.at(budget)
        return pruned_again(record, request, PruneInputs(seed=seed))

    def fitting(self, examples: Sequence[Example]) -> tuple[list[Example], list[str]]:
        """Return the examples that fit the context, and the others each as a reason."""
        fitting, left_out = [], []
        for record, messages in examples:
            reason = too_long(self.collate, record, messages, self.context)
            left_out += reason
            fitting += [] if reason else [(record, messages)]
        return fitting, left_out


def alike(examples: Sequence[Example], most: int) -> list[list[Example]]:
    """Divide examples into parts of at most `most`, by the number of their tokens, longest first.

    Rows of a part are filled up to the longest: a short video beside a long one would cost as much
    as that. Examples about one video stay together as far as a part takes them.
    """
    parts: list[list[Example]] = []
    for example in sorted(examples, key=row_length, reverse=True):
        full = not parts or len(parts[-1]) == most
        if full or row_length(example) < ALIKE * row_length(parts[-1][0]):
            parts.append([])
        parts[-1].append(example)
    return parts


def row_length(example: Example) -> int:
    """Return about how many tokens a row has that holds a video and conversations about it."""
    record, _ = example
    return record.info.kept + TEXT


def at_budget(request: PruneRequest, budget: Fraction) -> PruneRequest:
    """Return a request with another budget."""
    given: Mapping[str, object] = request.options
    return check_selection(request.pruner, budget, given)


def nested(info: VideoInfo, request: PruneRequest) -> bool:
    """Return whether a stored video has the order of a request's method."""
    same = (info.method, {**info.options}) == (request.pruner.name, {**request.options})
    return same and info.count_rule is not None


def check_tokens(store: Store, videos: Iterable[str], plan: UptrainPlan) -> None:
    """Raise UsageError for a video that lacks tokens for the largest budget that a plan draws.

    The headers of shards are read, and no tensors. A damaged one is left to the step that draws it.
    """
    rates = (plan.rates.draw(seed=plan.seed, step=step) for step in range(plan.total))
    budget, requests = Fraction(value=1 - min(rates)), plan.requests()
    for name in dict.fromkeys(videos):
        try:
            info = store.info(name)
        except DamagedError:
            continue
        if all(nested(info, request) for request in requests):
            info.at(budget)
        else:
            check_whole(info)
