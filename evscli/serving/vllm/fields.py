"""The tensors that vLLM carries of each video, and their check.

Of a video with K kept tokens of T x h x w cells, merged of windows of m x m patches, and n tokens
behind it that nobody prunes:

- `video_embeds [K + n, D * (1 + L)]`: tokens, each with its DeepStack planes beside it
- `video_grid_thw [3]`: (T, m*h, m*w)
- `keep_mask [T*h*w]`: True for kept cells, in raster order
- `timestamps [T]`: the seconds that the prompt states
- `second_per_grid_ts`: seconds between temporal patches, where temporal ids grow by them
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from vllm.multimodal.inputs import MultiModalFieldConfig

from evscli.errors import UsageError
from evscli.serving.served import ServedVideo
from evscli.texts import first_line

Fields = dict[str, Any]

HIGHEST = torch.finfo(torch.float16).max
"""The largest value of an embedding: sums of squares of larger ones overflow, and what is not
finite stays in vLLM's memory for the prompts of others."""

BESIDE = ("video_grid_thw", "timestamps", "second_per_grid_ts")
"""The tensors of which every video has one."""

LARGEST = 1 << 16
"""The patches along a side of a grid that a request may state."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The sizes that tensors of videos have for a model."""

    merge: int
    """The patches along a side of a token."""
    width: int
    """The values of a row, D * (1 + L)."""
    suffix: int = 0
    """The tokens behind those of a video, which no mask counts."""

    def rows(self, mask: Tensor, grid: Tensor) -> list[int]:
        """Return the rows of each video, by a mask over the cells of all and grids [n, 3]."""
        parts = torch.split(mask, cells_of(grid, self.merge).tolist())
        return [int(part.sum()) + self.suffix for part in parts]


def served_fields(videos: Sequence[ServedVideo], *, rows: bool) -> Fields:
    """Return the tensors of videos of stores, without embeddings unless `rows`."""
    grids = [video.info.grid_thw for video in videos]
    merge = [video.info.model.merge_size for video in videos]
    fields: Fields = {
        "video_grid_thw": torch.tensor(
            [(t, h * m, w * m) for (t, h, w), m in zip(grids, merge, strict=True)]
        ),
        "timestamps": [video.prompt_times.tolist() for video in videos],
        "keep_mask": torch.cat([video.keep_mask.flatten() for video in videos]),
    }
    seconds = [video.second_per_grid for video in videos]
    if None not in seconds:
        fields["second_per_grid_ts"] = torch.tensor(seconds)
    if rows:
        fields["video_embeds"] = torch.cat([video.rows() for video in videos])
    return fields


