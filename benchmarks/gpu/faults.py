"""Faults on purpose, in videos whose names say which: real ones on a GPU, their like on a CPU."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch

from evscli.errors import VideoError
from evscli.pipeline import PlannedVideo, VideoPruner
from evscli.pipeline.frames import Frames
from evscli.records import PrunedVideo, VideoTokens
from evscli.video_errors import video_errors

PRUNE = VideoPruner.prune_planned
TOO_MUCH = 1 << 50


def install() -> None:
    """Have pruning fail on videos with these names."""
    VideoPruner.prune_planned = _prune  # type: ignore[method-assign]


def _prune(
    self: VideoPruner,
    planned: PlannedVideo,
    which: Iterable[int] | None = None,
    *,
    frames: Frames | None = None,
    tokens: VideoTokens | None = None,
) -> Iterator[tuple[int, PrunedVideo | VideoError]]:
    name, device = planned.video.path.stem, self.encoder.device
    with video_errors("encode", planned.video):
        if name.endswith("-memory"):
            torch.empty(TOO_MUCH, dtype=torch.uint8, device=device)
        if name.endswith("-broken"):
            break_device(device)
    return PRUNE(self, planned, which, frames=frames, tokens=tokens)


def break_device(device: torch.device) -> None:
    """Read beyond the end of a tensor, which ends the use of a GPU by this process."""
    if device.type == "cpu":
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")
    torch.zeros(2, device=device)[torch.tensor([5], device=device)].cpu()
