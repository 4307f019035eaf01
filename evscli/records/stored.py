"""What a store holds: videos, how they were made, and what failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from evscli.records.frames import Part

if TYPE_CHECKING:
    from torch import Tensor

OptionValue = bool | int | float | str


def dtype_text(kept: str, computed: str) -> str:
    """What tokens are kept and were computed in, such as `bfloat16 computed in float32`."""
    return kept if kept == computed else f"{kept} computed in {computed}"


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
    """The scale of temporal RoPE ids, where the family has one."""
    compute_dtype: str | None = None
    """What the encoder computed in before embeddings were rounded to `dtype`; None: in `dtype`."""

    @property
    def arithmetic(self) -> str:
        """Both in words."""
        return dtype_text(self.dtype, self.compute_dtype or self.dtype)


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
    damaged_frames: int | None = None
    """Frames of the source that are damaged and were left out although others follow;
    `source_frames` counts them."""
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
    traceback: str | None = None
    """Where it happened; a store keeps it in a file of its own."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What a store was made with."""

    settings: Mapping[str, Any]
    """JSON values that change tensors; the store's fingerprint is their digest."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """JSON values that do not: device, threads, package versions."""
