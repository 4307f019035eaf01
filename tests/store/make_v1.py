"""Makes tests/data/store-v1, the stores that every release must read.

Run `python -m tests.store.make_v1` only to make them for a new format version, in a new folder:
the committed ones must never change.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from evscli.store import StoreWriter
from tests.store.samples import CONFIG, failure, record

FOLDER = Path(__file__).parent.parent / "data" / "store-v1"


def make(folder: Path) -> None:
    """Write two stores: `plain` in float32, `deepstack` in bfloat16 with scores, in two shards."""
    with StoreWriter(folder / "plain", CONFIG) as writer:
        writer.add(record("clip"))
        writer.add(record("day 1/Straße@0-10", grid=(1, 3, 3), notes=("A note.",)))
        writer.fail(failure())
    with StoreWriter(folder / "deepstack", CONFIG, shard_videos=1) as writer:
        for video_id in ("a", "b"):
            writer.add(record(video_id, dtype=torch.bfloat16, planes=3, scores=True))


if __name__ == "__main__":
    shutil.rmtree(FOLDER, ignore_errors=True)
    make(FOLDER)
