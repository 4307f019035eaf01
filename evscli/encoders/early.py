"""Pruning inside a vision tower: only the windows kept go through all of its blocks.

Every frame runs through the first blocks, or through none; then somebody chooses windows of the
whole video by their hidden states, or by their pixels; then what was kept runs through the rest,
packed. Which windows, is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from evscli.encoders.room import HERE, Room
from evscli.encoders.tower import lies_by_window, patches_of, run_from, run_packed, windows_of
from evscli.models.contract import Tower
from evscli.models.parts.packing import Packing, pack, refilled
from evscli.records import VideoWindows, WindowChoice, WindowTokens


class Begun(Protocol):
    """A video that is to run through the rest of a tower, once windows of it are chosen."""

    tower: Tower

    def packed(self, part: slice, packing: Packing) -> dict[int, Tensor]:
        """Return states [K, C] of some frames where their packing is, by the block that made them.

        The states of the last block go on, and those of others are read again.
        """


class Prefix:
    """Outputs of the first blocks for a whole video, those that are read again; maybe on disk."""

    def __init__(self, tower: Tower, after: int, frames: int, room: Room = HERE) -> None:
        self.tower, self.after, self.frames, self.room = tower, after, frames, room
        self.numbers = sorted({after, *(n for n in tower.read_after if n < after)})
        self.states: dict[int, Tensor] = {}
        self._grouped: Tensor | None = None
        self._windows: Tensor | None = None
        self.notes: tuple[str, ...] = ()
        self.done = 0

    @property
    def device(self) -> torch.device:
        """The device that the states are on."""
        return self.states[self.after].device

    def windows(self) -> VideoWindows:
        """Return the windows after the last of the first blocks."""
        if self._windows is None:
            with torch.inference_mode():  # as their room was made
                self._windows = windows_of(self.tower, self.states[self.after], self._grouped)
        return VideoWindows(states=self._windows)

    def add(self, patches: Tensor) -> None:
        """Run the first blocks on the next patches [t, S, P]."""
        embedded = self.tower.embed(patches)
        read, last = run_from(self.tower, embedded, start=0, stop=self.after + 1)
        read[self.after] = last
        if not self.states:
            self._place(last)
        stop = self.done + len(patches)
        for number in self.numbers:
            self.states[number][self.done : stop] = read[number]
        self.done = stop

    def _place(self, like: Tensor) -> None:
        """Allocate the states of the whole video, all in one place."""
        shapes = [(self.frames, *like.shape[1:]) for _ in self.numbers]
        if not lies_by_window(self.tower):
            shapes.append((self.frames, self.tower.window_patches.numel(), like.shape[2]))
        place = self.room.place(shapes, like.dtype)
        self.states = dict(zip(self.numbers, place.tensors, strict=False))
        self._grouped = place.tensors[-1] if len(shapes) > len(self.numbers) else None
        self.notes = place.notes

    def packed(self, part: slice, packing: Packing) -> dict[int, Tensor]:
        """Return the outputs [K, C] of the first blocks that are read again."""
        return {number: packing.take(state[part]) for number, state in self.states.items()}


def finish(
    begun: Begun, choice: WindowChoice, *, patches: int, device: torch.device
) -> WindowTokens:
    """Run the rest of the tower on the windows chosen.

    About `patches` patches are on the device and go through a block at once; where a bias asks for
    one more whole block, or nothing is removed before the end, those dropped count too.
    """
    tower, keep = begun.tower, choice.kept.mask.cpu()
    context = patches_of(tower, keep)
    context = refilled(context) if choice.refill else context
    whole = choice.bias is not None or not choice.inside
    passing = torch.ones_like(context) if whole else context
    embeds: list[Tensor] = []
    planes: list[Tensor] = []
    for start, stop in spans(passing.sum(dim=1).tolist(), patches):
        part = slice(start, stop)
        if not keep[part].any():
            continue
        if whole:
            assert isinstance(begun, Prefix), "blocks have run, since their output made the choice"
            bias = None if choice.bias is None else choice.bias[part].to(device)
            rest = _finish_biased if choice.inside else _finish_whole
            some, some_planes = rest(begun, part, keep[part], context[part], bias, device)
        else:
            some, some_planes = _finish_part(begun, part, keep[part], context[part], device)
        embeds.append(some.cpu())
        if some_planes is not None:
            planes.append(some_planes.cpu())
    return WindowTokens(
        embeds=torch.cat(embeds),
        planes=torch.cat(planes, dim=1) if planes else None,
    )


def spans(counts: list[int], most: int) -> Iterator[tuple[int, int]]:
    """Yield runs of frames with at most `most` patches together, or of one frame."""
    start, total = 0, 0
    for frame, count in enumerate(counts):
        if frame > start and total + count > most:
            yield start, frame
            start, total = frame, 0
        total += count
    yield start, len(counts)


def _finish_part(
    begun: Begun, part: slice, keep: Tensor, context: Tensor, device: torch.device
) -> tuple[Tensor, Tensor | None]:
    """Return embeds [n, D] and planes [L, n, D] of some frames, by the rest of the tower."""
    packing = pack(context).to(device)
    return run_packed(begun.tower, begun.packed(part, packing), packing, keep)


def _finish_biased(
    prefix: Prefix,
    part: slice,
    keep: Tensor,
    context: Tensor,
    bias: Tensor | None,
    device: torch.device,
) -> tuple[Tensor, Tensor | None]:
    """Do what `_finish_part` does, after one more block of all patches with a bias."""
    assert bias is not None, "without one nothing asks for the block"
    tower, number = prefix.tower, prefix.after + 1
    packing = pack(context).to(device)
    packed = prefix.packed(part, packing)
    whole = prefix.states[prefix.after][part].to(device)
    packed[number] = packing.take(tower.block(number, whole, patches_of(tower, bias)))
    return run_packed(tower, packed, packing, keep)


def _finish_whole(
    prefix: Prefix,
    part: slice,
    keep: Tensor,
    _: Tensor,
    bias: Tensor | None,
    device: torch.device,
) -> tuple[Tensor, Tensor | None]:
    """Return embeds [n, D] and planes [L, n, D] of some frames, all of whose patches run on."""
    tower = prefix.tower
    read = {n: state[part].to(device) for n, state in prefix.states.items()}
    hidden = read[prefix.after]
    keys = None if bias is None else patches_of(tower, bias)
    for block in range(prefix.after + 1, tower.depth):
        hidden = tower.block(block, hidden, keys)
        if block in tower.read_after:
            read[block] = hidden
    embeds, planes = tower.tokens({n: read[n] for n in tower.read_after})
    kept = keep.to(device)
    return embeds[kept], None if planes is None else planes[:, kept]
