"""PackedVideos: the tokens of several videos one after the other, without padding.

The tensors are few and large, so that a batch goes from one process to another at little cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from evscli.errors import UsageError
from evscli.records import PrunedVideo, VideoInfo


@dataclass(frozen=True, kw_only=True, eq=False)
class PackedVideos:
    """A batch of B videos, in the layout of attention over sequences of various lengths.

    `batch[i]` is a record again, whose tensors are views of these.
    """

    infos: tuple[VideoInfo, ...]
    """[B] the descriptions of the videos."""
    embeds: Tensor
    """[sum K, D] embeddings of all kept tokens."""
    deepstack: Tensor | None
    """[L, sum K, D] DeepStack planes, for families that have them."""
    suffix: Tensor | None
    """[n, D] tokens behind those of every video, for families with such."""
    position_ids: Tensor
    """[sum K, 3] int32, as in every record."""
    cu_seqlens: Tensor
    """[B + 1] int32: video i has the rows cu_seqlens[i] to cu_seqlens[i + 1]."""
    keep_mask: Tensor
    """[sum T h w] bool, the cells of every video in raster order."""
    scores: Tensor | None
    """[sum T h w] float16, where all videos have scores."""
    source_index: Tensor
    """[sum F] int64 numbers of the sampled frames in their sources."""
    frame_times: Tensor
    """[sum F] float64 presentation times of the sampled frames, in seconds."""
    prompt_times: Tensor
    """[sum T] float64 seconds that prompt texts state."""
    frames: tuple[int, ...]
    """[B] the sampled frames F of every video."""

    @property
    def max_seqlen(self) -> int:
        """The largest number of tokens of one video."""
        return max(info.kept for info in self.infos)

    def __len__(self) -> int:
        return len(self.infos)

    def __getitem__(self, number: int) -> PrunedVideo:
        """Return one video. Raises IndexError."""
        number = range(len(self))[number]
        info = self.infos[number]
        tokens = _run([info.kept for info in self.infos], number)
        cells = _run([info.tokens for info in self.infos], number)
        steps = _run([info.grid_thw[0] for info in self.infos], number)
        frames = _run(self.frames, number)
        return PrunedVideo(
            info=info,
            embeds=self.embeds[tokens],
            deepstack=None if self.deepstack is None else self.deepstack[:, tokens],
            suffix=self.suffix,
            position_ids=self.position_ids[tokens],
            keep_mask=self.keep_mask[cells].view(info.grid_thw),
            scores=None if self.scores is None else self.scores[cells].view(info.grid_thw),
            source_index=self.source_index[frames],
            frame_times=self.frame_times[frames],
            prompt_times=self.prompt_times[steps],
        )


def pack_videos(videos: Sequence[PrunedVideo]) -> PackedVideos:
    """Make one batch of videos in their order: the `collate_fn` of a DataLoader.

    Raises UsageError for no videos, and for videos that were made by different models.
    """
    _refuse_unlike(videos)
    deepstack = [video.deepstack for video in videos if video.deepstack is not None]
    scores = [video.scores.flatten() for video in videos if video.scores is not None]
    return PackedVideos(
        infos=tuple(video.info for video in videos),
        embeds=torch.cat([video.embeds for video in videos]),
        deepstack=torch.cat(deepstack, dim=1) if deepstack else None,
        suffix=videos[0].suffix,
        position_ids=torch.cat([video.position_ids for video in videos]),
        cu_seqlens=torch.tensor(
            [0, *accumulate(video.info.kept for video in videos)], dtype=torch.int32
        ),
        keep_mask=torch.cat([video.keep_mask.flatten() for video in videos]),
        scores=torch.cat(scores) if len(scores) == len(videos) else None,
        source_index=torch.cat([video.source_index for video in videos]),
        frame_times=torch.cat([video.frame_times for video in videos]),
        prompt_times=torch.cat([video.prompt_times for video in videos]),
        frames=tuple(len(video.source_index) for video in videos),
    )


def _run(lengths: Sequence[int], number: int) -> slice:
    """Return the rows of one video, given the number of rows of every video."""
    start = sum(lengths[:number])
    return slice(start, start + lengths[number])


def _refuse_unlike(videos: Sequence[PrunedVideo]) -> None:
    if not videos:
        raise UsageError("a batch needs a video: give one or more")
    first = videos[0].info
    for info in (video.info for video in videos):
        if (info.model.vision_sha256, info.model.dtype) != (
            first.model.vision_sha256,
            first.model.dtype,
        ):
            raise UsageError(
                f"videos {first.id!r} and {info.id!r} were made by different models or in "
                "different dtypes: batch those of one store"
            )
