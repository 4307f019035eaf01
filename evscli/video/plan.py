"""Chooses the frames of one video by the rules of a checkpoint's processor.

Knows what rules must answer, not where they come from: encoders provide them.
"""

from __future__ import annotations

from typing import Protocol

from evscli.errors import VideoError
from evscli.records import FloatArray, FramePlan, IntArray
from evscli.video.index import VideoIndex
from evscli.video.parts import seconds_of


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


def plan_frames(
    index: VideoIndex, rules: SamplingRules, *, frames: range | None = None
) -> FramePlan:
    """Which frames are used, and the grid they become.

    Where only the consecutive `frames` of the source are wanted, they are sampled as a video of
    their own: the rules see their number, and the times of the prompt count from the first of them.

    Raises VideoError, stage "plan", where the rules choose no frame, or one that does not exist.
    """
    frames = frames or range(index.frames)
    chosen = rules.sample(len(frames), index.fps)
    _check_sampled(chosen, index, frames)
    source_index = chosen + frames.start
    height, width = rules.resized_size(len(source_index), *index.displayed_size)
    cell = rules.patch_size * rules.merge_size
    return FramePlan(
        source_index=source_index,
        frame_times=index.times[source_index],
        prompt_times=rules.prompt_times(chosen, index.fps),
        source_fps=index.fps,
        source_frames=len(frames),
        duration=seconds_of(index, frames),
        source_size=index.displayed_size,
        rotation=index.rotation,
        resized_size=(height, width),
        grid_thw=(
            -(-len(source_index) // rules.temporal_patch_size),
            height // cell,
            width // cell,
        ),
    )


def _check_sampled(chosen: IntArray, index: VideoIndex, frames: range) -> None:
    if len(chosen) == 0:
        raise VideoError(
            f"no frame of {index.path} is sampled ({len(frames)} frames, {index.fps:g} fps); "
            "ask for more frames",
            stage="plan",
        )
    if chosen.min() < 0 or chosen.max() >= len(frames):
        raise VideoError(
            f"{index.path} has {len(frames)} frames, but frames {chosen.min()} to "
            f"{chosen.max()} are asked for; ask for fewer frames",
            stage="plan",
        )
