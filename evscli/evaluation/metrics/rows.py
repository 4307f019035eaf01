"""The tokens that a mask keeps and those it drops, block by block in float32."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from evscli.errors import UsageError
from evscli.records import VideoTokens

ROWS_AT_ONCE = 2048
"""The number of tokens of a block, fixed so that memory cannot move a result's last bit."""


def kept_and_dropped(tokens: VideoTokens, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return both's cells (t, h, w) in raster order: [K, 3] and [M - K, 3], on the tokens' device.

    Raises UsageError where there are no tokens or no values, and ValueError for a mask that is
    not bool or of another grid.
    """
    if tokens.embeds.numel() == 0:
        raise UsageError(
            f"there is nothing to measure in tokens of shape {tuple(tokens.embeds.shape)}: "
            "give at least one token with values"
        )
    check_mask(mask, tokens.grid_thw)
    mask = mask.to(tokens.embeds.device)
    return mask.nonzero(), (~mask).nonzero()


def check_mask(mask: Tensor, grid_thw: tuple[int, ...]) -> None:
    """Raise ValueError unless `mask` is bool and of the grid."""
    if mask.dtype != torch.bool or tuple(mask.shape) != grid_thw:
        kind = str(mask.dtype).removeprefix("torch.")
        raise ValueError(f"mask {tuple(mask.shape)} {kind} is not bool of the grid {grid_thw}")


def blocks(cells: Tensor) -> Iterator[Tensor]:
    """Yield `cells [m, 3]` in runs of at most BLOCK, none where m is 0."""
    for start in range(0, len(cells), ROWS_AT_ONCE):
        yield cells[start : start + ROWS_AT_ONCE]


def rows_at(tokens: VideoTokens, cells: Tensor) -> Tensor:
    """Return the embeddings at `cells [m, 3]`: [m, D] float32, outside autograd.

    No more than these are copied, however the embeddings are strided. No device is waited for.
    """
    return tokens.embeds.detach()[tuple(cells.unbind(1))].float()


def directions(rows: Tensor) -> Tensor:
    """Return rows [m, D] scaled to length 1; zero rows stay zero.

    The rows are first brought near 1, where squares neither overflow nor vanish.
    """
    peaks = rows.abs().amax(dim=1, keepdim=True)
    scaled = rows / torch.where(peaks > 0, peaks, 1.0)
    norms: Tensor = torch.linalg.vector_norm(scaled, dim=1, keepdim=True)
    return scaled / torch.where(norms > 0, norms, 1.0)


def not_finite() -> UsageError:
    """Return the error for a result which shows that the tokens hold NaN or infinity."""
    return UsageError(
        "embeds hold NaN or infinite values: check the encoder that made them, "
        "or run it in float32 if it overflowed in float16"
    )
