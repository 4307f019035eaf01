"""The output of `evs prune --json`: one JSON object a line, printed as things happen.

start     the videos and stores of the run  pruned   a video is in a store
failed    a video could not be pruned       progress state of the run, now and then
summary   one for each store, at the end
left_out  before all others: the number and kinds of files that were not taken as videos
store_dtype  with --store-dtype: its effect on the next token after one video, or `not_measured`
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evscli.cli.notes import SECONDS_BETWEEN_LINES, note, show_traceback
from evscli.cli.report import print_safely
from evscli.corpus.inputs import LeftOut
from evscli.corpus.progress import Progress
from evscli.corpus.tasks import Done, Summary, Task
from evscli.records import Failure, VideoInfo
from evscli.store.run import encoder_dtypes
from evscli.texts import count_text


class Events:
    """A printer of results as JSON lines."""

    def __init__(self, *, model: str, stores: Sequence[Path]) -> None:
        self.model = model
        self.stores = stores
        self.said = time.monotonic()

    def begin(self, tasks: Sequence[Task], summaries: Sequence[Summary]) -> None:
        """Print the event `start`."""
        self.progress = Progress(tasks)
        stores = [
            {
                "store": str(store),
                "skipped": before.skipped,
                "failed_earlier": before.failed_earlier,
            }
            for store, before in zip(self.stores, summaries, strict=True)
        ]
        values = {"model": self.model, "videos": len(tasks), "stores": stores}
        if (made := encoder_dtypes(self.stores[0])) is not None:
            values |= dict(zip(("dtype", "compute_dtype"), made, strict=True))
        emit("start", values)

    def done(self, done: Done, *, again: bool) -> None:
        """Print the event `pruned` or `failed`, and now and then `progress`."""
        store = {"store": str(self.stores[done.store])}
        if isinstance(done.outcome, Failure):
            show_traceback(done.outcome)
            emit("failed", {**store, **asdict(done.outcome), "again": again})
        else:
            emit("pruned", {**store, **pruned_values(done.outcome)})
        if not again:
            self.progress.add(done)
        if time.monotonic() - self.said >= SECONDS_BETWEEN_LINES:
            self.said = time.monotonic()
            self._progress()

    def remark(self, text: str) -> None:
        """Print the event `remark`."""
        emit("remark", {"text": text})

    def finish(self, summaries: Sequence[Summary]) -> None:
        """Print the last `progress`, and a `summary` for each store."""
        self._progress()
        for store, summary in zip(self.stores, summaries, strict=True):
            emit("summary", {"store": str(store), "model": self.model, **asdict(summary)})

    def _progress(self) -> None:
        state = self.progress.state()
        emit("progress", {**asdict(state), "videos_per_second": state.rate, "speed": state.speed})


def pruned_values(info: VideoInfo) -> dict[str, Any]:
    """Return the values of the event `pruned`."""
    return {
        "id": info.id,
        "tokens": info.tokens,
        "kept": info.kept,
        "grid_thw": info.grid_thw,
        "seconds": info.duration,
        "notes": info.notes,
    }


def report_left_out(left_out: LeftOut, *, as_json: bool) -> None:
    """Print a note about files that are not taken as videos, or the event `left_out`."""
    if as_json:
        emit("left_out", {"files": left_out.count, "kinds": dict(left_out.kinds)})
    else:
        were = "was" if left_out.count == 1 else "were"
        note(f"{count_text(left_out.count, 'file')} {were} left out: {left_out}")


def emit(event: str, values: Mapping[str, Any]) -> None:
    """Print one event."""
    print_safely(json.dumps({"event": event, **values}))
