"""Batches of videos as patches, which follow from a plan and the number of a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import Dataset

from evscli.encoders import VideoEncoder
from evscli.encoders.digest import json_digest
from evscli.errors import VideoError
from evscli.job import Encoding
from evscli.job.loading import make_encoder
from evscli.pipeline import PlannedVideo, plan_video
from evscli.pipeline.frames import resized
from evscli.provenance import file_digest
from evscli.records import Sampling, VideoInput
from evscli.train.scorer.plan import ScorerPlan
from evscli.train.tuning.conversations import Messages, VideoConversation
from evscli.train.tuning.order import ShuffledConversations, Taken
from evscli.video_errors import video_errors


@dataclass(frozen=True, kw_only=True, eq=False)
class PatchedVideo:
    """One video as an encoder takes it, with the conversations about it."""

    planned: PlannedVideo
    patches: Tensor
    """[T, S, P] float32 normalised patches."""
    conversations: Sequence[Messages]


@dataclass(frozen=True, kw_only=True, eq=False)
class ScorerBatch:
    """The parts of one batch, each the videos of one forward pass."""

    parts: Sequence[Sequence[PatchedVideo]]
    rate: float
    """The share of tokens that is pruned."""
    left_out: Sequence[str] = ()
    """The examples that are not in it, each with the reason."""


class PatchedVideos(Protocol):
    """A source of videos."""

    @property
    def digest(self) -> str:
        """The digest of everything that the videos follow from, beside the plan."""

    @property
    def talks(self) -> bool:
        """Whether there are conversations about the videos."""

    def take(self, step: int, count: int) -> Taken[PatchedVideo]:
        """Return the videos of a step with `count` conversations.

        Without conversations there are `count` videos. They follow from the step alone.
        """


@dataclass(frozen=True, kw_only=True, eq=False)
class FileVideos:
    """Videos in files, decoded anew in every step by the process that draws them."""

    videos: Mapping[str, VideoInput]
    conversations: Sequence[VideoConversation]
    """The conversations about the videos; one without messages for each where there are none."""
    encoding: Encoding
    sampling: Sampling
    damaged: str
    seed: int

    @cached_property
    def encoder(self) -> VideoEncoder:
        """The encoder, for its rules and its pixels."""
        return make_encoder(self.encoding, self.sampling, "cpu")

    @cached_property
    def shuffled(self) -> ShuffledConversations:
        """The conversations in the order of the training."""
        return ShuffledConversations(conversations=self.conversations, seed=self.seed)

    @property
    def digest(self) -> str:
        """The digest of the encoder's weights and settings, all conversations, and the videos.

        Every file is read once for it.
        """
        lines = [[one.video, list(one.messages)] for one in self.conversations]
        names = sorted({one.video for one in self.conversations})
        contents = [content_of(self.videos[name]) for name in names]
        return json_digest([dict(self.encoder.settings), lines, contents])

    @property
    def talks(self) -> bool:
        """Whether there are conversations about the videos."""
        return any(one.messages for one in self.conversations)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "encoder"}

    def take(self, step: int, count: int) -> Taken[PatchedVideo]:
        """Return the videos of a step. One that cannot be decoded is left out."""
        chosen, found, left_out = self.shuffled.take(step, count), [], []
        for name in dict.fromkeys(one.video for one in chosen):
            messages = [one.messages for one in chosen if one.video == name and one.messages]
            try:
                found.append(self.patched(self.videos[name], messages))
            except VideoError as error:
                left_out.append(str(error))
        return Taken(examples=found, left_out=left_out)

    def patched(self, video: VideoInput, conversations: Sequence[Messages]) -> PatchedVideo:
        """Decode a video. Raises VideoError."""
        planned = plan_video(video, self.encoder, damaged=self.damaged)
        with video_errors("decode", video):
            pixels = torch.cat([chunk.pixels for chunk in resized(self.encoder, planned)])
        return PatchedVideo(
            planned=planned,
            patches=self.encoder.form.patchify(pixels),
            conversations=conversations,
        )


def content_of(video: VideoInput) -> list[object]:
    """Return size and digest of a video's file, and its span, which tell it from another.

    Of a file that is not on this machine only the size is known.
    """
    known: list[object] = []
    try:
        known += file_digest(video.path) if video.held is None else (video.held.size,)
    except OSError:  # it is left out of every batch
        known.append("unread")
    return [*known, video.start, video.end]


class ScorerBatches(Dataset[ScorerBatch]):
    """Batches at rates drawn by the plan, by the number of the step."""

    def __init__(
        self, videos: PatchedVideos, plan: ScorerPlan, *, rank: int = 0, world: int = 1
    ) -> None:
        """Take the share `rank` of `world` processes."""
        self.videos, self.plan = videos, plan
        self.rank, self.world = rank, world

    def __len__(self) -> int:
        return self.plan.total

    def __getitem__(self, step: int) -> ScorerBatch:
        taken = self.videos.take(step, self.plan.batch)
        found = taken.examples
        first, stop = (len(found) * rank // self.world for rank in (self.rank, self.rank + 1))
        mine = found[first:stop]
        size = max(1, -(-len(mine) // self.plan.accumulate))
        return ScorerBatch(
            parts=[mine[at : at + size] for at in range(0, len(mine), size)],
            rate=self.plan.rates.draw(seed=self.plan.seed, step=step),
            left_out=taken.left_out,
        )
