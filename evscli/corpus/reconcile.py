"""What stores say of the inputs of a run, before it and after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evscli.errors import StoreError
from evscli.records import Failure, Origin, VideoInput
from evscli.store import open_store


@dataclass(frozen=True, kw_only=True)
class StoreStock:
    """What a store knows of videos, at one moment."""

    finished: Mapping[str, Origin]
    failed: Mapping[str, Failure]


def stock_of(folder: Path) -> StoreStock:
    """What is in a store now. Raises StoreError."""
    store = open_store(folder)
    finished = {key: entry.origin for key, entry in store.catalogue.finished.items()}
    return StoreStock(finished=finished, failed=store.failures)


def refuse_lost(videos: Sequence[VideoInput], folders: Sequence[Path]) -> None:
    """Raise StoreError where a video is neither in a store nor among its failures."""
    for folder in folders:
        stock = stock_of(folder)
        lost = [v for v in videos if v.id not in stock.finished and v.id not in stock.failed]
        if lost:
            raise StoreError(
                f"{len(lost)} videos are neither in {folder} nor among its failures, the first is "
                f"{lost[0].path}: run the same command again, which does them"
            )
