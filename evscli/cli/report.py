"""What `evs prune` prints: a line per video, and what the run did."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evscli.corpus.local import Summary
from evscli.records import Failure, VideoInfo
from evscli.texts import one_line


class Report:
    """Prints results as they come; with `quiet` only one JSON document at the end."""

    def __init__(self, *, model: str, stores: Sequence[Path], quiet: bool) -> None:
        self.model = model
        self.stores = stores
        self.quiet = quiet
        self.said: set[tuple[str, str]] = set()

    def __call__(self, number: int, result: VideoInfo | Failure | str) -> None:
        """Print the line of one video: pruned, failed, or already in the store."""
        where = f"{self.stores[number].name}: " if len(self.stores) > 1 else ""
        if isinstance(result, Failure):
            self._fail(result)
        elif not self.quiet:
            self._print(where + describe(result))
        if isinstance(result, VideoInfo):
            for note in result.notes:
                print(f"note: {where}{result.id}: {note}", file=sys.stderr, flush=True)

    def _fail(self, failure: Failure) -> None:
        """Print why a video failed, once where it failed alike for several stores."""
        if (failure.id, failure.message) not in self.said:
            self.said.add((failure.id, failure.message))
            print(f"error: {one_line(failure.message)}", file=sys.stderr, flush=True)

    def _print(self, line: str) -> None:
        """Print a line; losing standard output must not end a run that is storing videos."""
        try:
            print(line, flush=True)
        except OSError as error:
            print(f"note: no more output ({error.strerror}); the run goes on", file=sys.stderr)
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def finish(self, summaries: Sequence[Summary], *, elapsed: float) -> None:
        """Print what the run did."""
        if self.quiet:
            documents = [
                {"store": str(store), "model": self.model} | summary_json(summary, elapsed=elapsed)
                for store, summary in zip(self.stores, summaries, strict=True)
            ]
            one = len(documents) == 1
            print(json.dumps(documents[0] if one else documents, indent=2))
            return
        for store, summary in zip(self.stores, summaries, strict=True):
            print("\n".join(summary_lines(summary)))
            if len(summaries) > 1:
                print(f"store   {store}")
        pruned = max(summary.seconds for summary in summaries)
        if pruned:
            print(
                f"time    {pruned:.1f} s of video in {elapsed:.1f} s "
                f"({pruned / elapsed:.1f} times real time)"
            )
        print(f"model   {self.model}")
        if len(summaries) == 1:
            print(f"store   {self.stores[0]}")


def summary_lines(summary: Summary) -> list[str]:
    """What became of the videos, and their tokens."""
    counts = [f"{len(summary.pruned)} pruned"]
    if summary.skipped:
        counts.append(f"{len(summary.skipped)} already done")
    if summary.failed:
        counts.append(f"{len(summary.failed)} failed (see failures-*.jsonl in the store)")
    lines = [", ".join(counts)]
    if summary.pruned:
        share = summary.kept / summary.tokens
        lines.append(f"tokens  {summary.tokens:,} -> {summary.kept:,} ({share:.1%})")
    return lines


def describe(result: VideoInfo | str) -> str:
    """One line about a video that is in the store now."""
    if isinstance(result, str):
        return f"{result}: already done"
    grid = "x".join(map(str, result.grid_thw))
    return (
        f"{result.id}: {result.tokens:,} tokens ({grid}) -> {result.kept:,} "
        f"({result.retention:.1%}), {result.duration:.1f} s of video"
    )


def summary_json(summary: Summary, *, elapsed: float) -> dict[str, Any]:
    """The run as JSON values."""
    return {
        "pruned": [
            {
                "id": info.id,
                "tokens": info.tokens,
                "kept": info.kept,
                "grid_thw": info.grid_thw,
                "seconds": info.duration,
                "notes": info.notes,
            }
            for info in summary.pruned
        ],
        "skipped": summary.skipped,
        "failed": [asdict(failure) for failure in summary.failed],
        "tokens": summary.tokens,
        "kept": summary.kept,
        "seconds_of_video": summary.seconds,
        "elapsed_seconds": round(elapsed, 3),
    }
