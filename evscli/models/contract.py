"""The contract between the parts of a family and the rest of evs: sizes, protocols and records.

Shapes: T temporal patches, S patches of each, C channels of hidden states, P values of a patch, h x
w tokens of D values, p patches in the window that becomes a token, L DeepStack planes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from evscli.records import FloatArray, IntArray, PrunedVideo, Sampling

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from evscli.models.parts.packing import Packing


class Tower(Protocol):
    """A vision tower prepared for frames of one patch grid."""

    @property
    def cells(self) -> tuple[int, int]:
        """(h, w) of the tokens of a temporal patch."""

    @property
    def depth(self) -> int:
        """The number of blocks."""

    @property
    def heads(self) -> int:
        """The number of attention heads."""

    @property
    def read_after(self) -> Sequence[int]:
        """The blocks whose output becomes tokens and planes, counted from 0, ascending."""

    @property
    def size(self) -> int:
        """The rows of a temporal patch that run through the blocks, S."""

    @property
    def shares_patches(self) -> bool:
        """Whether a patch may be in several windows."""

    @property
    def window_patches(self) -> Tensor:
        """[h*w, p] the places in 0..S-1 of each window's patches, windows in raster order.

        Windows may share patches, and S may have more than patches, such as a class token.
        """

    def embed(self, patches: Tensor) -> Tensor:
        """Turn what `PixelFormat.patchify` returns to hidden states [T, S, C]."""

    def embed_rows(self, patches: Tensor, rows: Tensor) -> Tensor:
        """Do what `embed` does for `rows [K]` alone, which are places in T*S: to [K, C]."""

    def block(self, number: int, hidden: Tensor, bias: Tensor | None = None) -> Tensor:
        """Run one block on [T, S, C]; `bias [T, S]` is added to attention logits of every key."""

    def packed(self, packing: Packing) -> PackedTower:
        """Return the tower that runs on the tokens of a packing."""

    def tokens(self, states: Mapping[int, Tensor]) -> tuple[Tensor, Tensor | None]:
        """Turn outputs [T, S, C] of `read_after` to embeds [T, h, w, D], planes [L, T, h, w, D]."""

    def window_tokens(
        self, states: Mapping[int, Tensor], windows: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Do what `tokens` does for windows by themselves: [n, p, C] to [n, D] and [L, n, D].

        `windows [n]` are their numbers in raster order.
        """


class PackedTower(Protocol):
    """A tower whose rows are those of a packing."""

    def block(self, number: int, hidden: Tensor) -> Tensor:
        """Run one block on [K, C]."""


@dataclass(frozen=True, kw_only=True)
class VisionShape:
    """The sizes of an encoder that the rest of evs must know."""

    embed_dim: int
    """The values of a token."""
    planes: int
    """The number of DeepStack planes."""
    width: int
    """The channels of hidden states."""
    heads: int
    """The number of attention heads."""
    depth: int
    """The number of blocks."""
    patch_size: int
    temporal_patch_size: int
    merge_size: int
    """Patches along a side of the window that becomes a token."""
    tokens_per_second: float | None = None
    suffix_tokens: int = 0
    """The number of tokens behind those of a whole video, which are never pruned."""


# The type is a text, so that a decoder process that resizes nothing does not import torch.
Resize: TypeAlias = "Callable[[Tensor, tuple[int, int]], Tensor]"
"""[f, 3, H, W] uint8 pixels and (height, width) to pixels of that size: uint8, or float32 where the
processor does not round them."""


class PatchSizes(Protocol):
    """The sizes of patches and tokens that a checkpoint asks for."""

    @property
    def patch_size(self) -> int:
        """The number of pixels along a side of a patch."""

    @property
    def temporal_patch_size(self) -> int:
        """The number of frames in a temporal patch."""

    @property
    def merge_size(self) -> int:
        """The number of patches along a side of a token."""


class PixelFormat(PatchSizes, Protocol):
    """The pixel operations that a checkpoint asks for."""

    @property
    def resize(self) -> Resize:
        """[f, 3, H, W] uint8 to a size, equal bit for bit to the processor's result on a CPU.

        It holds no tensors, so that another process can be sent it.
        """

    def resize_on_device(self, pixels: Tensor, size: tuple[int, int]) -> Tensor:
        """Resize on any device, maybe a level off."""

    def patchify(self, pixels: Tensor) -> Tensor:
        """Normalise resized frames [f, 3, H, W] to patches in float32 [T, S, P].

        For a tower that cuts patches itself they are images [T, 3, H, W].
        """


