"""Chooses the frames of one video by the rules of a checkpoint's processor.

Knows what rules must answer, not where they come from: encoders provide them.
"""

from __future__ import annotations

from typing import Protocol

from evscli.errors import VideoError
from evscli.records import FloatArray, FramePlan, IntArray
from evscli.video.index import VideoIndex


class SamplingRules(Protocol):
    """What a checkpoint's processor says about frames, sizes and times."""

    @property
    def patch_size(self) -> int:
        """Pixels along a side of a patch."""

    @property
    def temporal_patch_size(self) -> int:
        """Frames in a temporal patch."""

    @property
    def merge_size(self) -> int:
        """Patches along a side of a merged cell."""

    def sample(self, frames: int, fps: float) -> IntArray:
        """[F] the frame numbers to use of a video with so many frames."""

    def resized_size(self, frames: int, height: int, width: int) -> tuple[int, int]:
        """(height, width) in pixels for `frames` sampled frames of that size."""

    def prompt_times(self, source_index: IntArray, fps: float) -> FloatArray:
        """[T] the seconds that the prompt text states, one per temporal patch."""


def plan_frames(index: VideoIndex, rules: SamplingRules) -> FramePlan:
    """Which frames are used, and the grid they become.

    Raises VideoError, stage "plan", where the rules choose no frame, or one that does not exist.
    """
    source_index = rules.sample(index.frames, index.fps)
    _check_sampled(source_index, index)
    height, width = rules.resized_size(len(source_index), *index.displayed_size)
    cell = rules.patch_size * rules.merge_size
    return FramePlan(
        source_index=source_index,
        frame_times=index.times[source_index],
        prompt_times=rules.prompt_times(source_index, index.fps),
        source_fps=index.fps,
        source_frames=index.frames,
        duration=index.duration,
        source_size=index.displayed_size,
        rotation=index.rotation,
        resized_size=(height, width),
        grid_thw=(
            -(-len(source_index) // rules.temporal_patch_size),
            height // cell,
            width // cell,
        ),
    )


def _check_sampled(source_index: IntArray, index: VideoIndex) -> None:
    if len(source_index) == 0:
        raise VideoError(
            f"no frame of {index.path} is sampled ({index.frames} frames, {index.fps:g} fps); "
            "ask for more frames",
            stage="plan",
        )
    if source_index.min() < 0 or source_index.max() >= index.frames:
        raise VideoError(
            f"{index.path} has {index.frames} frames, but frames {source_index.min()} to "
            f"{source_index.max()} are asked for; ask for fewer frames",
            stage="plan",
        )
