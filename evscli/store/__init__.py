"""Pruned videos on disk: one folder per run configuration, described in docs/format.md.

    schema.py    names, ids, tensor table            codec.py         JSON both ways, fingerprint
    durable.py   files that appear whole or not      locks.py         one live writer per number
    run.py       run.json                            shard_header.py  what a shard says of itself
    manifest.py  lines of finished videos            failures.py      lines of failed ones
    catalogue.py every video of a store              shard.py         tensors of one shard file
    checks.py    is one video consistent             staging.py       videos without a shard yet
    writer.py    StoreWriter                         reader.py        open_store
    merge.py     StoreMerge                          compaction.py    what it merges
    integrity.py is all of a store intact            processes.py     work in several processes
    quantize.py  tokens in narrower dtypes           summary.py       its numbers

It knows no models, methods or videos. The names load on first use: looking at a store needs no
torch.
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
