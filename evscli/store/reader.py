"""The reading of a store: its videos by id, without copying tensors that are not used.

`open_store` works on a store that is being written (videos with a shard are seen), and on a lone
shard file. torch is imported only where tensors are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from evscli.errors import DamagedError, StoreError
from evscli.paths import path_text
from evscli.records import Failure, PrunedVideo, RunConfig, VideoInfo
from evscli.store.catalogue import Catalogue, read_catalogue
from evscli.store.codec import fingerprint
from evscli.store.failures import read_failures
from evscli.store.manifest import Entry, entry_of, shard_entries, shard_of
from evscli.store.run import read_run
from evscli.store.schema import RUN_NAME, list_shards, shard_number
from evscli.store.shard_header import (
    ShardHeader,
    damaged_shard,
    missing_shard,
    read_header,
)

if TYPE_CHECKING:
    from torch import Tensor

    from evscli.store.shard import Shard

T = TypeVar("T")
H = TypeVar("H", "ShardHeader", "Shard")

CACHED_SHARDS = 64
"""The number of shards whose header is kept in memory; a full one takes a few MB."""

NAMED_STORES = 5
"""The number of stores that the error for a folder of stores names at most."""


class UnknownVideoError(StoreError, KeyError):
    """The error for an id that a store has no video of."""

    __str__ = Exception.__str__


class Store(Mapping[str, PrunedVideo]):
    """The videos of one store by id, in the order of ids.

    A record's tensors are views of the shard file; writing to one changes memory, not the file.
    Tokens kept in a narrower dtype are made wide again, in memory, when a record is asked for.
    """

    def __init__(
        self,
        path: Path,
        *,
        catalogue: Catalogue[str],
        run: RunConfig | None,
        failures: Mapping[str, Failure],
    ) -> None:
        """Set the contents that `open_store` has read; call that instead."""
        self.path = path
        self.run = run
        """The configuration of the store; None for a lone shard, or where run.json is missing."""
        self.catalogue = catalogue
        """The catalogue, which gives by id the name of the shard that holds a video."""
        self.failures = failures
        """The last failure of each video that is not in the store, by id."""
        self.folder = path if path.is_dir() else path.parent
        self.run_fingerprint = fingerprint(run.settings) if run else None
        self._ids = sorted(catalogue.finished)
        self._doubted: set[str] = set()
        self._header = lru_cache(maxsize=CACHED_SHARDS)(self.read_header)
        self._shard = lru_cache(maxsize=CACHED_SHARDS)(self.open_shard)

    def __getitem__(self, video_id: str) -> PrunedVideo:
        """Return one video. Raises StoreError (also a KeyError) for an unknown id, DamagedError."""
        record: PrunedVideo
        record = self._read(video_id, self._shard, lambda shard: shard.record(video_id))
        return record

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, video_id: object) -> bool:
        return video_id in self.catalogue.finished

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r}, {len(self)} videos)"

    def info(self, video_id: str) -> VideoInfo:
        """Return the description of one video, without its tensors. Raises as `[id]` does."""
        info: VideoInfo
        info = self._read(video_id, self._header, lambda header: header.info(video_id))
        return info

    def sha256(self, video_id: str) -> str:
        """Return the digest of one video's tensors that its shard states. Raises as `[id]` does."""
        return self._read(video_id, self._header, lambda header: entry_of(header, video_id).sha256)

    def stored(self, video_id: str) -> dict[str, Tensor]:
        """Return one video's tensors as they lie in its shard. Raises as `[id]` does."""
        return self._read(video_id, self._shard, lambda shard: shard.tensors(video_id))

    def shard_name(self, video_id: str) -> str:
        """Return the file name of the shard that holds a video. Raises as `[id]` does."""
        if video_id in self.catalogue.finished:
            return self.catalogue.finished[video_id]
        if video_id in self.catalogue.lost:
            raise missing_shard(self.folder / self.catalogue.lost[video_id])
        raise UnknownVideoError(self._unknown(video_id))

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the configuration; read from a shard where run.json is missing."""
        return self.run_fingerprint or store_fingerprint(self.path)

    def entries(self) -> Catalogue[Entry]:
        """Return the manifest lines that count, read anew. Raises StoreError, DamagedError."""
        return look_into(self.path, keep=lambda entry: entry)

    def open_shard(self, name: str) -> Shard:
        """Open a shard by file name, to read tensors from. Raises as `read_header` does."""
        from evscli.store.shard import Shard

        return Shard(self.folder / name, self.run_fingerprint)

    def read_header(self, name: str) -> ShardHeader:
        """Return the header of a shard, by file name. Raises StoreError, DamagedError."""
        return read_header(self.folder / name, self.run_fingerprint)

    def _read(self, video_id: str, look: Callable[[str], H], read: Callable[[H], T]) -> T:
        """Read a part of a video in its shard, or in its new one where a merge has moved it."""
        name = self.shard_name(video_id)
        try:
            found = look(name)
            if video_id not in found.videos:
                raise damaged_shard(found.path, f"the manifest says it holds {video_id!r}")
            return read(found)
        except DamagedError:
            if name in self._doubted or not self.path.is_dir():
                raise
        self._doubted.add(name)
        self._look_again()
        return self._read(video_id, look, read)

    def _look_again(self) -> None:
        self.catalogue = read_catalogue(self.path, keep=shard_of)
        self._ids = sorted(self.catalogue.finished)
        self._header.cache_clear()
        self._shard.cache_clear()

    def _unknown(self, video_id: str) -> str:
        if failed := self.failures.get(video_id):
            reason = f"it failed ({failed.stage}): {failed.message}"
            return f"{self.path} has no video {video_id!r}: {reason}"
        close = get_close_matches(video_id, self._ids, n=3, cutoff=0.5)
        close = close or [known for known in self._ids if video_id in known][:3]
        named = " or ".join(map(repr, close or self._ids[:3]))
        hint = (
            f"did you mean {named}?" if close else f"it holds {named}" if named else "it is empty"
        )
        return f"{self.path} has no video {video_id!r}: {hint}; evs inspect {self.path} lists all"


def open_store(path: str | Path) -> Store:
    """Open a store's folder, or one shard file, for reading.

    Raises StoreError where the path is not a store (a folder of stores names them) or a later
    release wrote it, DamagedError where run.json, a manifest or a shard without one cannot be read.
    """
    path = Path(path_text(path, "path"))
    catalogue = look_into(path, keep=shard_of)
    is_folder = path.is_dir()
    try:
        run = read_run(path) if is_folder and (path / RUN_NAME).exists() else None
        failures = read_failures(path) if is_folder else {}
    except OSError as error:
        raise _unreadable(path, error) from None
    left = {key: failure for key, failure in failures.items() if key not in catalogue.finished}
    return Store(path, catalogue=catalogue, run=run, failures=left)


def look_into(path: Path, keep: Callable[[Entry], T]) -> Catalogue[T]:
    """Return the videos of a store's folder, or of one shard file. Raises as `open_store` does."""
    try:
        if path.is_file():
            return _look_into_file(path, keep)
        if path.exists() and not path.is_dir():  # a pipe would be waited for
            raise StoreError(f"{path} is neither a folder nor a file: name what evs prune wrote")
        require_store(path)
        return read_catalogue(path, keep)
    except OSError as error:
        raise _unreadable(path, error) from None


