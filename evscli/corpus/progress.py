"""One progress bar per run, by seconds of video, with an ETA. Knows nothing about pruning."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tqdm import tqdm

from evscli.records import VideoInput
from evscli.video import header_duration


class Progress:
    """A bar on a terminal; silent where standard error is piped.

    Seconds of video come from the containers' headers, which need not be exact: a video counts
    for what its header says whether it succeeds or fails, so that the bar always ends full.
    """

    def __init__(self, videos: Sequence[VideoInput], *, shown: bool | None = None) -> None:
        self.failed = 0
        shown = sys.stderr.isatty() if shown is None else shown
        # Opening every file only pays where somebody sees the sum.
        self.seconds = {
            video.id: header_duration(video.path) or 0.0 if shown else 0.0 for video in videos
        }
        self.bar = tqdm(
            total=round(sum(self.seconds.values()), 1),
            unit="s",
            desc=f"0/{len(videos)} videos",
            disable=not shown,
            dynamic_ncols=True,
            bar_format="{desc} |{bar}| {percentage:3.0f}% of {total:.0f} s of video "
            "[{elapsed}<{remaining}, {rate_noinv_fmt}]{postfix}",
        )
        self.done = 0

    def advance(self, video: VideoInput, *, failed: bool = False) -> None:
        """One video is finished, skipped or failed."""
        self.done += 1
        self.failed += failed
        self.bar.set_description_str(f"{self.done}/{len(self.seconds)} videos", refresh=False)
        if self.failed:
            self.bar.set_postfix_str(f"{self.failed} failed", refresh=False)
        self.bar.update(self.seconds[video.id])

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Clear the bar while something else is printed."""
        with tqdm.external_write_mode(file=sys.stdout):
            yield

    def close(self) -> None:
        """Take the bar off the terminal."""
        self.bar.close()
