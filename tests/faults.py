"""Faults on purpose, for files whose names begin with a fault's, and conditions that are rare."""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from evscli.encoders import encoder, load
from evscli.errors import VideoError
from evscli.job import Pruning
from evscli.job.loading import make_pruner
from evscli.models.contract import Tower
from evscli.pipeline import PlannedVideo, VideoPruner
from evscli.pipeline.frames import Frames
from evscli.records import PrunedVideo, VideoTokens
from evscli.store import StoreWriter
from evscli.video_errors import video_errors
from tests import faulty_decoder

ILLEGAL_ACCESS = "CUDA error: an illegal memory access was encountered\nFor debugging consider"

PRUNE_PLANNED = VideoPruner.prune_planned


def install() -> None:
    """Have decoders that are forks of this process, and pruning, behave as told by names."""
    faulty_decoder.install()
    VideoPruner.prune_planned = _prune


def make_faulty(job: Pruning, device: str) -> VideoPruner:
    """Make what prunes in a process of its own, where all of this is to happen."""
    install()
    small_shards()
    faulty_decoder.install_anywhere()
    return make_pruner(job, device)


def _prune(
    self: VideoPruner,
    planned: PlannedVideo,
    which: Iterable[int],
    *,
    frames: Frames,
    tokens: VideoTokens | None = None,
) -> Iterator[tuple[int, PrunedVideo | VideoError]]:
    if planned.video.path.name.startswith("fatal"):
        os.kill(os.getpid(), signal.SIGKILL)
    if planned.video.path.name.startswith("lost"):
        with video_errors("encode", planned.video):
            raise torch.AcceleratorError(ILLEGAL_ACCESS)
    return PRUNE_PLANNED(self, planned, which, frames=frames, tokens=tokens)


def little_memory() -> None:
    """Have towers take one temporal patch at a time at most."""
    encode = encoder.encode_frames

    def encode_few(tower: Tower, patches: Tensor) -> tuple[Tensor, Tensor | None]:
        if len(patches) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return encode(tower, patches)

    encoder.encode_frames = encode_few  # type: ignore[attr-defined]


def no_memory() -> None:
    """Have weights not fit the device."""

    def fail(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    load.build_vision = fail  # type: ignore[attr-defined]


def small_shards() -> None:
    """Have shards closed at four videos, so that a short run closes many."""
    defaults = StoreWriter.__init__.__kwdefaults__
    assert defaults is not None
    defaults["shard_videos"] = 4


def obey_permissions() -> None:
    """Have root refused what others are refused: it gives up two of its capabilities."""
    header = struct.pack("Ii", 0x20080522, 0)  # version 3, this process
    data = ctypes.create_string_buffer(24)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.capget(header, data) == 0
    effective, *rest = struct.unpack("6I", data.raw)
    without = effective & ~0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert libc.capset(header, struct.pack("6I", without, *rest)) == 0
