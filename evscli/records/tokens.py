"""Visual tokens on their way through a pruner, after an encoder or inside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoTokens:
    """The visual tokens of one video, one per cell of the merged grid, in memory or a file."""

    embeds: Tensor
    """[T, h, w, D] embeddings."""
    deepstack: Tensor | None = None
    """[L, T, h, w, D] planes, for families with DeepStack, else None."""
    notes: tuple[str, ...] = ()
    """Notes on how they were made for a person, one sentence each."""

    @classmethod
    def from_embeds(cls, embeds: Tensor) -> VideoTokens:
        """Wrap embeddings of shape [T, h, w, D]. Raises ValueError for another shape."""
        if embeds.ndim != 4:
            raise ValueError(f"embeds must be [T, h, w, D], got shape {tuple(embeds.shape)}")
        return cls(embeds=embeds)

    def on_cpu(self) -> VideoTokens:
        """Return the tokens in this machine's memory."""
        planes = None if self.deepstack is None else self.deepstack.cpu()
        return replace(self, embeds=self.embeds.cpu(), deepstack=planes)

    @property
    def grid_thw(self) -> tuple[int, int, int]:
        """The grid (T, h, w) of cells."""
        t, h, w, _ = self.embeds.shape
        return t, h, w


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelSource:
    """The resized pixels of a video, for methods that score pixels."""

    chunks: Callable[[], Iterator[Tensor]]
    """A function that starts a pass over uint8 chunks [f, 3, H, W], H and W in whole cells."""
    temporal_patch_size: int
    """The frames of a temporal patch. An incomplete last patch repeats its last frame."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PruneInputs:
    """The inputs that a method may need beside tokens. Each method declares those it needs."""

    pixels: PixelSource | None = None
    """The resized pixels of the video."""
    query: Tensor | None = None
    """[Q, D] rows of the language model's input embeddings."""
    scorer: Mapping[str, Tensor] | None = None
    """The weights of a learned scorer, by their names inside it."""
    heads: int | None = None
    """The number of attention heads of the encoder, for methods that prune inside it."""
    seed: int = 0
    """The seed of methods that draw at random."""


@dataclass(frozen=True, kw_only=True, eq=False)
class KeptTokens:
    """The selection that a pruner returns."""

    mask: Tensor
    """[T, h, w] bool, True for kept cells."""
    scores: Tensor | None = None
    """[T, h, w] float32 scores, the higher the more worth keeping, where a method has some."""
    expected: int
    """The number of tokens that the method's own rule promises for this grid and budget."""
    order: Tensor | None = None
    """[T, h, w] int32 places of all cells, from 0, in the one order by which a method keeps its
    first tokens whatever the budget; None for a method without such an order."""
    notes: tuple[str, ...] = ()
    """Notes on this selection for a person, one sentence each."""

    def on_cpu(self) -> KeptTokens:
        """Return the selection with its tensors on the CPU."""
        here = {name: getattr(self, name) for name in ("mask", "scores", "order")}
        return replace(
            self, **{name: value.cpu() for name, value in here.items() if value is not None}
        )

    @property
    def count(self) -> int:
        """The number of tokens kept."""
        return int(self.mask.sum())


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoWindows:
    """The hidden states of one video inside an encoder, by the windows that become tokens."""

    states: Tensor
    """[T, h, w, p, C] hidden states of windows of p patches each."""

    @property
    def grid_thw(self) -> tuple[int, int, int]:
        """The grid (T, h, w) of windows."""
        t, h, w, _, _ = self.states.shape
        return t, h, w


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowChoice:
    """The selection that a pruner returns inside an encoder: the windows that are kept."""

    kept: KeptTokens
    """The windows that are kept."""
    bias: Tensor | None = None
    """[T, h, w] values added to the attention logits of every key in one more whole block, before
    the other windows are removed."""
    refill: bool = False
    """Whether frames that share no bin keep all patches as context (`models.parts.packing`)."""
    inside: bool = True
    """Whether the others are removed inside the encoder. Else all windows run through all blocks,
    each with the bias, and the others are removed behind the last one."""


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowTokens:
    """The tokens that an encoder made of the windows kept, in raster order."""

    embeds: Tensor
    """[K, D] embeddings."""
    planes: Tensor | None
    """[L, K, D] DeepStack planes, for families that have them."""
