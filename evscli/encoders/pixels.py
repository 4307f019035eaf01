"""Pruning before a vision tower: only the windows kept are embedded.

The resized frames of a video wait in memory or in a file until windows are chosen by them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from evscli.encoders.chunks import ChunkLength
from evscli.models.contract import PixelFormat, Tower
from evscli.models.parts.packing import Packing
from evscli.scratch import allocate


class HeldPixels:
    """The resized frames of a whole video, of which nothing is embedded yet; maybe on disk."""

    def __init__(self, tower: Tower, form: PixelFormat, frames: int, length: ChunkLength) -> None:
        self.tower, self.form, self.frames, self.length = tower, form, frames, length
        self.held: Tensor | None = None
        self.count = 0

    @property
    def pixels(self) -> Tensor:
        """[F, 3, H, W] the frames, in the dtype that the resize gives."""
        assert self.held is not None, "a plan has frames"
        return self.held

    @property
    def done(self) -> int:
        """The number of temporal patches of which all frames are here."""
        return -(-self.count // self.form.temporal_patch_size)

    def add(self, pixels: Tensor) -> None:
        """Take the next resized frames [f, 3, H, W]."""
        if self.held is None:
            self.held = allocate((self.frames, *pixels.shape[1:]), pixels.dtype)
        self.held[self.count : self.count + len(pixels)] = pixels
        self.count += len(pixels)

    def packed(self, part: slice, packing: Packing) -> dict[int, Tensor]:
        """Return the rows [K, C] of a packing of some temporal patches, embedded where it is.

        They stand for the output of a block before the first. Patches of which nothing is kept are
        not even normalised.
        """
        device = packing.rows.device
        order = packing.here.argsort()
        rows = packing.here[order]
        present, patch = torch.unique(rows // packing.size, return_inverse=True)
        rows = patch * packing.size + rows % packing.size
        step = self.length.frames(self.tower.size) // self.form.temporal_patch_size
        embedded = []
        for start in range(0, len(present), step):
            some = present[start : start + step]
            low, high = torch.searchsorted(patch, torch.tensor([start, start + step])).tolist()
            images = self.form.patchify(self._frames_of(part.start + some).to(device))
            own = (rows[low:high] - start * packing.size).to(device)
            embedded.append(self.tower.embed_rows(images, own))
        states = torch.cat(embedded)
        return {-1: torch.empty_like(states).index_copy_(0, order.to(device), states)}

    def _frames_of(self, patches: Tensor) -> Tensor:
        """Return the frames [n * t, 3, H, W] of temporal patches [n], the video's last repeated."""
        size = self.form.temporal_patch_size
        frames = patches[:, None] * size + torch.arange(size)
        return self.pixels[frames.flatten().clamp(max=self.frames - 1)]
