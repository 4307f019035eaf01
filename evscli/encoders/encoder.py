"""Encodes the planned frames of a video, chunk by chunk, with one checkpoint's vision tower.

Chunks bound memory: only one is on the device while the last one's tokens travel back. Knows
neither where frames come from nor what happens to the tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any, TypeVar

import torch
from torch import Tensor

from evscli.encoders.arithmetic import computing
from evscli.encoders.chunks import ChunkLength
from evscli.encoders.early import Begun, Prefix, finish
from evscli.encoders.pixels import HeldPixels
from evscli.encoders.room import Room
from evscli.encoders.together import one_after_another, spread
from evscli.encoders.tower import encode_frames
from evscli.encoders.transfers import Transfers, transfers_of
from evscli.errors import UsageError, VideoError
from evscli.models.contract import PixelFormat, Resize, SamplingRules, Tower, VisionShape
from evscli.models.parts.pixels import rechunk
from evscli.records import FrameChunk, FramePlan, ModelInfo, VideoTokens, WindowChoice, WindowTokens

T = TypeVar("T")

GRIDS = 4
"""The number of grids whose positions are kept on the device."""


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoEncoder:
    """One checkpoint's vision side, ready to encode videos."""

    info: ModelInfo
    rules: SamplingRules
    """The choice of frames and of their size."""
    settings: Mapping[str, Any]
    """JSON values that change the tokens, for a store's fingerprint."""
    form: PixelFormat
    for_grid: Callable[[tuple[int, int]], Tower]
    """Prepares the tower for a grid of (H, W) patches."""
    shape: VisionShape
    device: torch.device
    dtype: torch.dtype
    """The dtype of weights and arithmetic."""
    chunk_frames: int
    """Frames decoded at a time, and in one call of the tower where memory suffices and nothing else
    bounds it; a multiple of the temporal patch."""
    chunk_patches: int | None = None
    """Patches in one call of the tower, where they bound it: at least one temporal patch."""
    suffix: Tensor | None = None
    """[n, D] tokens behind those of all cells of a video, on the CPU, of a model with such."""
    resize_on_device: bool
    """Whether frames are resized on the device, which is faster there and approximate."""

    @cached_property
    def length(self) -> ChunkLength:
        """The number of frames in one call, which falls where memory lacks."""
        return ChunkLength(
            asked=self.chunk_patches or self.chunk_frames,
            least=self.form.temporal_patch_size,
            in_patches=self.chunk_patches is not None,
        )

    @cached_property
    def transfers(self) -> Transfers:
        """The copies to and from the device."""
        return transfers_of(self.device)

    @cached_property
    def _towers(self) -> Callable[[tuple[int, int]], Tower]:
        """The function `for_grid` that has the last grids at hand: most videos share one."""
        return lru_cache(GRIDS)(self.for_grid)

    @property
    def token_dtype(self) -> torch.dtype:
        """The dtype of the embeddings, which are rounded to it where the arithmetic is wider."""
        dtype: torch.dtype = getattr(torch, self.info.dtype)
        return dtype

    @property
    def host_resize(self) -> Resize | None:
        """The resize of frames on the CPU, for whoever decodes them; None: `resize` needs them."""
        return None if self.resize_on_device else self.form.resize

    def resize(self, chunk: FrameChunk, plan: FramePlan) -> FrameChunk:
        """Return the chunk's uint8 frames at the plan's resized size.

        On the CPU they are equal to the processor's own resize. With `resize_on_device` they are
        approximate and stay on the device.
        """
        if self.resize_on_device:
            on_device = self.transfers.upload(chunk.pixels)
            pixels = self.form.resize_on_device(on_device, plan.resized_size)
        else:
            pixels = self.form.resize(chunk.pixels, plan.resized_size)
        return FrameChunk(start=chunk.start, pixels=pixels)

    def encode(
        self, chunks: Iterable[FrameChunk], plan: FramePlan, *, stay: bool = False
    ) -> VideoTokens:
        """Encode resized frames, given in consecutive chunks of any length.

        Returns the tokens on the CPU, file-backed where they are large; those that may `stay` do so
        on a GPU of which they take a small part. Raises VideoError where the chunks hold fewer
        frames than the plan, and OSError where the scratch disk is full.
        """
        (tokens,) = self._rooms([plan.grid_thw], stay=stay)
        self.check_complete(self._fill([tokens], chunks, plan), plan)
        return tokens

    def encode_together(
        self, videos: Sequence[tuple[Sequence[FrameChunk], FramePlan]], *, stay: bool = False
    ) -> list[VideoTokens]:
        """Encode the resized frames of several videos of one resized size as if of one video.

        Each is padded to whole temporal patches as it would be alone, and must be complete. Returns
        the tokens of each, as `encode` does, which may differ from those in their last bits.
        """
        plans = [plan for _, plan in videos]
        tokens = self._rooms([plan.grid_thw for plan in plans], stay=stay)
        chunks = one_after_another([own for own, _ in videos], self.form.temporal_patch_size)
        self._fill(tokens, chunks, plans[0])
        return tokens

    def patches(self, plan: FramePlan) -> int:
        """Return the number of patches of a video that run through the tower."""
        return plan.grid_thw[0] * self._tower(plan).size

    def _fill(
        self, tokens: Sequence[VideoTokens], chunks: Iterable[FrameChunk], plan: FramePlan
    ) -> int:
        """Write the tokens of all chunks; return the number of their temporal patches."""
        results: Iterable[Sequence[Tensor]] = self._encoded(chunks, plan)
        stays = any(own.embeds.device.type != "cpu" for own in tokens)
        return spread(results if stays else self.transfers.landed(results), tokens)

    def check_block(self, after: int) -> None:
        """Raise UsageError where the tower has no block `after`, or none behind it."""
        last = self.shape.depth - 1
        if not 0 <= after < last:
            raise UsageError(
                f"the vision tower of {self.info.name} has blocks 0 to {last}, so tokens can be "
                f"pruned after 0 to {last - 1}, not after {after}: give such a number with "
                "--prune-at"
            )

    def begin(
        self, chunks: Iterable[FrameChunk], plan: FramePlan, *, after: int, stay: bool = False
    ) -> Prefix:
        """Run resized frames through the blocks up to and with `after`.

        Hidden states that may `stay` do so on a GPU of which they take a small part. Raises
        UsageError as `check_block` does, VideoError where the chunks hold fewer frames than the
        plan, and OSError where the scratch disk is full.
        """
        self.check_block(after)
        tower = self._tower(plan)
        room = Room(device=self.device, stay=stay)
        prefix = Prefix(tower, after, plan.grid_thw[0], room)
        for _ in self._by_chunk(chunks, tower, prefix.add):
            pass
        self.check_complete(prefix.done, plan)
        return prefix

    def hold(self, chunks: Iterable[FrameChunk], plan: FramePlan) -> HeldPixels:
        """Take resized frames, of which nothing is embedded yet. Raises as `begin` does."""
        tower = self._tower(plan)
        held = HeldPixels(tower, self.form, len(plan.source_index), self.length)
        for pixels in rechunk(chunks, self.length.most(tower.size)):
            held.add(pixels)
        self.check_complete(held.done, plan)
        return held

    def finish(self, begun: Begun, choice: WindowChoice) -> WindowTokens:
        """Run the windows chosen through the blocks that are left."""
        patch = self.form.temporal_patch_size

        def run(frames: int) -> WindowTokens:
            patches = frames // patch * begun.tower.size
            with computing():
                tokens = finish(begun, choice, patches=patches, device=self.device)
                embeds, planes = self._rounded(tokens.embeds, tokens.planes)
            return WindowTokens(embeds=embeds, planes=planes)

        return self.length.run(run, len(choice.kept.mask) * patch, begun.tower.size)

    def _tower(self, plan: FramePlan) -> Tower:
        patch = self.form.patch_size
        height, width = plan.resized_size
        with computing():
            return self._towers((height // patch, width // patch))

    def _by_chunk(
        self, chunks: Iterable[FrameChunk], tower: Tower, step: Callable[[Tensor], T]
    ) -> Iterator[T]:
        """Yield what `step` makes of the patches [t, S, P] of each chunk, on the device."""
        for rest in rechunk(chunks, self.length.most(tower.size)):
            while len(rest):
                run = partial(self._step, step, rest)
                frames, made = self.length.run(run, len(rest), tower.size)
                rest = rest[frames:]
                yield made

    def _step(self, step: Callable[[Tensor], T], pixels: Tensor, frames: int) -> tuple[int, T]:
        """Return what `step` makes of at most `frames` of the frames, and their number."""
        some = pixels[:frames]
        # Not around a loop: neither the decoder behind the chunks nor the caller between two
        # results should run in inference mode.
        with computing():
            return len(some), step(self.form.patchify(self.transfers.upload(some)))

    def check_complete(self, done: int, plan: FramePlan) -> None:
        """Raise VideoError where there are frames for another number of temporal patches."""
        if done != plan.grid_thw[0]:
            raise VideoError(
                f"the video gave frames for {done} of {plan.grid_thw[0]} temporal patches; check "
                "that the file is complete",
                stage="decode",
            )

    def _encoded(self, chunks: Iterable[FrameChunk], plan: FramePlan) -> Iterator[list[Tensor]]:
        """Yield the embeds and any planes of one chunk after the other, on the device."""
        tower = self._tower(plan)

        def run(patches: Tensor) -> list[Tensor]:
            tokens = self._rounded(*encode_frames(tower, patches))
            return [one for one in tokens if one is not None]

        yield from self._by_chunk(chunks, tower, run)

    def _rounded(self, embeds: Tensor, planes: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return tokens in the dtype that they are kept in: methods see what a store will hold."""
        dtype = self.token_dtype
        return embeds.to(dtype), None if planes is None else planes.to(dtype)

    def _rooms(
        self, grids: Sequence[tuple[int, int, int]], *, stay: bool = False
    ) -> list[VideoTokens]:
        """Allocate tokens of videos: all on the device, where they may stay, or all on the CPU."""
        planes = self.info.deepstack_planes
        shapes: list[tuple[int, ...]] = []
        for grid in grids:
            shape = (*grid, self.info.embed_dim)
            shapes += [shape, (planes, *shape)] if planes else [shape]
        place = Room(device=self.device, stay=stay).place(shapes, self.token_dtype)
        made = iter(place.tensors)
        return [
            VideoTokens(
                embeds=next(made), deepstack=next(made) if planes else None, notes=place.notes
            )
            for _ in grids
        ]
