"""Visual tokens on their way through a pruner, after an encoder or inside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


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
