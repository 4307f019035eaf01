"""The difference of each token from its own cell one temporal patch earlier.

EVS (arXiv 2510.14624) compares embeddings or pixels; both are here. These are scores only, from
which methods choose. The first frame has no predecessor and gets the largest value there is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from evscli.errors import UsageError
from evscli.pruners.ops.frames import float_chunks, span_length
from evscli.pruners.ops.ranking import places
from evscli.records import KeptTokens, PixelSource, PruneInputs, VideoTokens


def token_change(tokens: VideoTokens, inputs: PruneInputs, *, of_pixels: bool) -> Tensor:
    """Return each token's difference from its predecessor, by embeddings or pixels: [T, h, w]."""
    if not of_pixels:
        return embedding_change(tokens.embeds)
    assert inputs.pixels is not None, "a method names in `needs_by_option` what it needs"
    return pixel_change(inputs.pixels, tokens.grid_thw).to(tokens.embeds.device)


def keep_changed(
    scores: Tensor, changed: Tensor | None, count: int, notes: tuple[str, ...]
) -> KeptTokens:
    """Keep the `count` highest of `scores [T, h, w]` that have `changed`, and frame 0 whatever.

    `changed [T, h, w]` may leave fewer. Without it all have.
    """
    order = places(scores)
    mask = order < count
    if changed is not None:
        changed[0] = True
        mask &= changed
        count = int(mask.sum())
    return KeptTokens(mask=mask, scores=scores, expected=count, order=order, notes=notes)


def embedding_change(embeds: Tensor, *, lag: int = 1) -> Tensor:
    """Return `1 - cos(x[t,i], x[t-lag,i])` of `embeds [T, h, w, D]`: [T, h, w] float32 in 0..2.

    The first `lag` frames are 2. A token bit-equal to its predecessor gets exactly 0; a zero vector
    has cosine 0 to any other.
    """
    t, h, w, width = embeds.shape
    norms = torch.zeros((t, h * w), dtype=torch.float32, device=embeds.device)
    steps = torch.zeros_like(norms)
    difference = torch.empty(
        (span_length(embeds), h * w, width), dtype=torch.float32, device=embeds.device
    )
    for start, stop, x in float_chunks(embeds, overlap=lag):
        first = stop - len(x)
        norms[start:stop] = torch.linalg.vector_norm(x[start - first :], dim=-1)
        step = torch.sub(x[lag:], x[:-lag], out=difference[: max(len(x) - lag, 0)])
        steps[first + lag : stop] = torch.linalg.vector_norm(step, dim=-1)
    change = torch.full_like(norms, 2.0)
    change[lag:] = _one_minus_cosine(norms[lag:], norms[:-lag], steps[lag:])
    return change.view(t, h, w)


def window_change(embeds: Tensor, *, reach: int) -> Tensor:
    """Return 1 - the best cosine to the cells up to `reach` away in the frame before: [T, h, w].

    `embeds [T, h, w, D]` gives float32 in 0..2; the first frame is 2. A thing that moves by that
    much then counts as no change. A zero vector lies 0.5 from any other.
    """
    t, h, w, _ = embeds.shape
    change = torch.full((t, h, w), 2.0, device=embeds.device)
    for start, stop, x in float_chunks(embeds, overlap=1):
        units = functional.normalize(x, dim=-1).view(len(x), h, w, -1)
        change[max(start, 1) : stop] = nearest_change(units, reach=reach)
    return change


def nearest_change(units: Tensor, *, reach: int) -> Tensor:
    """Return 1 - the best cosine to the cells around in the frame before: [f-1, h, w].

    The tokens are `units [f, h, w, d]`, of length 1. Equal tokens have a change of exactly 0.
    """
    f, h, w, _ = units.shape
    nearest = units.new_full((f - 1, h, w), torch.inf)
    for rows, rows_before in _overlaps(h, reach):
        for columns, columns_before in _overlaps(w, reach):
            step = units[1:, rows, columns] - units[:-1, rows_before, columns_before]
            cells = nearest[:, rows, columns]
            torch.minimum(cells, torch.linalg.vector_norm(step, dim=-1), out=cells)
    return nearest.square() / 2


