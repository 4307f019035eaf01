"""The length of chunks, which is halved where a device has too little memory for one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from evscli.device_errors import free_tensors, lacks_memory, release_memory

T = TypeVar("T")


@dataclass(kw_only=True)
class ChunkLength:
    """The number of frames that go through a tower at once; a smaller one stays for all videos."""

    asked: int
    least: int
    """The number of frames of a temporal patch."""
    frames: int = field(init=False)
    """The number of frames now, a multiple of `least`."""

    def __post_init__(self) -> None:
        self.frames = self.asked

    def run(self, step: Callable[[int], T], left: int) -> T:
        """Return what `step` returns for the number of frames, halved as long as memory lacks.

        There are `left` frames, so that a larger number is not tried. Raises the error of `step`
        where that is another one, or there is nothing left to halve.
        """
        frames = min(self.frames, -(-left // self.least) * self.least)
        while True:
            try:
                return step(frames)
            except Exception as error:
                if not lacks_memory(error) or frames <= self.least:
                    raise
                free_tensors(error)
            # Behind the handler, which keeps the error and so the tensors of this very call.
            release_memory()
            self.frames = frames = max(frames // 2 // self.least, 1) * self.least

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes on videos that are encoded with fewer frames at once than was asked for."""
        if self.frames == self.asked:
            return ()
        return (
            f"Memory sufficed for {self.frames} frames at a time, not for {self.asked} "
            "(--chunk-frames), so that values may differ in their last bits.",
        )
