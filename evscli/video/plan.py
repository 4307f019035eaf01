"""The choice of one video's frames by the rules of a checkpoint's processor.

Encoders provide the rules, as `SamplingRules`.
"""

from __future__ import annotations

import numpy as np

from evscli.errors import VideoError
from evscli.models.contract import SamplingRules
from evscli.records import FloatArray, FramePlan, IntArray
from evscli.video.parts import seconds_of
from evscli.video.timeline import VideoIndex

CLOCK = 1000.0
"""The instants of a second among which rules choose those whose frames are taken."""


def plan_frames(
    index: VideoIndex, rules: SamplingRules, *, frames: range | None = None
) -> FramePlan:
    """Choose the frames of a video, and the grid that they become.

    Where only the consecutive `frames` of the source are wanted, they are sampled as a video of
    their own: the rules see their number and rate, and the times of the prompt count from the first
    of them. The rules do not count frames that the index leaves out.

    Raises VideoError, stage "plan", where the rules choose no frame, or one that does not exist.
    """
    frames = frames or range(index.frames)
    numbers = index.usable(frames)
    if not len(numbers):
        raise _all_damaged(index, frames)
    if rules.sampling.by == "time":
        seconds = float(index.span(frames))
        source_index, prompt_times = _at_even_instants(index, rules, numbers, seconds)
    else:
        fps = index.rate(frames, count=len(numbers))
        source_index, prompt_times = _evenly(index, rules, numbers, fps)
    height, width = rules.resized_size(len(source_index), *index.displayed_size)
    h, w = rules.cells(height, width)
    return FramePlan(
        source_index=source_index,
        frame_times=index.times[source_index],
        prompt_times=prompt_times,
        source_fps=index.rate(frames),
        source_frames=len(frames),
        duration=seconds_of(index, frames),
        source_size=index.displayed_size,
        rotation=index.rotation,
        resized_size=(height, width),
        grid_thw=(
            -(-len(source_index) // rules.temporal_patch_size),
            h,
            w,
        ),
        damaged_frames=len(frames) - len(numbers),
        notes=index.notes,
    )


def _evenly(
    index: VideoIndex, rules: SamplingRules, numbers: IntArray, fps: float
) -> tuple[IntArray, FloatArray]:
    """Return what the rules choose among the frames `numbers` [M], and the times of the prompt."""
    chosen = rules.sample(len(numbers), fps)
    _check_sampled(chosen, index, len(numbers), fps)
    return numbers[chosen], rules.prompt_times(chosen, fps)


def _at_even_instants(
    index: VideoIndex, rules: SamplingRules, numbers: IntArray, seconds: float
) -> tuple[IntArray, FloatArray]:
    """Return the frames of `numbers` [M] shown at instants that the rules choose, and prompt times.

    The rules see a video of `seconds` with a frame at every tick of a clock, so that the instants
    are as evenly spread as the frames that they choose, and as many as they choose for that length.
    """
    ticks = max(1, round(seconds * CLOCK))
    chosen = rules.sample(ticks, CLOCK)
    _check_sampled(chosen, index, ticks, CLOCK)
    since = (index.pts[numbers] - index.pts[numbers[0]]) * float(index.time_base)
    # Half a tick, so that rounding a time never misses the frame shown at an instant.
    shown = np.searchsorted(since, chosen / CLOCK + 0.5 / CLOCK, side="right") - 1
    return numbers[shown], rules.prompt_times(chosen, CLOCK)


def _check_sampled(chosen: IntArray, index: VideoIndex, frames: int, fps: float) -> None:
    if len(chosen) == 0:
        raise VideoError(
            f"no frame of {index.path} is sampled ({frames} frames, {fps:g} fps); ask for more "
            "frames",
            stage="plan",
        )
    if chosen.min() < 0 or chosen.max() >= frames:
        raise VideoError(
            f"{index.path} has {frames} frames, but frames {chosen.min()} to {chosen.max()} are "
            "asked for; ask for fewer frames",
            stage="plan",
        )


def _all_damaged(index: VideoIndex, frames: range) -> VideoError:
    seconds = [f"{float(index.times[at]):.2f} s" for at in (frames.start, frames.stop - 1)]
    return VideoError(
        f"{index.path} shows nothing but damaged frames from {seconds[0]} to {seconds[1]}; copy or "
        "download it again, or leave this part out",
        stage="plan",
    )
