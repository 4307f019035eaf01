"""The writer of a store: pruned videos are kept through kills, full disks and second runs.

A video first becomes a file of its own (staging.py); when enough of them wait they are merged into
a shard, and only when that is durable do their manifest lines follow.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from errno import ENOENT
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import Self

from evscli.errors import StoreError
from evscli.records import Failure, Origin, PrunedVideo, RunConfig
from evscli.store.catalogue import check_sizes, read_catalogue
from evscli.store.codec import fingerprint
from evscli.store.devices import note_device
from evscli.store.durable import FULL, make_folder, publish
from evscli.store.failures import append_failure, read_failures
from evscli.store.locks import writer_lock
from evscli.store.manifest import append_entries, shard_entries
from evscli.store.run import claim_run
from evscli.store.schema import check_id, shard_name, staging_folder
from evscli.store.staging import StagedVideo, StagingFolder

logger = logging.getLogger(__name__)

SHARD_BYTES = 256 << 20
SHARD_VIDEOS = 1024


class StoreWriter:
    """A writer that adds videos to one store; use it in a `with` statement.

    Several may write to one store at a time, each under its own `writer` number. Whatever ends the
    `with` block, every video added is kept.
    """

    def __init__(
        self,
        folder: Path,
        config: RunConfig,
        *,
        writer: int = 0,
        shard_bytes: int = SHARD_BYTES,
        shard_videos: int = SHARD_VIDEOS,
    ) -> None:
        """Set the limits of a shard, which closes before `shard_bytes` or at `shard_videos`."""
        self.folder = folder
        self._config = config
        self._writer = writer
        self._shard_bytes = shard_bytes
        self._shard_videos = shard_videos
        self._finished: dict[str, Origin] = {}
        self._failed: dict[str, Failure] = {}
        self._staged: list[StagedVideo] = []
        self._claimed = False
        self.remark: str | None = None
        """The remark on a store that was begun on another device, once it is open."""

    def __enter__(self) -> Self:
        """Claim the store and take up what an earlier run left.

        Raises StoreBusyError where the same writer is at work, MismatchError where the store holds
        another configuration, DamagedError, or StoreError where the folder cannot be written.
        """
        with ExitStack() as stack:
            try:
                self._open(stack)
            except OSError as error:
                raise self._refusal(error) from error
            self._claim = stack.pop_all()
            self._claimed = True
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def finished(self) -> Mapping[str, Origin]:
        """The source, question and part of every video in the store by id, whoever wrote it."""
        return MappingProxyType(self._finished)

    @property
    def failed(self) -> Mapping[str, Failure]:
        """The last failure of every video by id, those that are finished by now included."""
        return MappingProxyType(self._failed)

    def add(self, record: PrunedVideo) -> None:
        """Keep one video; its tensors are not needed any longer afterwards.

        Raises UsageError for an id that cannot be one, VideoError for values that do not fit the
        store's dtype, StoreError for an id that is finished, for a record that contradicts itself,
        and where the disk is full.
        """
        check_id(record.id)
        if record.id in self._finished:
            raise StoreError(
                f"video {record.id!r} is in {self.folder} already: give one of the two another id"
            )
        try:
            video = self._hidden.add(record)
        except OSError as error:
            self._commit_singly()
            raise self._refusal(error) from error
        self._enlist(video)

    def fail(self, failure: Failure) -> Failure:
        """Record that a video could not be pruned; return the failure with its attempts counted."""
        last = self._failed.get(failure.id)
        counted = replace(failure, attempt=last.attempt + 1 if last else 1)
        try:
            append_failure(self.folder, self._writer, counted)
        except OSError as error:
            raise self._refusal(error) from error
        self._failed[failure.id] = replace(counted, traceback=None)  # many would fill memory
        return counted

    def flush(self) -> None:
        """Close the current shard, so that everything added is durable and listed.

        Raises StoreError where the disk is too full even for that; the videos then wait in the
        folder for the next run.
        """
        self._flush(len(self._staged))

    def close(self) -> None:
        """Flush, and release the store.

        A Ctrl-C that comes meanwhile is raised once everything is listed.
        """
        with self._claim:
            try:
                self.flush()
            except KeyboardInterrupt:
                self.flush()
                raise

    def _open(self, stack: ExitStack) -> None:
        if self.folder.exists() and not self.folder.is_dir():
            raise StoreError(f"{self.folder} is a file, not a folder: name another with -o")
        make_folder(self.folder)
        stack.enter_context(writer_lock(self.folder, self._writer))
        hidden = staging_folder(self.folder, self._writer)
        self._hidden = StagingFolder(hidden, fingerprint(self._config.settings))
        stack.callback(self._hidden.remove)
        claim_run(self.folder, self._config, temporary=hidden / "run")
        self.remark = note_device(self.folder, self._writer, self._config)
        self._read_state()
        recovered = self._hidden.recover(self._finished)
        logger.info(
            "writer %d of %s begins: %d videos are finished, %d more had no shard yet",
            self._writer,
            self.folder,
            len(self._finished),
            len(recovered),
        )
        for video in recovered:
            self._enlist(video)

    def _read_state(self) -> None:
        """Read the finished videos, and list own shards that a killed run did not come to list."""
        catalogue = read_catalogue(self.folder, keep=attrgetter("origin"))
        check_sizes(self.folder, catalogue)
        self._finished = catalogue.finished
        self._failed = read_failures(self.folder)
        self._number = catalogue.next_number(self._writer)
        catalogue.list_missing(self.folder, self._writer)

    def _enlist(self, video: StagedVideo) -> None:
        """Let a video wait for its shard, and close the shard at its limits."""
        self._staged.append(video)
        self._finished[video.id] = video.origin
        size = sum(waiting.size for waiting in self._staged)
        if size > self._shard_bytes and len(self._staged) > 1:
            self._flush(len(self._staged) - 1)
            size = video.size
        if size >= self._shard_bytes or len(self._staged) >= self._shard_videos:
            self.flush()

    def _flush(self, count: int) -> None:
        try:
            self._commit(count)
        except StoreError as error:
            if self._is_removed():
                raise self._removed() from error
            raise
        except OSError:
            self._commit_singly()

    def _commit_singly(self) -> None:
        """Make each waiting file a shard as it is: a full disk has no room for a merged copy."""
        try:
            while self._staged:
                self._commit(1)
        except OSError as error:
            raise self._refusal(error) from error

    def _commit(self, count: int) -> None:
        """Make a shard of the first `count` waiting videos, then list it. Raises OSError."""
        self._list_shard()
        if chosen := self._staged[:count]:
            publish(self._hidden.merge(chosen), self._next_shard())
            self._list_shard()

    def _list_shard(self) -> None:
        """List the next shard if it is there, just published or left by an interruption."""
        path = self._next_shard()
        if not path.exists():
            return
        entries = shard_entries(path)
        ids = {entry.id for entry in entries}
        listed = [video for video in self._staged if video.id in ids]
        rest = [video for video in self._staged if video.id not in ids]
        append_entries(self.folder, self._writer, entries)
        # One step, so that an interrupt cannot leave a video both listed and waiting.
        self._number, self._staged = self._number + 1, rest
        for video in listed:
            video.path.unlink(missing_ok=True)

    def _next_shard(self) -> Path:
        return self.folder / shard_name(self._writer, self._number)

    def _is_removed(self) -> bool:
        """Return whether the store was removed, or is being removed: one file after another."""
        waiting = [] if self._next_shard().exists() else self._staged
        return not (self._hidden.folder.is_dir() and all(v.path.exists() for v in waiting))

    def _removed(self) -> StoreError:
        return StoreError(
            f"{self.folder} was removed while it was written to: run the same command again, "
            "which does again what is gone"
        )

    def _refusal(self, error: OSError) -> StoreError:
        if self._claimed and (error.errno == ENOENT or self._is_removed()):
            return self._removed()
        kept = "nothing in it is lost"
        if self._finished:
            kept = f"{len(self._finished) - len(self._staged)} finished videos are kept"
        if self._staged:
            kept += f" and {len(self._staged)} more wait for their shard"
        if error.errno in FULL:
            return StoreError(
                f"no space left for {self.folder} ({error.strerror}): {kept}; free some space and "
                "run the same command again, which goes on from there"
            )
        return StoreError(
            f"cannot write to {self.folder} ({error.strerror or error}): {kept}; check the folder "
            "and its permissions, then run the same command again, or name another with -o"
        )
