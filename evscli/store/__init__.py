"""Pruned videos on disk: one folder per run configuration, described in docs/format.md.

- `schema.py`: names, ids and the table of tensors
- `codec.py`: records to JSON and back, and the fingerprint
- `durable.py`: files that appear whole or not at all
- `locks.py`: one live writer per number
- `run.py`: run.json, the configuration
- `shard_header.py`: the descriptions of videos in a shard
- `manifest.py`: lines of finished videos
- `failures.py`: lines of failed videos
- `catalogue.py`: every video of a store
- `shard.py`: the tensors of one shard file, and their check
- `staging.py`: videos without a shard yet
- `writer.py`: StoreWriter
- `reader.py`: open_store
- `merge.py`: StoreMerge
- `integrity.py`: the check of a whole store
- `processes.py`: work in several processes
- `quantize.py`: tokens in narrower dtypes
- `footprint.py`: the bytes a video will take
- `summary.py`: the contents in numbers

Names load on first use: reading a store's descriptions needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evscli.store.catalogue import rebuild_manifest
    from evscli.store.integrity import Problem, verify
    from evscli.store.merge import StoreMerge
    from evscli.store.reader import Store, UnknownVideoError, find_stores, open_store
    from evscli.store.schema import check_id
    from evscli.store.writer import StoreWriter

__all__ = [
    "Problem",
    "Store",
    "StoreMerge",
    "StoreWriter",
    "UnknownVideoError",
    "check_id",
    "find_stores",
    "open_store",
    "rebuild_manifest",
    "verify",
]

_HOMES = {
    "Problem": "integrity",
    "Store": "reader",
    "StoreMerge": "merge",
    "StoreWriter": "writer",
    "UnknownVideoError": "reader",
    "check_id": "schema",
    "find_stores": "reader",
    "open_store": "reader",
    "rebuild_manifest": "catalogue",
    "verify": "integrity",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'evscli.store' has no attribute {name!r}")
    return getattr(import_module(f"evscli.store.{_HOMES[name]}"), name)
