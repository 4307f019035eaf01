"""Frames to patches: the pixel operations of the video processors, equal to theirs.

Pure functions on tensors. The size and all constants come from the checkpoint's processor; this
module knows neither checkpoints nor models.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from evscli.errors import ModelError
from evscli.models.contract import Resize
from evscli.records import FrameChunk

LANCZOS = "lanczos"

RESAMPLE_MODES = {1: LANCZOS, 2: "bilinear", 3: "bicubic"}
"""Interpolation by the number PIL gives it."""


class Scaled:
    """The mean and the standard deviation of channels, as constants on any device."""

    mean: Tensor
    std: Tensor

    @cached_property
    def _copies(self) -> dict[torch.device, tuple[Tensor, Tensor]]:
        return {}

    def scale_on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return `mean` and `std` on a device, which is waited for the first time only."""
        if device not in self._copies:
            self._copies[device] = (self.mean.to(device), self.std.to(device))
        return self._copies[device]


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelConstants(Scaled):
    """The constants of the pixel operations that a checkpoint asks for."""

    patch_size: int
    temporal_patch_size: int = 1
    merge_size: int
    """Patches along a side of the window that becomes one token."""
    resample: str
    mean: Tensor
    """[3] float32, on the scale of uint8"""
    std: Tensor
    """[3] float32, on the scale of uint8"""


class QwenPixels(PixelConstants):
    """The pixel operations that a Qwen checkpoint asks for."""

    @property
    def resize(self) -> Resize:
        """[f, 3, H, W] uint8 on the CPU to a size, equal bit for bit to the processor's result."""
        return partial(resize_exact, mode=self.resample)

    def resize_on_device(self, pixels: Tensor, size: tuple[int, int]) -> Tensor:
        """Resize on any device, rarely one level off."""
        return resize_approximate(pixels, size, self.resample)

    def patchify(self, pixels: Tensor) -> Tensor:
        """Normalise uint8 frames [f, 3, H, W] to patches in float32 [T, S, 3 * t * p * p].

        The S patches of a temporal patch are in the order the vision towers merge them: cell by
        cell in raster order, and in raster order within a cell. An incomplete last temporal patch
        repeats its last frame. H and W must be multiples of the merged cell.
        """
        p, t, m = self.patch_size, self.temporal_patch_size, self.merge_size
        pixels = repeat_last(pixels, -len(pixels) % t)
        frames, _, height, width = pixels.shape
        cells = (height // (p * m), m, p, width // (p * m), m, p)
        split = pixels.view(frames // t, t, 3, *cells)
        # uint8 moves a quarter of the bytes that floats would, so order first and normalise after.
        ordered = split.permute(0, 3, 6, 4, 7, 2, 1, 5, 8).reshape(-1, 3, t * p * p)
        mean, std = self.scale_on(pixels.device)
        values = ordered.float().sub_(mean[:, None]).div_(std[:, None])
        return values.view(frames // t, -1, 3 * t * p * p)


def pixel_format(processor: Any, *, model: str) -> QwenPixels:
    """Take the constants from a video processor; raises ModelError for an unknown resampling."""
    mode = resample_mode(processor, model=model)
    return QwenPixels(
        patch_size=int(processor.patch_size),
        temporal_patch_size=int(processor.temporal_patch_size),
        merge_size=int(processor.merge_size),
        resample=mode,
        mean=channel_constants(processor.image_mean, processor.rescale_factor),
        std=channel_constants(processor.image_std, processor.rescale_factor),
    )


def resample_mode(processor: Any, *, model: str) -> str:
    """Return the resampling of a processor as torch names it; raises ModelError for another."""
    mode = RESAMPLE_MODES.get(int(processor.resample))
    if mode is None:
        raise ModelError(
            f"{model}: resampling {processor.resample!r} is not supported; use lanczos, "
            "bilinear or bicubic"
        )
    if mode == LANCZOS and not has_lanczos():
        raise ModelError(
            f"{model}: its processor resamples by lanczos, which torch {torch.__version__} does "
            "not have; run pip install -U torch"
        )
    return mode


@cache
def has_lanczos() -> bool:
    """Return whether the installed torch resamples by lanczos."""
    try:
        interpolate(torch.zeros(1, 1, 2, 2), (1, 1), mode=LANCZOS, antialias=True)
    except (NotImplementedError, ValueError):
        return False
    return True


def channel_constants(values: float | Sequence[float], rescale_factor: float) -> Tensor:
    """Return [3] float32 on the scale of uint8, of a value for each channel or one for all.

    Each is one constant, multiplied in this order: the processors fuse rescale and normalise.
    """
    return (torch.tensor(values) * (1.0 / rescale_factor)).expand(3)


def resize_exact(pixels: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    """Resize [f, 3, H, W] uint8 on the CPU to `size`, equal bit for bit to the processors' result.

    The interpolation runs on uint8 itself, as theirs does.
    """
    if pixels.shape[-2:] == size:
        return pixels
    return interpolate(pixels, size, mode=mode, antialias=True)


def resize_approximate(pixels: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    """Resize [f, 3, H, W] uint8 on any device to `size`; rarely off `resize_exact`.

    Where it is, then by one level, and by two at most by lanczos.

    Values are floating point, but width first and rounded between passes as the uint8 kernel does.
    """
    if pixels.shape[-2:] == size:
        return pixels
    wide = _resize_rounded(pixels.float(), (pixels.shape[-2], size[1]), mode)
    return _resize_rounded(wide, size, mode).to(torch.uint8)


def repeat_last(pixels: Tensor, times: int) -> Tensor:
    """Append the last frame `times` times: [f, ...] to [f + times, ...]."""
    if not times:
        return pixels
    return torch.cat([pixels, pixels[-1:].expand(times, *pixels.shape[1:])])


def rechunk(chunks: Iterable[FrameChunk], frames: int) -> Iterator[Tensor]:
    """Regroup consecutive frames into chunks of exactly `frames`, but for the last.

    Raises ValueError where the chunks do not follow one another from frame 0.
    """
    held: list[Tensor] = []
    count = done = 0
    for chunk in chunks:
        if chunk.start != done + count:
            raise ValueError(f"expected frame {done + count} next, got a chunk at {chunk.start}")
        held.append(chunk.pixels)
        count += len(chunk.pixels)
        while count >= frames:
            joined = torch.cat(held) if len(held) > 1 else held[0]
            yield joined[:frames]
            held = [joined[frames:]]
            count -= frames
            done += frames
    if count:
        yield torch.cat(held)


def _resize_rounded(pixels: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    if mode == LANCZOS:  # torch has it on the CPU alone
        down, across = (
            _matrix_on(pixels.device, old, new, mode)
            for old, new in zip(pixels.shape[-2:], size, strict=True)
        )
        return (down @ pixels @ across.T).round_().clamp_(0, 255)
    return interpolate(pixels, size, mode=mode, antialias=True).round_().clamp_(0, 255)


@lru_cache(maxsize=8)
def _matrix_on(device: torch.device, old: int, new: int, mode: str) -> Tensor:
    return resize_matrix(old, new, mode).to(device)


def resize_matrix(old: int, new: int, mode: str) -> Tensor:
    """Return the weights [new, old] by which a row of `old` values becomes one of `new`."""
    rows = torch.eye(old)[:, None, None]
    return interpolate(rows, (1, new), mode=mode, antialias=True)[:, 0, 0].T
