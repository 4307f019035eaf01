"""The files of `evs visualize`, each written whole or not at all."""

from __future__ import annotations

import io
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evscli.cli.notes import progress
from evscli.errors import UsageError
from evscli.render.views import View
from evscli.store.durable import replace_file

if TYPE_CHECKING:
    from evscli.video import VideoIndex

FRAMES = 48


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The views to draw, and the frames to draw them over."""

    views: list[View]
    source: VideoIndex | None
    frames: int | None
    time: str | None
    scores: bool
    """Whether a report begins with the heatmap."""


def write_png(asked: Asked, output: Path) -> None:
    """Write the contact sheet."""
    from evscli.render.sheet import contact_sheet

    view = asked.views[0]
    start, stop = parse_time(asked.time)
    total = len(view.record.source_index)
    with progress(total, unit="frame") as advance:
        sheet, shown = contact_sheet(
            view,
            asked.source,
            frames=asked.frames or FRAMES,
            start=start,
            stop=stop,
            advance=advance,
        )
    file = io.BytesIO()
    sheet.save(file, format="PNG")
    replace_file(output, file.getvalue())
    print(f"{output}: {shown} of {total} sampled frames, {view.summary}")


def write_mp4(asked: Asked, output: Path) -> None:
    """Write the overlay video."""
    from evscli.render.frames import shown_frames
    from evscli.render.overlay import write_overlay

    view = asked.views[0]
    total = len(shown_frames(view.record, asked.source))
    temporary = output.with_name(f".evs-{os.getpid()}.mp4")
    try:
        with progress(total, unit="frame") as advance:
            write_overlay(view, asked.source, temporary, advance=advance)
        temporary.replace(output)
    finally:
        temporary.unlink(missing_ok=True)
    print(f"{output}: {total:,} frames, {view.summary}")


def write_html(asked: Asked, output: Path) -> None:
    """Write the report."""
    from evscli.render.report import html_report

    total = len(asked.views[0].record.source_index)
    with progress(total, unit="frame") as advance:
        page = html_report(asked.views, asked.source, heated=asked.scores, advance=advance)
    replace_file(output, page.encode())
    shown = "; ".join(view.summary for view in asked.views)
    print(f"{output}: {len(page) / 1e6:.1f} MB, {shown}")


def parse_time(text: str | None) -> tuple[float | None, float | None]:
    """Return `12.5-20` as seconds. Either side may be missing. Raises UsageError for other text."""
    if text is None:
        return None, None
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+)?-(\d+\.?\d*|\.\d+)?", text)
    if match is None or not any(match.groups()):
        raise UsageError(f"time {text!r} is not understood: write seconds such as 12.5-20")
    start, stop = (None if side is None else float(side) for side in match.groups())
    if start is not None and stop is not None and start > stop:
        raise UsageError(f"time {text!r} goes backwards: write {stop:g}-{start:g}")
    return start, stop
