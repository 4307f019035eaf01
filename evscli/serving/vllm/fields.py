"""The tensors that vLLM carries of each video, and their check.

Of a video with K kept tokens of T x h x w cells, merged of windows of m x m patches:

- `video_embeds [K, D * (1 + L)]`: tokens, each with its DeepStack planes beside it
- `video_grid_thw [3]`: (T, m*h, m*w)
- `keep_mask [T*h*w]`: True for kept cells, in raster order
- `timestamps [T]`: the seconds that the prompt states
- `second_per_grid_ts`: seconds between temporal patches, where temporal ids grow by them
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from vllm.multimodal.inputs import MultiModalFieldConfig

from evscli.errors import UsageError
from evscli.serving.served import ServedVideo

Fields = dict[str, Any]


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


def checked_fields(data: Mapping[str, Any], merge: int, width: int) -> Fields:
    """Return the tensors of embeddings that came with a request, all cells kept without a mask.

    Raises UsageError where masks, grids, times and rows do not belong together.
    """
    fields = dict(data)
    if "video_grid_thw" not in fields:
        raise UsageError("video_embeds come without video_grid_thw: give (T, height, width) too")
    grid = torch.as_tensor(fields["video_grid_thw"]).reshape(-1, 3).long()
    cells = cells_of(grid, merge)
    if int(grid.min()) < 1 or bool((grid[:, 1:] % merge != 0).any()):
        raise UsageError(
            f"video_grid_thw {grid.tolist()} is not a grid of whole windows of patches"
        )
    mask = fields.get("keep_mask")
    mask = torch.ones(int(cells.sum())) if mask is None else torch.as_tensor(mask)
    if mask.numel() != int(cells.sum()) or bool(((mask != 0) & (mask != 1)).any()):
        raise UsageError(
            f"keep_mask has {mask.numel():,} values for the {int(cells.sum()):,} cells of "
            f"video_grid_thw: give one 0 or 1 for each"
        )
    mask = mask.flatten().bool()
    rows = fields.get("video_embeds")
    if rows is not None:
        rows = torch.cat(list(rows)) if isinstance(rows, list) else rows.flatten(0, -2)
        if len(rows) != int(mask.sum()):
            raise UsageError(
                f"video_embeds have {len(rows):,} rows for the {int(mask.sum()):,} cells that "
                "keep_mask keeps: give one row for each"
            )
        if rows.shape[-1] != width:
            raise UsageError(f"video_embeds are {rows.shape[-1]} wide, and the model takes {width}")
        fields["video_embeds"] = rows
    if "timestamps" in fields:
        fields["timestamps"] = checked_times(fields["timestamps"], grid[:, 0].tolist())
    return {**fields, "video_grid_thw": grid, "keep_mask": mask}


def checked_times(times: Any, patches: list[int]) -> list[Any]:
    """Return the times of each video. Raises UsageError unless it has one for each of `patches`."""
    if isinstance(times, Tensor):
        times = times.flatten().tolist() if len(patches) == 1 else list(times)
    if len(patches) == 1 and not isinstance(times[0], Tensor | list):
        times = [times]
    found = [len(one) if isinstance(one, Tensor | list) else 1 for one in times]
    if found != patches:
        raise UsageError(
            f"timestamps are {found} and video_grid_thw says {patches} temporal patches: give one "
            "time for each"
        )
    return list(times)


def cells_of(grid: Tensor, merge: int) -> Tensor:
    """Return the cells of each video [n], of grids in patches [n, 3]."""
    return grid.reshape(-1, 3).prod(-1) // merge**2


def pruned_config(values: Mapping[str, Any], merge: int) -> dict[str, MultiModalFieldConfig]:
    """Return how the tensors of videos that a mask prunes are shared out among the videos."""
    mask = values["keep_mask"]
    mask = torch.cat(list(mask)) if isinstance(mask, list) else mask.flatten()
    cells = cells_of(values["video_grid_thw"], merge)
    kept = torch.tensor([int(part.sum()) for part in mask.split(cells.tolist())])
    flat, batched = MultiModalFieldConfig.flat_from_sizes, MultiModalFieldConfig.batched
    return {
        "video_embeds": flat("video", kept),
        "keep_mask": flat("video", cells, keep_on_cpu=True),
        "second_per_grid_ts": batched("video", keep_on_cpu=True),
    }
