"""`evs inspect --verify`: the shards of stores, verified in parallel. It prints no result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evscli.cli.notes import progress
from evscli.errors import StoreError
from evscli.store.integrity import Problem, ShardCheck, check_shards, shard_checks
from evscli.store.reader import open_store


@dataclass(kw_only=True)
class Verified:
    """The findings in one store."""

    store: Path
    videos: int = 0
    """The number of videos that were checked."""
    checks: list[ShardCheck] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def verify_stores(
    stores: Sequence[Path], video: str | None, *, processes: int | None
) -> list[Verified]:
    """Check every shard, or one video, of every store.

    Raises StoreError where the only store cannot be opened. Among several stores that is a problem
    of this store.
    """
    verified = [_open(path, video, alone=len(stores) == 1) for path in stores]
    checks = [check for one in verified for check in one.checks]
    found: list[list[Problem]] = [[] for _ in checks]
    with progress(len(checks), unit="shard") as advance:
        for number, problems in check_shards(checks, processes=processes):
            found[number] = problems
            advance(1)
    rest = iter(found)
    for one in verified:
        for _ in one.checks:
            one.problems += next(rest)
    return verified


def _open(path: Path, video: str | None, *, alone: bool) -> Verified:
    try:
        store = open_store(path)
        checks = shard_checks(store, only=video)
    except StoreError as error:
        if alone:
            raise
        return Verified(store=path, problems=[Problem(shard=None, id=None, message=str(error))])
    return Verified(store=path, videos=1 if video else len(store), checks=checks)
