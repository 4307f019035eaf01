"""`evs merge`: small shards of a store packed into full ones."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from evscli.cli import options
from evscli.cli.command import command
from evscli.cli.notes import progress
from evscli.texts import count_text, size_text

if TYPE_CHECKING:
    from evscli.store.merge import ShardTotals


@command
def merge(store: options.Store, as_json: options.Json = False) -> None:
    """Compact the small shards of a store, as many writers and killed runs leave them.

    Shards close at 256 MiB or 1,024 videos; those less than half full are packed together.
    Finished videos that killed runs left without a shard are taken up, and of a video stored twice
    the copy that counts is kept. Readers find every video at every moment, and the disk needs room
    for one more shard.

    Example: evs merge evs-out/mini-vcast-0.3
    """
    from evscli.store import StoreMerge

    with StoreMerge(store) as work:
        before = work.totals()
        with progress(work.planned, unit="shard") as advance:
            for _ in work.run():
                advance(1)
        after, waiting = work.totals(), work.waiting
    if as_json:
        sizes = {"before": asdict(before), "after": asdict(after)}
        print(json.dumps({"store": str(store), **sizes, "waiting": waiting}, indent=2))
    else:
        print(_line(str(store), before, after, waiting))


def _line(store: str, before: ShardTotals, after: ShardTotals, waiting: int) -> str:
    if before == after:
        return f"{store}: nothing to merge, {_totals(after)}"
    taken_up = f", {count_text(waiting, 'waiting video')} taken up" if waiting else ""
    return f"{store}: {_totals(before)} -> {_totals(after)}{taken_up}"


def _totals(totals: ShardTotals) -> str:
    return f"{count_text(totals.shards, 'shard')} of {size_text(totals.bytes)}"
