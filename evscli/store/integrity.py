"""Is everything in a store what it says it is? Every byte is read.

It reports and repairs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from evscli.errors import StoreError
from evscli.store.checks import stored_problems
from evscli.store.manifest import Entry
from evscli.store.reader import Store
from evscli.store.schema import shard_number
from evscli.store.shard import Shard


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something in a store that is not as it should be."""

    shard: str
    """Name of the shard file."""
    id: str | None
    """The video, or None where the whole shard is concerned."""
    message: str


def verify(store: Store, *, only: str | None = None) -> Iterator[Problem]:
    """Every problem of a store, or of the `only` video, shard by shard; nothing if all is well.

    Looked at per video: header, shapes, dtypes, mask count = rows = positions, positions inside the
    grid, digest; and whether manifests and shards agree. Raises StoreError where there is no such
    video, DamagedError where its shard is missing.
    """
    names = {store.shard_name(only)} if only else store.catalogue.shard_names
    for name in sorted(names, key=lambda name: shard_number(name) or ()):
        try:
            shard = store.open_shard(name)
        except StoreError as error:
            yield Problem(shard=name, id=None, message=str(error))
        else:
            yield from _shard_problems(store, shard, only)


def _shard_problems(store: Store, shard: Shard, only: str | None) -> Iterator[Problem]:
    name, entries = shard.path.name, store.catalogue.finished
    if not only and (unlisted := store.catalogue.unlisted.get(name)):
        yield Problem(shard=name, id=None, message=_unlisted(name, len(unlisted)))
    listed = {key: entry for key, entry in entries.items() if entry.shard == name}
    for video_id in [only] if only else sorted(listed.keys() | shard.head.videos.keys()):
        for message in _video_problems(shard, video_id, listed.get(video_id)):
            yield Problem(shard=name, id=video_id, message=message)


def _video_problems(shard: Shard, video_id: str, entry: Entry | None) -> list[str]:
    """`entry` is None where a later shard holds the same video."""
    if video_id not in shard.head.videos:
        return ["the manifest lists it, the shard lacks it"]
    try:
        problems = stored_problems(shard, video_id)
        if entry and entry.source != shard.head.source(video_id):
            problems.append("the manifest names another source")
        if entry and entry.sha256 != shard.head.sha256(video_id):
            problems.append("the manifest has another digest")
    except StoreError as error:
        return [str(error)]
    return problems


def _unlisted(name: str, count: int) -> str:
    return (
        f"{count} of the videos of {name} are in no manifest: the next evs prune into this store "
        "lists them"
    )
