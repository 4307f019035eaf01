"""Reduced views of a video, to measure what can be answered without the rest.

A good question cannot be answered from its own words, and one about time neither from the first
frame nor from shuffled frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray

WHOLE = "whole"
QUESTION_ONLY = "question-only"
FIRST_FRAME = "first-frame"
SHUFFLED = "shuffled-frames"

VIEWS = {
    QUESTION_ONLY: "no visual tokens at all",
    FIRST_FRAME: "the first frame, repeated",
    SHUFFLED: "all frames in random order",
}
"""The views and their contents."""


def view_frames(frames: NDArray[np.uint8], view: str, rng: Generator) -> NDArray[np.uint8]:
    """Return the frames [F, H, W, 3] of a view, as many as before. No tokens are removed here."""
    if view == FIRST_FRAME:
        return frames[:1].repeat(len(frames), axis=0)
    if view == SHUFFLED:
        return frames[rng.permutation(len(frames))]
    return frames
