"""Stores that a server keeps open, since every request names one."""

from __future__ import annotations

from pathlib import Path
from threading import Lock

from evscli.serving.address import VideoAddress
from evscli.serving.served import ServedVideo
from evscli.store import Store, UnknownVideoError, open_store
from evscli.store.schema import MANIFEST, RUN_NAME, list_lines

State = tuple[int, int, int]
"""The inode, the size and the time of change in nanoseconds of a file."""


class OpenStores:
    """Stores by path. Any thread may ask, and one of them reads a store for all.

    A store that was made anew is opened anew, and one that has grown when it lacks a video.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._open: dict[Path, tuple[State, list[State], Store]] = {}

    def video(self, path: Path, address: VideoAddress) -> ServedVideo:
        """Return the video of an address in the store at `path`. Raises as `ServedVideo.read`."""
        try:
            return ServedVideo.read(self.store(path), address.id, address.budget)
        except UnknownVideoError:
            grown = self.store(path, grown=True)
            return ServedVideo.read(grown, address.id, address.budget)

    def shard_state(self, path: Path, video_id: str) -> str:
        """Return a text that tells the shard of a video, and changes with it."""
        store = self.store(path)
        shard = store.folder / store.shard_name(video_id)
        return f"{shard} {state_of(shard)}"

    def store(self, path: Path, *, grown: bool = False) -> Store:
        """Return the store at `path`, with `grown` the videos that came since. Raises StoreError.

        A store of a million videos takes seconds to open.
        """
        with self._lock:
            try:
                made, listed = made_at(path), listed_at(path)
            except OSError:
                self._open.pop(path, None)
                return open_store(path)
            known = self._open.get(path)
            if known and known[0] == made and not (grown and known[1] != listed):
                return known[2]
            store = open_store(path)
            self._open[path] = made, listed, store
            return store


def made_at(path: Path) -> State:
    """Return a state that changes when a store is made anew. Raises OSError."""
    run = path / RUN_NAME
    return state_of(run if run.exists() else path)


def listed_at(path: Path) -> list[State]:
    """Return a state that changes when videos come to a store. Raises OSError."""
    lists = list_lines(path, MANIFEST) if path.is_dir() else []
    return [state_of(one) for one in (path, *lists)]


def state_of(path: Path) -> State:
    """Return the state of one file. Raises OSError."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