def _overlaps(size: int, reach: int) -> list[tuple[slice, slice]]:
    """Return for every step along `size` cells the cells, and those that they came from."""
    reach = min(reach, size - 1)
    return [
        (slice(max(step, 0), size + min(step, 0)), slice(max(-step, 0), size + min(-step, 0)))
        for step in range(-reach, reach + 1)
    ]


def pixel_change(pixels: PixelSource, grid_thw: tuple[int, int, int]) -> Tensor:
    """Return the mean absolute pixel difference of each cell: [T, h, w] float32 in 0..1.

    It ranks as `||cell[t] - cell[t-1]||_1` over both frames of a temporal patch in order, divided
    by the cell's number of values and by 255 so that grids compare. Frame 0 is 1. It is computed on
    the CPU. Raises UsageError where the pixels do not make the grid.
    """
    patch = pixels.temporal_patch_size
    return _difference(pixels, grid_thw, compared=range(patch), lag=patch)


def run_change(pixels: PixelSource, grid_thw: tuple[int, int, int]) -> Tensor:
    """Return the difference of each cell's last frame from the first one of the patch before.

    All else is as `pixel_change` has it.
    """
    patch = pixels.temporal_patch_size
    return _difference(pixels, grid_thw, compared=range(patch - 1, patch), lag=2 * patch - 1)


def _difference(
    pixels: PixelSource, grid_thw: tuple[int, int, int], *, compared: range, lag: int
) -> Tensor:
    """Return the mean difference of the frames `compared` of a patch from those `lag` before."""
    t, h, w = grid_thw
    patch = pixels.temporal_patch_size
    distance = torch.zeros((t, h, w), dtype=torch.int64)
    earlier: deque[Tensor] = deque(maxlen=lag)
    count, values = 0, 1
    for frame in whole_patches(pixels):
        if count == patch * t or frame.shape[-2] % h or frame.shape[-1] % w:
            raise _other_grid(grid_thw, patch)
        if count >= lag and count % patch in compared:
            distance[count // patch] += _cell_distance(frame, earlier[0], h, w)
        earlier.append(frame)
        count, values = count + 1, len(compared) * frame.numel() // (h * w)
    if count != patch * t:
        raise _other_grid(grid_thw, patch)
    change = (distance.double() / (255 * values)).float()
    change[0] = 1.0
    return change


def _other_grid(grid_thw: tuple[int, int, int], patch: int) -> UsageError:
    grid = "x".join(map(str, grid_thw))
    return UsageError(
        f"the pixels do not make the token grid {grid}: give the resized frames that these "
        f"tokens were made from, {patch} per temporal patch"
    )


def _one_minus_cosine(norms: Tensor, earlier_norms: Tensor, steps: Tensor) -> Tensor:
    """Return 1 - cos of two vectors from both norms and the norm of their difference.

    `1 - x.y / |x||y|` would cancel: its rounding noise of 2e-7 orders a still background at
    random. The law of cosines keeps small changes exact, and gives 0 for equal vectors.
    """
    a, b, step = norms.double(), earlier_norms.double(), steps.double()
    change = (step.square() - (a - b).square()) / (2 * a * b)
    at_zero = (step > 0).double()
    return torch.where(a * b == 0, at_zero, change.clamp(0, 2)).float()


def whole_patches(pixels: PixelSource) -> Iterator[Tensor]:
    """Yield every frame [3, H, W] in order, the last repeated until its temporal patch is whole."""
    count = 0
    for chunk in pixels.chunks():
        for frame in chunk.cpu():
            # A copy, because a view would keep the whole chunk alive beside the next one.
            last = frame.clone()
            yield last
            count += 1
    for _ in range(-count % pixels.temporal_patch_size):
        yield last


def _cell_distance(frame: Tensor, earlier: Tensor, h: int, w: int) -> Tensor:
    """Return the L1 distance of two uint8 frames [3, H, W] within each cell: [h, w] int64."""
    difference = torch.maximum(frame, earlier) - torch.minimum(frame, earlier)
    channels, height, width = difference.shape
    cells = difference.view(channels, h, height // h, w, width // w)
    return cells.sum(dim=(0, 2, 4), dtype=torch.int64)
