"""Several short videos in one call of a tower: one after the other along its frames.

Frames attend within themselves only, so that a tower computes for each what it would alone; matrix
products with another number of rows may round last bits otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from torch import Tensor

from evscli.models.parts.pixels import repeat_last
from evscli.records import FrameChunk, VideoTokens


def one_after_another(videos: Iterable[Sequence[FrameChunk]], patch: int) -> Iterator[FrameChunk]:
    """Yield the frames of videos of one size as those of one video.

    The last frame of each is repeated up to a whole temporal patch of `patch` frames.
    """
    done = 0
    for chunks in videos:
        frames = sum(len(chunk.pixels) for chunk in chunks)
        for chunk in chunks:
            pixels = chunk.pixels
            if chunk is chunks[-1]:
                pixels = repeat_last(pixels, -frames % patch)
            yield FrameChunk(start=done, pixels=pixels)
            done += len(pixels)


def spread(results: Iterable[Sequence[Tensor]], videos: Sequence[VideoTokens]) -> int:
    """Write the embeds and any planes of temporal patches into those of one video after the other.

    Results need not end where a video does. Returns the number of temporal patches.
    """
    ends, done = [*accumulate(len(video.embeds) for video in videos)], 0
    for embeds, *planes in results:
        for video, end in zip(videos, ends, strict=True):
            begin = end - len(video.embeds)
            low, high = max(begin, done), min(end, done + len(embeds))
            if low < high:
                own, into = slice(low - done, high - done), slice(low - begin, high - begin)
                video.embeds[into] = embeds[own]
                if video.deepstack is not None:
                    video.deepstack[:, into] = planes[0][:, own]
        done += len(embeds)
    return done