def _look_into_file(path: Path, keep: Callable[[Entry], T]) -> Catalogue[T]:
    try:
        finished = {entry.id: keep(entry) for entry in shard_entries(path)}
    except DamagedError:
        if shard_number(path.name):
            raise
        raise StoreError(f"{path} is not a shard of evs: name what evs prune wrote") from None
    shards = frozenset({path.name})
    return Catalogue(finished=finished, lost={}, unlisted={}, shards=shards, sizes={})


def _unreadable(path: Path, error: OSError) -> StoreError:
    return StoreError(f"cannot read {path} ({error.strerror}): check its permissions")


def require_store(path: Path) -> None:
    """Raise StoreError unless `path` is the folder of one store."""
    if not path.exists():
        raise StoreError(f"{path} does not exist: name the folder that evs prune wrote")
    if not path.is_dir():
        raise StoreError(f"{path} is a file: name the folder of a store that evs prune wrote")
    if not (path / RUN_NAME).exists() and not list_shards(path):
        raise StoreError(_no_store(path))


def store_fingerprint(path: Path) -> str:
    """Return the fingerprint in run.json, or in a shard without that file. Raises DamagedError."""
    if (path / RUN_NAME).exists():
        return fingerprint(read_run(path).settings)
    return read_header(list_shards(path)[0] if path.is_dir() else path).fingerprint


def find_stores(path: Path) -> list[Path]:
    """Return the stores inside a folder, as `evs prune` writes several; none for a store itself."""
    if not path.is_dir() or (path / RUN_NAME).exists() or list_shards(path):
        return []
    return sorted(run.parent for run in path.glob(f"*/{RUN_NAME}"))


def _no_store(path: Path) -> str:
    if stores := find_stores(path):
        names = [store.name for store in stores[:NAMED_STORES]]
        named = ", ".join(names) + (", ..." if stores[NAMED_STORES:] else "")
        return f"{path} holds {len(stores)} stores, name one of them: {named}"
    return (
        f"{path} is not a store (no {RUN_NAME} and no shard in it): name the folder that evs prune "
        "wrote"
    )
