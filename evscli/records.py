"""The frozen dataclasses that travel between stages. They know no stage and do no work.

Shapes use the field's letters: F sampled frames, T temporal patches, h x w cells of the merged
grid, D embedding width, L DeepStack planes, K kept tokens. torch is only needed for annotations,
so importing this module stays cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evscli.texts import without_secrets

if TYPE_CHECKING:
    from torch import Tensor

OptionValue = bool | int | float | str
IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How densely frames are chosen; what is None is left to the checkpoint's processor."""

    fps: float | None = None
    num_frames: int | None = None
    max_frames: int | None = None


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
    segments: int | None = None
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


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameChunk:
    """A run of consecutive planned frames."""

    start: int
    """Position of the first frame within the plan."""
    pixels: Tensor
    """[f, 3, H, W] uint8, RGB."""


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoTokens:
    """Visual tokens of one video, one per cell of the merged grid; maybe backed by a file."""

    embeds: Tensor
    """[T, h, w, D]"""
    deepstack: Tensor | None = None
    """[L, T, h, w, D] for families with DeepStack, else None."""

    @classmethod
    def from_embeds(cls, embeds: Tensor) -> VideoTokens:
        """Wrap embeddings at hand, shape [T, h, w, D]."""
        if embeds.ndim != 4:
            raise ValueError(f"embeds must be [T, h, w, D], got shape {tuple(embeds.shape)}")
        return cls(embeds=embeds)

    @property
    def grid_thw(self) -> tuple[int, int, int]:
        """(T, h, w)"""
        t, h, w, _ = self.embeds.shape
        return t, h, w


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelSource:
    """The resized pixels of a video, for methods that score pixels."""

    chunks: Callable[[], Iterator[Tensor]]
    """Starts a new pass over uint8 chunks [f, 3, H, W]; H and W are multiples of the cell."""
    temporal_patch_size: int
    """Frames per temporal patch; an incomplete last patch repeats its last frame."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PruneInputs:
    """What a method may need beside tokens; each method declares what it does need."""

    pixels: PixelSource | None = None
    query: Tensor | None = None
    """[Q, D] rows of the language model's input embeddings."""
    scorer: Mapping[str, Tensor] | None = None
    """Weights of a learned scorer, by their names inside it."""
    heads: int | None = None
    """Of the encoder's attention, for methods inside it."""
    seed: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class KeptTokens:
    """A pruner's answer."""

    mask: Tensor
    """[T, h, w] bool"""
    scores: Tensor | None = None
    """[T, h, w] float32, higher is more worth keeping; None where a method has none."""
    expected: int
    """Tokens the method's own rule promises for this grid and budget."""
    notes: tuple[str, ...] = ()
    """What a person should know about this selection, one sentence each."""

    @property
    def count(self) -> int:
        """Tokens kept."""
        return int(self.mask.sum())


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoWindows:
    """Hidden states of one video inside an encoder, grouped by the windows that become tokens."""

    states: Tensor
    """[T, h, w, p, C] of p patches each"""

    @property
    def grid_thw(self) -> tuple[int, int, int]:
        """(T, h, w)"""
        t, h, w, _, _ = self.states.shape
        return t, h, w


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowChoice:
    """A pruner's answer inside an encoder: the windows that go on."""

    kept: KeptTokens
    bias: Tensor | None = None
    """[T, h, w] added to the attention logits of every key in one more whole block, before the
    other windows are removed"""
    refill: bool = False
    """Whether frames that share no bin keep all their patches as context (`encoders.packing`)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowTokens:
    """What an encoder made of the windows that it went on with, in raster order."""

    embeds: Tensor
    """[K, D]"""
    planes: Tensor | None
    """[L, K, D]"""


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """What must be known of a vision encoder once its tokens stand alone."""

    name: str
    """Hub id, `mini`, or a local folder's own name; never an absolute path."""
    model_type: str
    vision_sha256: str
    """Digest of the vision weights in the dtype they are stored in."""
    vision_bf16_sha256: str
    """The same after rounding to bfloat16, to recognise a model loaded in a narrower dtype."""
    processor_sha256: str
    dtype: str
    """Of the embeddings: float32, bfloat16 or float16."""
    embed_dim: int
    deepstack_planes: int
    patch_size: int
    temporal_patch_size: int
    merge_size: int
    tokens_per_second: float | None = None
    """Scale of temporal RoPE ids where a family has one (Qwen2.5-VL)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceInfo:
    """The file a video came from."""

    path: str
    """POSIX path relative to its input root."""
    size: int
    """Bytes."""
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """What a finished video was made from."""

    source: SourceInfo
    query: str | None = None
    part: Part | None = None


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """Everything a shard says about one video beside its tensors."""

    id: str
    source: SourceInfo
    source_fps: float
    source_frames: int
    """Of the part where it is one."""
    duration: float
    """Seconds, the same."""
    source_size: tuple[int, int]
    rotation: int
    resized_size: tuple[int, int]
    grid_thw: tuple[int, int, int]
    model: ModelInfo
    method: str
    options: Mapping[str, OptionValue]
    budget: float
    """Fraction of tokens asked to be kept."""
    expected: int
    """Tokens the method's rule promised for that budget."""
    kept: int
    """Tokens kept."""
    notes: tuple[str, ...] = ()
    query: str | None = None
    """What a query-aware method was asked."""
    prune_at: int | None = None
    """The block of the encoder after which tokens were dropped; None: after the whole encoder."""
    budget_rule: str | None = None
    """What was asked where that was no fraction, such as `4096tok`."""
    part: Part | None = None
    """Which part of its source it is; None: the whole."""
    store_dtype: str | None = None
    """What shards keep its tokens in: bfloat16, float16, float8 or int8; None: `model.dtype`."""
    store_rms_error: float | None = None
    """What is lost by that: root of the mean square, relative to that of the values."""
    store_max_error: float | None = None
    """The same of the row, one token in one plane, that loses most."""

    @property
    def origin(self) -> Origin:
        """What it was made from."""
        return Origin(source=self.source, query=self.query, part=self.part)

    @property
    def frames(self) -> range:
        """The frames of the source that it is."""
        first = 0 if self.part is None else self.part.first_frame
        return range(first, first + self.source_frames)

    @property
    def tokens(self) -> int:
        """Visual tokens before pruning."""
        t, h, w = self.grid_thw
        return t * h * w

    @property
    def retention(self) -> float:
        """Fraction of tokens kept."""
        return self.kept / self.tokens


