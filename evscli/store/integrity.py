"""The check of a store: every byte is read and compared with descriptions and manifests.

Nothing is repaired. torch is imported where tensors are read, which is often in other processes
than the one that asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evscli.errors import StoreError
from evscli.store.codec import to_json
from evscli.store.manifest import Entry, entry_of
from evscli.store.processes import Died, in_processes, usable_cores
from evscli.store.reader import Store
from evscli.store.run import differences
from evscli.store.schema import shard_number

if TYPE_CHECKING:
    from evscli.store.shard import Shard


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing in a store that is not as it should be."""

    shard: str | None
    """The name of the shard file, or None where the whole store is concerned."""
    id: str | None
    """The id of the video, or None where the whole shard is concerned."""

    message: str
    """The problem in words, as `evs inspect --verify` prints it."""


@dataclass(frozen=True, kw_only=True)
class ShardCheck:
    """The input for the check of one shard, in any process."""

    path: Path
    fingerprint: str | None
    """The fingerprint in run.json, or None without that file."""
    entries: Mapping[str, Entry]
    """The manifest lines that count and name this shard, by id."""
    unlisted: int = 0
    """The number of videos that no manifest lists."""
    only: str | None = None
    """The id of the one video to check. None means all."""


def verify(store: Store, *, only: str | None = None) -> Iterator[Problem]:
    """Yield every problem of a store, or of the `only` video, shard by shard; none if all is well.

    The checks per video are: header, shapes, dtypes, mask count = rows = positions, positions
    inside the grid, digest; and whether manifest lines have what the shards have. Raises
    StoreError for an unknown video, DamagedError where its shard is missing.
    """
    for check in shard_checks(store, only=only):
        yield from check_shard(check)


def shard_checks(store: Store, *, only: str | None = None) -> list[ShardCheck]:
    """Return the work of `verify`, shard by shard. Raises as `verify` does."""
    catalogue = store.entries()
    names = {store.shard_name(only)} if only else catalogue.shards.union(catalogue.lost.values())
    listed: dict[str, dict[str, Entry]] = {name: {} for name in names}
    for video_id, entry in catalogue.finished.items():
        if entry.shard in listed:
            listed[entry.shard][video_id] = entry
    return [
        ShardCheck(
            path=store.folder / name,
            fingerprint=store.run_fingerprint,
            entries=listed[name],
            unlisted=0 if only else len(catalogue.unlisted.get(name, ())),
            only=only,
        )
        for name in sorted(names, key=lambda name: shard_number(name) or ())
    ]


def check_shards(
    checks: Sequence[ShardCheck], *, processes: int | None = None
) -> Iterator[tuple[int, list[Problem]]]:
    """Yield `(number of the check, its problems)` as they come, from parallel processes.

    The default is one process for every core. A process that dies, as one does that reads a failing
    disk, is a problem of its shard.
    """
    for number, answer in in_processes(check_alone, checks, processes=processes or usable_cores()):
        if isinstance(answer, Died):
            path = checks[number].path
            answer = [Problem(shard=path.name, id=None, message=_died(path, answer))]
        yield number, answer


def check_alone(check: ShardCheck) -> list[Problem]:
    """Return `check_shard` of one shard, computed with one thread, for one process of several."""
    import torch

    torch.set_num_threads(1)
    return check_shard(check)


def check_shard(check: ShardCheck) -> list[Problem]:
    """Return every problem of one shard."""
    from evscli.store.shard import Shard

    name, listed = check.path.name, check.entries
    try:
        shard = Shard(check.path, check.fingerprint)
    except StoreError as error:
        return [Problem(shard=name, id=None, message=str(error))]
    problems = []
    if check.unlisted:
        problems.append(Problem(shard=name, id=None, message=_unlisted(name, check.unlisted)))
    for video_id in [check.only] if check.only else sorted(listed.keys() | shard.videos):
        for message in _video_problems(shard, video_id, listed.get(video_id)):
            problems.append(Problem(shard=name, id=video_id, message=message))
    return problems


def _video_problems(shard: Shard, video_id: str, entry: Entry | None) -> list[str]:
    """Return the problems of a video; `entry` is None where a later shard holds the same one."""
    if video_id not in shard.videos:
        return ["the manifest lists it, the shard lacks it"]
    try:
        problems = shard.problems(video_id)
        if entry is not None:
            held = to_json(entry_of(shard.header, video_id))
            line = {"kept": held["kept"], **to_json(entry)}  # older stores do not list it
            problems += differences(line, held, ("in the manifest", "in the shard"))
    except StoreError as error:
        return [str(error)]
    return problems


def _died(path: Path, died: Died) -> str:
    return (
        f"{path} was not checked, the process that read it died ({died.how}): check the disk and "
        "memory, and verify again"
    )


def _unlisted(name: str, count: int) -> str:
    return (
        f"{count} of the videos of {name} are in no manifest: the next evs prune into this store "
        "lists them"
    )
