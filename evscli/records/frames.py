"""Which frames of a video are used, and their pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from evscli.option import Option

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

# As texts, so that a command line that only shows its help imports no numpy.
IntArray: TypeAlias = "NDArray[np.int64]"
FloatArray: TypeAlias = "NDArray[np.float64]"
SampleBy = Literal["index", "time"]

KEPT_AS_NULL = {"null": True}
"""Metadata of a field that stores name where it is None; other optional ones are left out then."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How densely a video is sampled; what is None is left to the checkpoint's processor."""

    GROUP: ClassVar = "Which frames"

    fps: Annotated[float | None, Option("Frames per second to sample.", metavar="RATE")] = None
    num_frames: Annotated[int | None, Option("Frames to sample per video.", metavar="N")] = None
    max_frames: Annotated[int | None, Option("Most frames to sample.", metavar="N")] = None
    by: Annotated[
        SampleBy,
        Option(
            "index: frames evenly spread by their number, as processors do; time: those shown at "
            "even instants, for videos whose frames are far from even.",
            names=("--sample-by",),
        ),
    ] = "index"
    min_pixels: Annotated[
        int | None, Option("Pixels that a resized frame has at least.", metavar="N")
    ] = None
    max_pixels: Annotated[
        int | None, Option("Pixels that a resized frame has at most.", metavar="N")
    ] = None
    total_pixels: Annotated[
        int | None,
        Option("Pixels that all sampled frames of a video have together at most.", metavar="N"),
    ] = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Which part of its source a video is, where it is not the whole."""

    start: float
    """Seconds of the source from which its frames are taken."""
    end: float | None
    """Seconds of the source before which they end; None: its end."""
    first_frame: int
    """Number of its first frame in the source."""
    source_seconds: float
    """Duration of the whole source."""
    segments: int | None = field(default=None, metadata=KEPT_AS_NULL)
    """How many the source was cut into, where it is one of those."""

    def __str__(self) -> str:
        end = "on" if self.end is None else f"to {self.end:g} s"
        return f"{self.start:g} s {end} of {self.source_seconds:.1f} s"


@dataclass(frozen=True, kw_only=True, eq=False)
class FramePlan:
    """Which frames of one video, or of a part of one, are used, and the grid they become."""

    source_index: IntArray
    """[F] 0-based frame numbers in the source, in presentation order."""
    frame_times: FloatArray
    """[F] real presentation times in seconds since the source's first frame."""
    prompt_times: FloatArray
    """[T] seconds by the processor's own rule, those of a part from its own first frame on: what
    the prompt text says."""
    source_fps: float
    source_frames: int
    """Of the part where it is one."""
    duration: float
    """Seconds, the last frame's own duration included; of the part where it is one."""
    source_size: tuple[int, int]
    """(height, width) in pixels as a viewer shows it: after rotation."""
    rotation: int
    """Degrees counter-clockwise a viewer turns the coded picture: 0, 90, 180 or 270."""
    resized_size: tuple[int, int]
    """(height, width) in pixels that the encoder sees."""
    grid_thw: tuple[int, int, int]
    """(T, h, w) cells of the merged grid: one cell is one token."""
    part: Part | None = None
    """None: the whole source."""
    damaged_frames: int = 0
    """Frames that are left out although others follow; `source_frames` counts them."""
    notes: tuple[str, ...] = ()
    """What a person should know of the source."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameChunk:
    """A run of consecutive planned frames."""

    start: int
    """Position of the first frame within the plan."""
    pixels: Tensor
    """[f, 3, H, W] uint8, RGB."""
