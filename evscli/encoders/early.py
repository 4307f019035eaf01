"""Pruning inside a vision tower: only the windows kept go through all of its blocks.

Every frame runs through the first blocks; then somebody chooses windows of the whole video by their
hidden states; then what was kept runs through the rest, packed. Which windows, is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from evscli.encoders.packing import alone, pack
from evscli.encoders.tower import Tower, finish_packed, patches_of, run_from, windows_of
from evscli.records import VideoWindows, WindowChoice, WindowTokens
from evscli.scratch import allocate


class Prefix:
    """Outputs of the first blocks for a whole video, those that are read again; maybe on disk."""

    def __init__(self, tower: Tower, after: int, frames: int, *, scratch: Path | None) -> None:
        self.tower, self.after, self.frames, self.scratch = tower, after, frames, scratch
        self.numbers = sorted({after, *(n for n in tower.read_after if n < after)})
        self.states: dict[int, Tensor] = {}
        self.done = 0

    @property
    def patches(self) -> int:
        """Patches of a frame."""
        return self.states[self.after].shape[1]

    def windows(self) -> VideoWindows:
        """The windows after the last of the first blocks."""
        states = self.states[self.after]
        return VideoWindows(states=windows_of(self.tower, states, scratch=self.scratch))

    def add(self, patches: Tensor) -> None:
        """Run the first blocks on the next patches [t, S, P]."""
        embedded = self.tower.embed(patches)
        read, last = run_from(self.tower, embedded, start=0, stop=self.after + 1)
        read[self.after] = last
        stop = self.done + len(patches)
        for number in self.numbers:
            if number not in self.states:
                shape = (self.frames, *last.shape[1:])
                self.states[number] = allocate(shape, last.dtype, folder=self.scratch)
            self.states[number][self.done : stop] = read[number]
        self.done = stop


def finish(
    prefix: Prefix, choice: WindowChoice, *, patches: int, device: torch.device
) -> WindowTokens:
    """Run the rest of the tower on the windows chosen.

    About `patches` patches go through a block at once.
    """
    tower, keep = prefix.tower, choice.kept.mask.cpu()
    context = _context(tower, keep, refill=choice.refill)
    embeds: list[Tensor] = []
    planes: list[Tensor] = []
    for start, stop in spans(context.sum(dim=1).tolist(), patches):
        part = slice(start, stop)
        states = {n: state[part].to(device) for n, state in prefix.states.items()}
        bias = None if choice.bias is None else choice.bias[part].to(device)
        some, some_planes = _finish_part(
            prefix, states, keep[part].to(device), context[part].to(device), bias
        )
        embeds.append(some.cpu())
        if some_planes is not None:
            planes.append(some_planes.cpu())
    return WindowTokens(
        embeds=torch.cat(embeds),
        planes=torch.cat(planes, dim=1) if planes else None,
    )


def spans(counts: list[int], most: int) -> Iterator[tuple[int, int]]:
    """Runs of frames with at most `most` patches together, or of one frame."""
    start, total = 0, 0
    for frame, count in enumerate(counts):
        if frame > start and total + count > most:
            yield start, frame
            start, total = frame, 0
        total += count
    yield start, len(counts)


def _context(tower: Tower, keep: Tensor, *, refill: bool) -> Tensor:
    """[T, S] the patches that go on: those kept, and the others of frames that share no bin."""
    context = patches_of(tower, keep)
    if refill:
        context[alone(context.sum(dim=1).tolist(), context.shape[1])] = True
    return context


def _finish_part(
    prefix: Prefix,
    states: dict[int, Tensor],
    keep: Tensor,
    context: Tensor,
    bias: Tensor | None,
) -> tuple[Tensor, Tensor | None]:
    """The rest of the tower on some frames: embeds [n, D] and planes [L, n, D]."""
    tower, number = prefix.tower, prefix.after
    hidden = states[number]
    if bias is not None:
        number += 1
        hidden = tower.block(number, hidden, patches_of(tower, bias))
        states = states | {number: hidden}
    packing = pack(context)
    packed = tower.packed(packing)
    read = {n: packing.take(state) for n, state in states.items() if n in tower.read_after}
    row = packing.take(hidden)
    for block in range(number + 1, tower.depth):
        row = packed.block(block, row)
        if block in tower.read_after:
            read[block] = row
    return finish_packed(tower, read, packing, keep)


def read_prefix(
    tower: Tower, after: int, chunks: Iterable[Tensor], frames: int, *, scratch: Path | None = None
) -> Prefix:
    """Run the first blocks, up to and with `after`, on all `chunks` of patches [t, S, P]."""
    prefix = Prefix(tower, after, frames, scratch=scratch)
    for patches in chunks:
        prefix.add(patches)
    return prefix
