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
    """The most frames, a multiple of `least`; the most patches where it is `in_patches`."""
    least: int
    """The number of frames of a temporal patch."""
    in_patches: bool = False
    now: int = field(init=False)
    """The same, or less where memory lacked."""

    def __post_init__(self) -> None:
        self.now = self.asked

    def most(self, size: int) -> int:
        """Return the frames asked for, of a video with `size` patches in a temporal patch."""
        return self._frames(self.asked, size)

    def frames(self, size: int) -> int:
        """Return the frames now, of a video with `size` patches in a temporal patch."""
        return self._frames(self.now, size)

    def _frames(self, room: int, size: int) -> int:
        return max(room // size, 1) * self.least if self.in_patches else room

    def run(self, step: Callable[[int], T], left: int, size: int) -> T:
        """Return what `step` returns for the number of frames, halved as long as memory lacks.

        There are `left` frames with `size` patches in a temporal patch, so that a larger number is
        not tried. Raises the error of `step` where that is another one, or there is nothing left to
        halve.
        """
        frames = min(self.frames(size), -(-left // self.least) * self.least)
        while True:
            try:
                return step(frames)
            except Exception as error:
                if not lacks_memory(error) or frames <= self.least:
                    raise
                free_tensors(error)
            # Behind the handler, which keeps the error and so the tensors of this very call.
            release_memory()
            patches = max(frames // 2 // self.least, 1)
            frames = patches * self.least
            self.now = patches * size if self.in_patches else frames

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes on videos of which less is encoded at once than was asked for."""
        if self.now == self.asked:
            return ()
        unit = "patches" if self.in_patches else "frames"
        return (
            f"Memory sufficed for {self.now} {unit} at a time, not for {self.asked} "
            f"(--chunk-{unit}), so that values may differ in their last bits.",
        )