@dataclass(frozen=True, kw_only=True, eq=False)
class PrunedVideo:
    """What a shard holds for one video."""

    info: VideoInfo
    embeds: Tensor
    """[K, D]"""
    position_ids: Tensor
    """[K, 3] int32: 0-based (t, h, w) cells, equal to `keep_mask.nonzero()`."""
    keep_mask: Tensor
    """[T, h, w] bool"""
    source_index: Tensor
    """[F] int64"""
    frame_times: Tensor
    """[F] float64, seconds"""
    prompt_times: Tensor
    """[T] float64, seconds"""
    deepstack: Tensor | None = None
    """[L, K, D]"""
    scores: Tensor | None = None
    """[T, h, w] float16, stored on request"""

    @property
    def id(self) -> str:
        """The video's id."""
        return self.info.id

    def tensors(self) -> dict[str, Tensor]:
        """The tensors by their name in a shard; absent ones left out."""
        names = (
            "embeds",
            "position_ids",
            "keep_mask",
            "deepstack",
            "source_index",
            "frame_times",
            "prompt_times",
            "scores",
        )
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def __repr__(self) -> str:
        grid = "x".join(map(str, self.info.grid_thw))
        return (
            f"PrunedVideo({self.id!r}, {self.info.kept} of {self.info.tokens} tokens, grid {grid}, "
            f"{self.info.method} at {self.info.budget:g})"
        )


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One video that could not be pruned."""

    id: str
    path: str
    stage: str
    """open, index, plan, decode, encode, prune, write or answer"""
    kind: str
    """Class of the error."""
    message: str
    attempt: int = 1
    """Counted from 1 over all runs."""
    size: int | None = None
    """Bytes of the file that failed."""
    whole: bool | None = None
    """True: none of the segments of its source is known, since it could not be opened or indexed;
    `id` is that of the first."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What a store was made with."""

    settings: Mapping[str, Any]
    """JSON values that change tensors; the store's fingerprint is their digest."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """JSON values that do not: device, threads, package versions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldVideo:
    """Where a video lies that is no local file of its own: a remote object, or within a tar."""

    url: str
    """Address of the remote object or tar, or path of the local tar."""
    size: int
    """Bytes of the video."""
    offset: int = 0
    """Where it begins in a tar; 0 for an object that is a video."""

    @property
    def shown(self) -> str:
        """`url` as messages show it."""
        return without_secrets(self.url)


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoInput:
    """One video to prune.

    Where `held` is given nothing lies at `path`: it only names the video, and is made from its
    address, or from the path of its tar and the name of the member below that.
    """

    id: str
    path: Path
    root: Path
    """The input root that the stored relative path starts from."""
    query: str | None = None
    """What query-aware methods are asked of it, where a list says so."""
    start: float | None = None
    """Seconds of the source from which its frames are used; None: from its beginning."""
    end: float | None = None
    """Seconds of the source before which they end; None: its end."""
    segments: int | None = None
    """How many its source is cut into, where it is one of those."""
    held: HeldVideo | None = None

    @property
    def name(self) -> str:
        """What messages call it: its path, its address, or `clips.tar/member.mp4`."""
        if self.held is None:
            return str(self.path)
        member = f"/{self.relative}" if self.held.offset else ""
        return f"{self.held.shown}{member}"

    @property
    def relative(self) -> str:
        """The POSIX path below the root, which a store keeps."""
        return self.path.relative_to(self.root).as_posix()

    @property
    def is_part(self) -> bool:
        """Whether a part of its source is wanted."""
        return (self.start, self.end) != (None, None)
