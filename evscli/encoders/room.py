"""The place of a video's tensors between two steps: a device with room for them, or this machine.

What stays on a device is chosen from there, and only what is kept travels back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from evscli.device_errors import lacks_memory, release_memory
from evscli.encoders.device import token_room
from evscli.scratch import allocate

CHOSEN_HERE = (
    "The device lacked memory to choose tokens, so that the CPU did; of those with about equal "
    "scores it may keep others."
)
"""The note on a video that is not done as one of its size is."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Place:
    """Empty tensors of one video."""

    tensors: Sequence[Tensor]
    notes: tuple[str, ...] = ()
    """The notes on their place for a person."""


@dataclass(frozen=True, kw_only=True)
class Room:
    """The room for tensors of a video: on this machine, or on a device of which they take little.

    On the CPU they are backed by a file where they are large.
    """

    device: torch.device
    stay: bool
    """Whether they may stay on the device."""

    def place(self, shapes: Sequence[tuple[int, ...]], dtype: torch.dtype) -> Place:
        """Allocate tensors of all shapes in one place. Raises OSError where a disk is full."""
        size = sum(map(prod, shapes)) * dtype.itemsize
        if not self.stay or size > token_room(self.device):
            return Place(tensors=[allocate(shape, dtype) for shape in shapes])
        try:
            return Place(
                tensors=[torch.empty(shape, dtype=dtype, device=self.device) for shape in shapes]
            )
        except Exception as error:
            if not lacks_memory(error):
                raise
        release_memory()
        here = [allocate(shape, dtype) for shape in shapes]
        return Place(tensors=here, notes=(CHOSEN_HERE,))


HERE = Room(device=torch.device("cpu"), stay=False)
"""The room on this machine."""
