"""The check of one video against its description, before it is written and by `--verify`."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from evscli.records import VideoInfo
from evscli.store.schema import layout_problems
from evscli.store.shard import Shard, digest, specs


def tensor_problems(info: VideoInfo, tensors: Mapping[str, Tensor]) -> list[str]:
    """Return wrong shapes and dtypes, and differences of the mask from count and positions."""
    if problems := layout_problems(info, specs(tensors)):
        return problems
    return _mask_problems(info, tensors["keep_mask"], tensors["position_ids"])


def stored_problems(shard: Shard, video_id: str) -> list[str]:
    """Return `tensor_problems` of a video in a shard, and a digest that is not its tensors'.

    Raises DamagedError where its description cannot be read.
    """
    tensors = shard.tensors(video_id)
    problems = tensor_problems(shard.info(video_id), tensors)
    if digest(tensors) != shard.header.sha256(video_id):
        problems.append("the bytes of its tensors have changed since they were written")
    return problems


def _mask_problems(info: VideoInfo, mask: Tensor, positions: Tensor) -> list[str]:
    problems = []
    if (count := int(mask.sum())) != info.kept:
        problems.append(f"keep_mask keeps {count} cells where {info.kept} tokens are stored")
    grid = torch.tensor(info.grid_thw)
    if bool(((positions < 0) | (positions >= grid)).any()):
        problems.append(f"position_ids lie outside the grid {list(info.grid_thw)}")
    elif not torch.equal(mask.nonzero().to(torch.int32), positions):
        problems.append("position_ids are not the kept cells of keep_mask in raster order")
    return problems