class SamplingRules(PatchSizes, Protocol):
    """The choice of frames, and of their size, that a checkpoint makes under one `Sampling`."""

    @property
    def sampling(self) -> Sampling:
        """The sampling that was asked for, completed by the checkpoint's values."""

    def sample(self, frames: int, fps: float) -> IntArray:
        """Choose [F] frame numbers out of `frames` shown at `fps` on average.

        Raises VideoError where the rule gives none, as for too short a video.
        """

    def resized_size(self, frames: int, height: int, width: int) -> tuple[int, int]:
        """Return (height, width) in pixels for `frames` sampled frames of `height` x `width`.

        Raises VideoError where the rule refuses the shape.
        """

    def cells(self, height: int, width: int) -> tuple[int, int]:
        """Return (h, w) of the tokens of a temporal patch of resized frames."""

    def prompt_times(self, source_index: IntArray, fps: float) -> FloatArray:
        """Return the seconds [T] that the prompt text states, one per temporal patch."""


@dataclass(frozen=True, kw_only=True)
class Marks:
    """The special tokens around visual tokens, as text."""

    item: str
    """The text that the chat template writes for a video."""
    start: str
    pad: str
    """The token that stands for one visual token."""
    end: str
    sound: str = ""
    """The token that stands for one token of sound, where a model hears videos."""
    sound_start: str = ""
    sound_end: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoLayout:
    """One video of a prompt: R runs of placeholders that hold its K kept tokens."""

    text: str
    """The text that replaces the chat template's placeholder; it has one placeholder a run."""
    runs: tuple[str, ...] = ()
    """Tokens of the text that are runs as well, beside the placeholder: those of sound."""
    counts: Tensor
    """[R] int64: tokens kept in each run, maybe 0."""
    advance: int | Tensor
    """The positions that a run takes up, whatever was kept of it: of every run, or [R] of each."""
    offsets: Tensor
    """[3, K] int64: position ids (t, h, w) relative to the start of the token's run. They and
    `advance` are float32 in a family whose ids may be fractions."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PromptFormat:
    """The form that a video has inside the prompt of a family's language model."""

    processor: str
    """The family's processor class in transformers, written `module:name`."""
    timestamps: bool
    """Whether the prompt says the time of every temporal patch."""
    marks: Callable[[Any], Marks]
    """The function that reads the marks of a tokenizer."""
    image_item: str
    """The text that the chat template writes for an image, if the tokenizer names none."""
    layout: Callable[[PrunedVideo, Sequence[float], Marks], VideoLayout]
    """The function that lays out a video, given the times of its temporal patches in seconds."""
    sounding: Callable[[PrunedVideo, Sequence[float], Marks, int], VideoLayout] | None = None
    """The function that lays out a video with its sound, given the number of spectra of that, for
    models that hear videos."""
    encoder_output: Callable[[Sequence[PrunedVideo], torch.device], Any]
    """The function that makes what the vision encoder of transformers would return."""
    frame_times: Callable[[PrunedVideo], Tensor] | None = None
    """The function that returns the times [F] of all frames in seconds, of a family whose prompts
    say these: `layout` is then given them, and not those of temporal patches."""
    modality: str = "video"
    """The key of `mm_encoder_outputs` under which the model looks for the tokens."""
    axes: int = 3
    """The number of axes of position ids: (t, h, w), or 1 for plain ones."""
    begins: bool = False
    """Whether a prompt begins with the tokenizer's first token, whatever the template says."""
    recurrent: bool = False
    """Whether layers of the language model read tokens one after the other, whatever a mask says,
    so that a row of a batch holds one prompt."""
    template: str | None = None
    """The chat template that the processor uses where there are videos, whatever the checkpoint
    has, written `module:name`. It reads contents as lists of items only."""
    seen_whole: tuple[str, ...] = ()
    """Tokens that attend to each other in both directions: the model must be given them."""
