"""The times of scenes, brief moments and flashes.

Events never touch the first temporal patch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

from evscli.mini.world.scene import TEMPORAL_PATCH

SHORTEST_SCENE = 6
"""The least frames of a scene."""

COUNTS_SCENES = 24
"""The number of frames from which a video may have one to four scenes."""

LONG_ENOUGH = 16
"""The number of frames from which a video has cuts and repeated flashes."""

DARK = 3
"""The least frames between two flashes, so that one whole temporal patch of them is dark."""


def choose_cuts(rng: Generator, frames: int) -> tuple[int, ...]:
    """Draw the first frames of scenes: none in more than half of the videos, else one to three."""
    if frames < LONG_ENOUGH or rng.random() < 0.55:
        return ()
    count = int(rng.integers(1, 4))
    while (count + 1) * SHORTEST_SCENE > frames:
        count -= 1
    spare = frames - (count + 1) * SHORTEST_SCENE
    extra = np.sort(rng.integers(0, spare + 1, count))
    return tuple(int(e) + SHORTEST_SCENE * (i + 1) for i, e in enumerate(extra))


def choose_moment(
    rng: Generator, frames: int, scenes: Sequence[slice], others: Sequence[slice]
) -> slice | None:
    """Draw one to three frames inside a scene, clear of the borders between the thirds."""
    third = int(rng.integers(3))
    for _ in range(60):
        length = int(rng.integers(1, 2 + min(2, frames // 12)))
        middle = (third + rng.uniform(0.1, 0.9)) * frames / 3
        start = round(middle - length / 2)
        span = slice(start, start + length)
        if fits(span, third, frames, scenes) and all(apart(span, other) for other in others):
            return span
    return None


def fits(span: slice, third: int, frames: int, scenes: Sequence[slice]) -> bool:
    """Whether a moment lies within a third and a scene, with a frame before and after."""
    length = frames / 3
    clear = 0.07 * length
    within = third * length + clear <= span.start and span.stop <= (third + 1) * length - clear
    if frames < LONG_ENOUGH:  # too few frames to be strict about the borders
        within = int((span.start + span.stop) / 2 / length) == third
    whole = any(scene.start < span.start and span.stop < scene.stop for scene in scenes)
    return bool(span.start >= TEMPORAL_PATCH and within and whole)


def apart(one: slice, other: slice) -> bool:
    """Whether two moments are clearly one after the other."""
    gap = TEMPORAL_PATCH
    return bool(one.stop + gap <= other.start or other.stop + gap <= one.start)


def choose_flashes(rng: Generator, frames: int, count: int) -> list[slice]:
    """Draw `count` flashes of one or a few frames, with darkness between them."""
    longest = 1 if frames < 24 else 3
    lengths = rng.integers(1, longest + 1, count)
    first = TEMPORAL_PATCH
    spare = frames - first - int(lengths.sum()) - DARK * (count - 1)
    waits = np.sort(rng.integers(0, spare + 1, count))
    starts = first + waits + np.concatenate([[0], np.cumsum(lengths + DARK)[:-1]])
    return [slice(int(s), int(s + n)) for s, n in zip(starts, lengths, strict=True)]
