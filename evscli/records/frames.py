"""The sampling of a video, the plan of its frames, and their pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from evscli.errors import UsageError
from evscli.option import Checked, Option

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

# The types are texts, so that a command line that only shows its help does not import numpy.
IntArray: TypeAlias = "NDArray[np.int64]"
FloatArray: TypeAlias = "NDArray[np.float64]"
SampleBy = Literal["index", "time"]

KEPT_AS_NULL = {"null": True}
"""Metadata of a field that stores name where it is None; other optional ones are left out then."""


@dataclass(frozen=True, kw_only=True)
class Sampling(Checked):
    """The density at which videos are sampled. None is left to the checkpoint's processor.

    Raises UsageError for values that no video could be sampled with.
    """

    GROUP: ClassVar = "Frames"
    EXCLUSIVE: ClassVar = ("fps", "num_frames")

    fps: Annotated[
        float | None, Option("Frames per second to sample.", metavar="RATE", above=0)
    ] = None
    num_frames: Annotated[
        int | None, Option("Frames to sample per video.", metavar="N", least=1)
    ] = None
    max_frames: Annotated[int | None, Option("Most frames to sample.", metavar="N", least=1)] = None
    by: Annotated[
        SampleBy,
        Option(
            "index: frames evenly spread by their number, as processors do; time: those shown at "
            "even instants, for videos whose frames are far from even.",
            names=("--sample-by",),
        ),
    ] = "index"
    min_pixels: Annotated[
        int | None, Option("Pixels that a resized frame has at least.", metavar="N", least=1)
    ] = None
    max_pixels: Annotated[
        int | None, Option("Pixels that a resized frame has at most.", metavar="N", least=1)
    ] = None
    total_pixels: Annotated[
        int | None,
        Option(
            "Pixels that all sampled frames of a video have together at most.", metavar="N", least=1
        ),
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, most in (("max", self.max_pixels), ("total", self.total_pixels)):
            if most is not None and self.min_pixels is not None and self.min_pixels > most:
                raise UsageError(
                    f"--min-pixels {self.min_pixels} is more than --{name}-pixels {most}; lower "
                    "the one or raise the other"
                )


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """The part of a source that a video is, where it is not the whole."""

    start: float
    """The second of the source at which the part begins."""
    end: float | None
    """The second of the source before which the part ends. None is the end of the source."""
    first_frame: int
    """The number, in the source, of the part's first frame."""
    source_seconds: float
    """The duration of the whole source in seconds."""
    segments: int | None = field(default=None, metadata=KEPT_AS_NULL)
    """The number of segments that the source was cut into, where the part is one of them."""

    def __str__(self) -> str:
        end = "on" if self.end is None else f"to {self.end:g} s"
        return f"{self.start:g} s {end} of {self.source_seconds:.1f} s"


@dataclass(frozen=True, kw_only=True, eq=False)
class FramePlan:
    """The frames used of one video, or of a part of one, and the grid that they become."""

    source_index: IntArray
    """[F] 0-based frame numbers in the source, in presentation order."""
    frame_times: FloatArray
    """[F] real presentation times in seconds since the source's first frame."""
    prompt_times: FloatArray
    """[T] seconds that the prompt text states, by the processor's own rule. Those of a part count
    from its own first frame."""
    source_fps: float
    """The frames per second of the source, or of the part."""
    source_frames: int
    """The number of frames of the source, or of the part."""
    duration: float
    """The seconds of the source, or of the part, the last frame's own duration included."""
    source_size: tuple[int, int]
    """(height, width) in pixels as a viewer shows it: after rotation."""
    rotation: int
    """The degrees counter-clockwise by which a viewer turns the coded picture: 0, 90, 180, 270."""
    resized_size: tuple[int, int]
    """The (height, width) in pixels of the frames that the encoder sees."""
    grid_thw: tuple[int, int, int]
    """The (T, h, w) cells of the merged grid: one cell is one token."""
    part: Part | None = None
    """The part of the source that is used. None is the whole source."""
    damaged_frames: int = 0
    """The number of frames left out although others follow; `source_frames` counts them."""
    notes: tuple[str, ...] = ()
    """Notes on the source for a person, such as on damage."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameChunk:
    """A run of consecutive planned frames."""

    start: int
    """The position of the first frame within the plan."""
    pixels: Tensor
    """[f, 3, H, W] RGB: uint8, or float32 where the model's processor resizes without rounding."""
