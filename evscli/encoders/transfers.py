"""Copies between this machine and a device, beside the computation where the device can.

Uploads have a stream of their own and downloads another, so that a GPU computes one chunk while the
next one comes and the last one's tokens leave. Page-locked buffers, which such copies need, are
used in turn: two for each direction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from math import prod
from typing import Any, Protocol

import torch
from torch import Tensor


class Transfers(Protocol):
    """The copies of one encoder, by one thread at a time."""

    def upload(self, pixels: Tensor) -> Tensor:
        """Return the pixels on the device, for whatever the current stream computes next."""

    def landed(self, results: Iterable[Sequence[Tensor]]) -> Iterator[Sequence[Tensor]]:
        """Bring results to the CPU in order; each is valid until the next step."""


@dataclass(frozen=True)
class PlainTransfers:
    """Copies one after the other, and none on a CPU."""

    device: torch.device

    def upload(self, pixels: Tensor) -> Tensor:
        """Return the pixels on the device."""
        return pixels.to(self.device, non_blocking=True)

    def landed(self, results: Iterable[Sequence[Tensor]]) -> Iterator[Sequence[Tensor]]:
        """Bring results to the CPU in order."""
        for result in results:
            yield [tensor.cpu() for tensor in result]


@dataclass(eq=False)
class Slot:
    """Page-locked buffers of one copy."""

    event: Any
    """The end of the copy."""
    behind: Any
    """The end of what was to be computed when the copy was asked for."""
    locked: bool
    buffers: dict[int, Tensor] = field(default_factory=dict)

    def room(self, number: int, like: Tensor) -> Tensor:
        """Return the buffer of a number in the shape and dtype of a tensor; it only grows."""
        size = prod(like.shape) * like.element_size()
        held = self.buffers.get(number)
        if held is None or len(held) < size:
            held = torch.empty(size, dtype=torch.uint8, pin_memory=self.locked)
            self.buffers[number] = held
        return held[:size].view(like.dtype).view(like.shape)


class Lane:
    """A stream for one direction, with slots that are used in turn."""

    def __init__(self, gpu: Any, device: torch.device, *, locked: bool) -> None:
        self.stream = gpu.Stream(device)
        event = partial(gpu.Event, blocking=True)
        self._slots = cycle([Slot(event(), event(), locked) for _ in range(2)])

    def slot(self) -> Slot:
        """Return the next slot once its last copy has ended, and what came before that.

        Else this process would upload all of a video while the device computes its first chunk.
        """
        slot = next(self._slots)
        slot.event.synchronize()
        slot.behind.synchronize()
        return slot


class StreamTransfers:
    """Copies on two streams of a GPU, which the host waits for only where it needs their data."""

    def __init__(self, device: torch.device, gpu: Any = torch.cuda, *, locked: bool = True) -> None:
        """Set the device; `gpu` is the module of its streams, and buffers may be page-locked."""
        self._device, self._gpu = device, gpu
        self._up, self._down = (Lane(gpu, device, locked=locked) for _ in range(2))

    def upload(self, pixels: Tensor) -> Tensor:
        """Return the pixels on the device, for whatever the current stream computes next."""
        if pixels.is_cuda:
            return pixels
        current = self._gpu.current_stream(self._device)
        slot, stream = self._up.slot(), self._up.stream
        slot.behind.record(current)
        host = slot.room(0, pixels).copy_(pixels)
        with self._gpu.stream(stream):
            there = host.to(self._device, non_blocking=True)
            slot.event.record(stream)
        current.wait_event(slot.event)
        _used_on(current, there)
        return there

    def landed(self, results: Iterable[Sequence[Tensor]]) -> Iterator[Sequence[Tensor]]:
        """Bring results to the CPU in order, each while the next one is computed."""
        waiting: tuple[Slot, list[Tensor]] | None = None
        for result in results:
            coming = self._start(result)
            if waiting is not None:
                yield _finished(*waiting)
            waiting = coming
        if waiting is not None:
            yield _finished(*waiting)

    def _start(self, result: Sequence[Tensor]) -> tuple[Slot, list[Tensor]]:
        """Start the copies of a result behind what the current stream computes by now."""
        slot, stream = self._down.slot(), self._down.stream
        stream.wait_stream(self._gpu.current_stream(self._device))
        copies = []
        with self._gpu.stream(stream):
            for number, tensor in enumerate(result):
                copies.append(slot.room(number, tensor).copy_(tensor, non_blocking=True))
                _used_on(stream, tensor)
            slot.event.record(stream)
        return slot, copies


def transfers_of(device: torch.device) -> Transfers:
    """Return the copies that suit a device."""
    return StreamTransfers(device) if device.type == "cuda" else PlainTransfers(device)


def _finished(slot: Slot, copies: list[Tensor]) -> list[Tensor]:
    slot.event.synchronize()
    return copies


def _used_on(stream: Any, tensor: Tensor) -> None:
    """Keep a tensor's memory from being given away before a stream that did not make it is done."""
    if tensor.is_cuda:
        tensor.record_stream(stream)
