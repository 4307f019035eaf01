"""Makes tests/data/store-v2, the store of format version 2 that every release must read.

Run `python -m tests.store.make_v2` never again: the committed one must never change.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import torch

from evscli.records import PrunedVideo
from evscli.store import StoreWriter
from tests.store.samples import CONFIG, record

FOLDER = Path(__file__).parent.parent / "data" / "store-v2"
DTYPES = ("bfloat16", "float16", "float8", "int8")


def narrow(
    store_dtype: str, name: str | None = None, *, dtype: torch.dtype = torch.float32
) -> PrunedVideo:
    """A record with two DeepStack planes that a store is to keep in a dtype."""
    made = record(name or store_dtype, planes=2, dtype=dtype)
    return replace(made, info=replace(made.info, store_dtype=store_dtype))


def make(folder: Path) -> None:
    """Write a store with a shard for each store dtype."""
    with StoreWriter(folder, CONFIG, shard_videos=1) as writer:
        for store_dtype in DTYPES:
            writer.add(narrow(store_dtype))


if __name__ == "__main__":
    shutil.rmtree(FOLDER, ignore_errors=True)
    make(FOLDER)
