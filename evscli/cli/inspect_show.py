"""The output of `evs inspect`, as one JSON document or for people, and the check of `--verify`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from evscli.cli.inspect_view import print_failure, print_store, print_video
from evscli.cli.notes import progress
from evscli.errors import StoreError
from evscli.records import VideoInfo
from evscli.store import find_stores, open_store
from evscli.store.codec import to_json
from evscli.store.failures import read_traceback
from evscli.store.integrity import Problem, ShardCheck, check_shards, shard_checks
from evscli.store.schema import token_bytes
from evscli.store.summary import StoreSummary, VideoSummary, summarize_store, summarize_video
from evscli.texts import count_text, duration_text, size_text

T = TypeVar("T")

WIDE = 110
"""The columns from which a terminal also shows how the stores were made."""


@dataclass(kw_only=True)
class Verified:
    """The findings in one store."""

    store: Path
    videos: int = 0
    """The number of videos that were checked."""
    checks: list[ShardCheck] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def show(path: Path, video: str | None, *, as_json: bool) -> None:
    """Print a folder of stores, one store, or one video of it that was pruned or failed."""
    if video is None and (several := find_stores(path)):
        summaries = [summarize_store(open_store(one)) for one in several]
        _show(summaries, lambda all: [*map(_store_document, all)], _print_stores, as_json=as_json)
        return
    store = open_store(path)
    if video is None:
        _show(summarize_store(store), _store_document, print_store, as_json=as_json)
    elif (failure := store.failures.get(video)) is not None:
        known = replace(failure, traceback=read_traceback(store.path, failure))
        _show(known, to_json, print_failure, as_json=as_json)
    else:
        _show(summarize_video(store, video), _video_document, print_video, as_json=as_json)


def verify(path: Path, video: str | None, *, as_json: bool, processes: int | None) -> int:
    """Check every shard of all stores, or one video; print the problems, return the exit code."""
    stores = find_stores(path) if video is None else []
    verified = _verify_stores(stores or [path], video, processes=processes)
    _show(verified, _verify_document, _print_problems, as_json=as_json)
    return 1 if any(one.problems for one in verified) else 0


def _show(
    value: T, document: Callable[[T], object], show: Callable[[T], None], *, as_json: bool
) -> None:
    if as_json:
        print(json.dumps(document(value), indent=2))
    else:
        show(value)


def _verify_stores(
    stores: Sequence[Path], video: str | None, *, processes: int | None
) -> list[Verified]:
    """Check every shard, or one video, of every store.

    Raises StoreError where the only store cannot be opened. Among several stores that is a problem
    of this store.
    """
    verified = [_open(path, video, alone=len(stores) == 1) for path in stores]
    checks = [(one, check) for one in verified for check in one.checks]
    found: list[list[Problem]] = [[] for _ in checks]
    with progress(len(checks), unit="shard") as advance:
        for number, problems in check_shards([check for _, check in checks], processes=processes):
            found[number] = problems
            advance(1)
    for (one, _), problems in zip(checks, found, strict=True):
        one.problems += problems
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


def _print_problems(verified: Sequence[Verified]) -> None:
    """Print a line per problem and one per store; problems of several stores with its name."""
    for one in verified:
        folder = f"{one.store}/" if len(verified) > 1 else ""
        for problem in one.problems:
            where = f"{folder}{problem.shard}, video {problem.id}: " if problem.id else ""
            print(f"{where}{problem.message}")
        found = count_text(len(one.problems), "problem") if one.problems else "no problems"
        print(f"{one.store}: {found}, {count_text(one.videos, 'video')} checked")


def _verify_document(verified: Sequence[Verified]) -> object:
    """Return the findings in every store, for a single one not in a list."""
    documents = [
        {"store": str(one.store), "videos": one.videos, "problems": to_json(one.problems)}
        for one in verified
    ]
    return documents[0] if len(documents) == 1 else documents


def _store_document(summary: StoreSummary) -> dict[str, Any]:
    """Return the values of the whole store."""
    shards = zip(summary.videos, summary.shard_names, strict=True)
    return {
        "store": summary.path,
        "fingerprint": summary.fingerprint,
        **_run(summary),
        "totals": {
            "videos": len(summary.videos),
            "waiting": summary.waiting,
            "lost": summary.lost,
            "failures": len(summary.failures),
            "tokens": summary.tokens,
            "kept": summary.kept,
            "retention": summary.retention,
            "seconds": summary.seconds,
            "shards": summary.shards,
            "bytes": summary.size,
        },
        "videos": [_video(info) | {"shard": name} for info, name in shards],
        "failures": to_json(summary.failures),
    }


def _video_document(summary: VideoSummary) -> dict[str, Any]:
    """Return the values of one video in depth."""
    return {
        **_video(summary.info),
        "shard": summary.shard_name,
        "sha256": summary.sha256,
        "bytes": summary.size,
        "tensors": to_json(summary.tensors),
        "frames": to_json(summary.frames),
        **_run(summary),
    }


def _video(info: VideoInfo) -> dict[str, Any]:
    values: dict[str, Any] = to_json(info)
    size = token_bytes(info.model, info.store_dtype)
    return values | {"tokens": info.tokens, "retention": info.retention, "token_bytes": size}


def _run(summary: StoreSummary | VideoSummary) -> dict[str, Any]:
    run: Any = to_json(summary.run) if summary.run else {"settings": None, "provenance": None}
    return {**run, "devices": to_json(summary.devices)}


def _print_stores(summaries: Sequence[StoreSummary]) -> None:
    """Print a table on a terminal; piped, tab-separated plain numbers, seconds and bytes."""
    console = Console(highlight=False)
    if not console.is_terminal:
        for summary in summaries:
            print(_store_line(summary))
        return
    wide = console.width >= WIDE
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("store", overflow="fold")
    for name in ("videos", "failed", "tokens", "kept", "%", "duration", "on disk"):
        table.add_column(name, justify="right", overflow="fold")
    for name in ("method", "budget", "model") if wide else ():
        table.add_column(name, overflow="fold")
    for summary in summaries:
        cells = (*_store_cells(summary), *(_made_with(summary) if wide else ()))
        table.add_row(*map(Text, cells))
    console.print(table)


def _store_cells(summary: StoreSummary) -> tuple[str, ...]:
    return (
        Path(summary.path).name,
        f"{len(summary.videos):,}",
        f"{len(summary.failures):,}" if summary.failures else "",
        f"{summary.tokens:,}",
        f"{summary.kept:,}",
        "" if summary.retention is None else f"{summary.retention:.1%}",
        duration_text(summary.seconds),
        size_text(summary.size),
    )


def _store_line(summary: StoreSummary) -> str:
    numbers = (
        len(summary.videos),
        len(summary.failures),
        summary.tokens,
        summary.kept,
        "" if summary.retention is None else f"{summary.retention:.4f}",
        f"{summary.seconds:.3f}",
        summary.size,
    )
    return "\t".join((summary.path, *map(str, numbers), *_made_with(summary)))


def _made_with(summary: StoreSummary) -> tuple[str, str, str]:
    """Return method, budget and model, which are empty without videos."""
    if not summary.videos:
        return "", "", ""
    info = summary.videos[0]
    return info.method, info.budget_rule or f"{info.budget:g}", info.model.name
