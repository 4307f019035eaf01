"""The output of `evs prune` for people: a line per video, progress, and a summary."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from tqdm import tqdm

from evscli.cli.notes import SECONDS_BETWEEN_LINES, note, say_failure
from evscli.corpus.progress import Progress, ProgressState
from evscli.corpus.tasks import Done, Summary, Task
from evscli.records import Failure, VideoInfo, dtype_text
from evscli.store.run import encoder_dtypes
from evscli.texts import count_text, duration_text


def print_safely(line: str) -> None:
    """Print a line. A lost standard output does not end a run that is storing videos."""
    try:
        print(line, flush=True)
    except OSError as error:
        print(f"note: no more output ({error.strerror}); the run goes on", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class RunReport:
    """A printer of results as they come."""

    def __init__(self, *, model: str, stores: Sequence[Path]) -> None:
        self.model = model
        self.stores = stores
        self.said: tuple[str, str] | None = None

    def begin(self, tasks: Sequence[Task], summaries: Sequence[Summary]) -> None:
        """Print the number of videos that are done already, and show the bar."""
        for number, summary in enumerate(summaries):
            if summary.skipped:
                videos = count_text(summary.skipped, "video")
                print_safely(f"{self._where(number)}{videos} already done")
        self.progress = Progress(tasks)
        self.bar = LiveBar(self.progress)

    def done(self, done: Done, *, again: bool) -> None:
        """Print the line of one video: pruned or failed."""
        with self.bar.paused():
            if isinstance(done.outcome, Failure):
                self._fail(done.outcome, again=again)
            else:
                self._show(self._where(done.store), done.outcome)
        if not again:
            self.bar.advance(self.progress.add(done))

    def remark(self, text: str) -> None:
        """Print a remark about the run."""
        with LiveBar.paused():
            note(text)

    def finish(self, summaries: Sequence[Summary]) -> None:
        """Print a summary of the run."""
        self.bar.close()
        for store, summary in zip(self.stores, summaries, strict=True):
            print_safely("\n".join(summary_lines(summary)))
            if len(summaries) > 1:
                print_safely(f"store   {store}")
        state = self.progress.state()
        if state.seconds:
            print_safely(
                f"time    {state.seconds:.1f} s of video in {state.elapsed:.1f} s "
                f"({state.speed:.1f} times real time)"
            )
        made = encoder_dtypes(self.stores[0])
        print_safely(f"model   {self.model}" + (f" ({dtype_text(*made)})" if made else ""))
        if len(summaries) == 1:
            print_safely(f"store   {self.stores[0]}")

    def _where(self, number: int) -> str:
        return f"{self.stores[number].name}: " if len(self.stores) > 1 else ""

    def _fail(self, failure: Failure, *, again: bool) -> None:
        """Print the reason of a failure, once where it is the same for several stores."""
        if (failure.id, failure.message) != self.said:
            self.said = (failure.id, failure.message)
            later = "; it will be tried again" if again else ""
            say_failure(failure, later)

    def _show(self, where: str, info: VideoInfo) -> None:
        print_safely(where + describe(info))
        for remark in info.notes:
            note(f"{where}{info.id}: {remark}")


class LiveBar:
    """A bar by seconds of video on a terminal, or a line now and then when piped."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._shown = sys.stderr.isatty()
        self._said = time.monotonic()
        self._bar = tqdm(
            disable=not self._shown or not progress.state().videos,
            total=1.0,
            dynamic_ncols=True,
            bar_format="{desc} |{bar}| {percentage:3.0f}% of {total:.0f} s of video "
            "[{elapsed}<{remaining}]{postfix}",
        )
        self.advance(0.0)

    def advance(self, seconds: float) -> None:
        """Add seconds of video to those that are done."""
        state = self._progress.state()
        if self._shown:
            self._draw(state, seconds)
        elif time.monotonic() - self._said >= SECONDS_BETWEEN_LINES:
            self._said = time.monotonic()
            note(progress_line(state))

    def _draw(self, state: ProgressState, seconds: float) -> None:
        self._bar.total = state.seconds_expected or 1.0  # before anything is known
        self._bar.set_description_str(f"{state.done:,}/{state.videos:,} videos", refresh=False)
        failed = f", {state.failed:,} failed" if state.failed else ""
        self._bar.set_postfix_str(f"{state.speed:.1f} times real time{failed}", refresh=False)
        self._bar.update(seconds)

    @staticmethod
    def paused() -> AbstractContextManager[None]:
        """Clear the bar, where there is one yet, while something else is printed."""
        paused: AbstractContextManager[None] = tqdm.external_write_mode(file=sys.stdout)
        return paused

    def close(self) -> None:
        """Take the bar off the terminal."""
        self._bar.close()


def progress_line(state: ProgressState) -> str:
    """Return the progress of a run in one line."""
    length = duration_text(state.seconds)
    if state.seconds_expected is not None:
        length += f" of about {duration_text(state.seconds_expected)}"
    parts = [
        f"{state.done:,} of {count_text(state.videos, 'video')}",
        f"{length} of video",
        f"{state.speed:.1f} times real time",
        f"{state.rate:.2g} videos/s",
        f"{state.tokens:,} -> {state.kept:,} tokens",
    ]
    if state.failed:
        parts.append(f"{state.failed:,} failed")
    if state.eta is not None:
        parts.append(f"about {duration_text(state.eta)} left")
    return ", ".join(parts)


def summary_lines(summary: Summary) -> list[str]:
    """Return the counts of the videos, and of their tokens."""
    counts = [f"{summary.pruned:,} pruned"]
    if summary.skipped:
        counts.append(f"{summary.skipped:,} already done")
    if summary.failed:
        counts.append(f"{summary.failed:,} failed (see failures-*.jsonl in the store)")
    if summary.failed_earlier:
        earlier = f"{summary.failed_earlier:,} failed earlier"
        counts.append(f"{earlier} (--retry-failed tries them again)")
    lines = [", ".join(counts)]
    if summary.pruned:
        share = summary.kept / summary.tokens
        lines.append(f"tokens  {summary.tokens:,} -> {summary.kept:,} ({share:.1%})")
    return lines


def describe(info: VideoInfo) -> str:
    """Return one line about a video that was pruned."""
    grid = "x".join(map(str, info.grid_thw))
    return (
        f"{info.id}: {info.tokens:,} tokens ({grid}) -> {info.kept:,} "
        f"({info.retention:.1%}), {info.duration:.1f} s of video"
    )