def checked_fields(data: Mapping[str, Any], sizes: Sizes) -> Fields:
    """Return the tensors of embeddings that came with a request, all cells kept without a mask.

    Raises UsageError where masks, grids, times and rows do not belong together.
    """
    try:
        return _checked_fields(data, sizes)
    except (TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
        raise UsageError(f"the embeddings cannot be read ({first_line(error)})") from None


def _checked_fields(data: Mapping[str, Any], sizes: Sizes) -> Fields:
    fields = dict(data)
    if fields.get("video_grid_thw") is None:
        raise UsageError("video_embeds come without video_grid_thw: give (T, height, width) too")
    grid = checked_grid(torch.as_tensor(fields["video_grid_thw"]), sizes.merge)
    cells = int(cells_of(grid, sizes.merge).sum())
    behind = sizes.suffix * len(grid)
    rows, mask = fields.get("video_embeds"), fields.get("keep_mask")
    if rows is not None:
        rows = fields["video_embeds"] = checked_rows(rows, sizes.width)
    if mask is None and rows is not None and len(rows) != cells + behind:
        raise UsageError(  # before memory is taken for a mask
            f"video_embeds have {len(rows):,} rows for {cells:,} cells: give keep_mask"
        )
    mask = torch.ones(cells) if mask is None else torch.as_tensor(mask)
    if mask.numel() != cells:
        raise UsageError(
            f"keep_mask has {mask.numel():,} values for the {cells:,} cells of video_grid_thw: "
            "give one 0 or 1 for each"
        )
    if bool(((mask != 0) & (mask != 1)).any()):
        raise UsageError("keep_mask has other values than 0 and 1: give one of them for each cell")
    mask = mask.flatten().bool()
    if rows is not None and len(rows) != int(mask.sum()) + behind:
        more = f", and {behind} behind them" if behind else ""
        raise UsageError(
            f"video_embeds have {len(rows):,} rows for the {int(mask.sum()):,} cells that "
            f"keep_mask keeps: give one row for each{more}"
        )
    if "timestamps" in fields:
        fields["timestamps"] = checked_times(fields["timestamps"], grid[:, 0].tolist())
    return {**fields, "video_grid_thw": grid, "keep_mask": mask}


def checked_grid(grid: Tensor, merge: int) -> Tensor:
    """Return grids in patches as [n, 3]. Raises UsageError for others."""
    if grid.dtype not in (torch.int32, torch.int64) or not grid.numel() or grid.numel() % 3:
        raise UsageError("video_grid_thw is not (T, height, width) in patches: give whole numbers")
    grid = grid.reshape(-1, 3).long()
    if int(grid.min()) < 1 or int(grid.max()) > LARGEST or bool((grid[:, 1:] % merge != 0).any()):
        raise UsageError(
            f"video_grid_thw {grid[0].tolist()} is not a grid of whole windows of patches"
        )
    return grid


def checked_rows(rows: Any, width: int) -> Tensor:
    """Return embeddings as [K, D * (1 + L)]. Raises UsageError for others."""
    rows = torch.cat(list(rows)) if isinstance(rows, list) else rows.flatten(0, -2)
    if not rows.is_floating_point():
        raise UsageError(f"video_embeds are {rows.dtype}: give floating point numbers")
    if rows.shape[-1] != width:
        raise UsageError(f"video_embeds are {rows.shape[-1]} wide, and the model takes {width}")
    if not bool((rows.abs() <= HIGHEST).all()):  # False for NaN as well
        raise UsageError(
            f"video_embeds hold values beyond {HIGHEST:,.0f}, or none: give the encoder's own"
        )
    found: Tensor = rows.detach()
    return found


def checked_times(times: Any, patches: list[int]) -> list[Any]:
    """Return the times of each video. Raises UsageError unless it has one for each of `patches`."""
    if isinstance(times, Tensor):
        times = times.flatten().tolist() if len(patches) == 1 else list(times)
    if len(patches) == 1 and (not len(times) or not isinstance(times[0], Tensor | list)):
        times = [times]
    found = [len(one) if isinstance(one, Tensor | list) else 1 for one in times]
    if found != patches:
        raise UsageError(
            f"timestamps are {found} and video_grid_thw says {patches} temporal patches: give one "
            "time for each"
        )
    for one in times:
        if not bool(torch.as_tensor(one).isfinite().all()):
            raise UsageError("timestamps hold values that are not finite: give seconds")
    return list(times)


def cells_of(grid: Tensor, merge: int) -> Tensor:
    """Return the cells of each video [n], of grids in patches [n, 3]."""
    return grid.reshape(-1, 3).prod(-1) // merge**2


def pruned_config(values: Mapping[str, Any], sizes: Sizes) -> dict[str, MultiModalFieldConfig]:
    """Return how the tensors of videos that a mask prunes are shared out among the videos."""
    mask = values["keep_mask"]
    mask = torch.cat(list(mask)) if isinstance(mask, list) else mask.flatten()
    grid = values["video_grid_thw"]
    flat, batched = MultiModalFieldConfig.flat_from_sizes, MultiModalFieldConfig.batched
    return {
        "video_embeds": flat("video", torch.tensor(sizes.rows(mask, grid))),
        "keep_mask": flat("video", cells_of(grid, sizes.merge), keep_on_cpu=True),
        **{name: batched("video", keep_on_cpu=True) for name in BESIDE},
    }
