"""Stores as datasets of `torch.utils.data`, to train or to prefill from.

- `dataset.py`: VideoDataset, videos by number or by id
- `stream.py`: VideoStream, one video after the other
- `order.py`: the order of an epoch, and the shares of ranks
- `batches.py`: TokenBatches, batches by kept tokens
- `packed.py`: PackedVideos, a batch as tensors

A loop over batches of at most 16,384 tokens:

    from torch.utils.data import DataLoader
    from evscli.datasets import TokenBatches, VideoDataset, pack_videos

    dataset = VideoDataset("store")
    batches = TokenBatches(dataset, max_tokens=16_384, shuffle=True, seed=0)
    loader = DataLoader(dataset, batch_sampler=batches, num_workers=4, collate_fn=pack_videos)
    for epoch in range(3):
        batches.set_epoch(epoch)
        for batch in loader:
            batch.embeds, batch.cu_seqlens   # [sum K, D], [B + 1]
            prefill(batch[0], processor, "What happens?", model=model)

The names load on first use. No model is needed to read stores.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evscli.datasets.batches import TokenBatches
    from evscli.datasets.dataset import VideoDataset
    from evscli.datasets.packed import PackedVideos, pack_videos
    from evscli.datasets.stream import VideoStream

__all__ = ["PackedVideos", "TokenBatches", "VideoDataset", "VideoStream", "pack_videos"]

_HOMES = {
    "PackedVideos": "packed",
    "TokenBatches": "batches",
    "VideoDataset": "dataset",
    "VideoStream": "stream",
    "pack_videos": "packed",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'evscli.datasets' has no attribute {name!r}")
    return getattr(import_module(f"evscli.datasets.{_HOMES[name]}"), name)
