"""`evs visualize`: the patches that survived, over the frames of the source."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evscli.cli import options
from evscli.cli.checks import check_output, chosen_id
from evscli.cli.command import command
from evscli.cli.notes import note, progress
from evscli.errors import UsageError
from evscli.store.durable import make_folder, replace_file

if TYPE_CHECKING:
    from evscli.records import PrunedVideo
    from evscli.render.views import View
    from evscli.video import VideoIndex

FRAMES = 48


@dataclass(frozen=True, kw_only=True)
class PictureRequest:
    """The views to draw, and the frames to draw them over."""

    views: list[View]
    source: VideoIndex | None
    frames: int | None
    time: str | None
    scores: bool
    """Whether a report begins with the heatmap."""


@command
def visualize(
    store: options.Store,
    output: options.Picture,
    video_id: options.SeenVideo = None,
    budget: options.SmallerBudget = None,
    against: options.Against = None,
    beside: options.Beside = (),
    scores: options.HeatMap = False,
    frames: options.ShownFrames = None,
    time: options.ShownTime = None,
    root: options.Root = None,
    video: options.SourceVideo = None,
    force: options.ForceSource = False,
) -> None:
    """Draw which patches survived: a contact sheet, an overlay video or an HTML report.

    The ending of -o chooses the form: .png, .mp4 or .html. The source is looked for where it was
    pruned from on this machine, or below --root, or is --video; without it cells are drawn alone.

    Example: evs visualize evs-out/mini-vcast-0.3 clip -o sheet.png

    Example: evs visualize stores/vcast-0.25 clip --beside stores/evs-0.25 -o report.html

    Example: evs visualize stores/vcast-0.25 clip --against stores/evs-0.25 -o difference.mp4
    """
    from evscli.render.views import check_alike
    from evscli.store import open_store

    form = form_of(output, beside=beside, frames=frames, time=time)
    if against is not None and (beside or scores):
        raise UsageError("--against goes with neither --beside nor --scores: leave these out")
    check_output(output.parent)
    if output.is_dir():
        raise UsageError(f"{output} is a folder: name a file with -o")
    opened = open_store(store)
    record = opened[chosen_id(opened, video_id, "after it")]
    record = record if budget is None else record.at(budget)
    stores = [Path(against)] if against else [*beside]
    others = [(path, open_store(path)[record.id]) for path in stores]
    for path, other in others:
        check_alike(record, other, path)
    named = [(store, record), *others]
    asked = PictureRequest(
        views=views_to_draw(named, form, against=against is not None, scores=scores),
        source=source_of(record, store, root=root, video=video, force=force),
        frames=frames,
        time=time,
        scores=scores,
    )
    refuse_source(output, asked.source)
    make_folder(output.parent)
    FORMS[form](asked, output)


def views_to_draw(
    named: Sequence[tuple[Path, PrunedVideo]], form: str, *, against: bool, scores: bool
) -> list[View]:
    """Return the views of the stores: two in one picture, each by itself, or in a report both."""
    from evscli.render.views import against_view, views_of

    report = form == ".html"
    together = [against_view(*named)] if against else []
    if against and not report:
        return together
    wanted = (scores or report) and not against
    return [*together, *views_of(named, scores=wanted, must=scores and not report)]


def refuse_source(output: Path, source: VideoIndex | None) -> None:
    """Raise UsageError where the picture would take the place of the video itself."""
    if source is not None and output.exists() and output.samefile(source.path):
        raise UsageError(f"{output} is the video itself: give another name with -o")


def form_of(output: Path, *, beside: Sequence[Path], frames: int | None, time: str | None) -> str:
    """Return the kind of picture. Raises UsageError for another ending or an option without use."""
    form = output.suffix.lower()
    if form not in FORMS:
        raise UsageError(
            f"the name {output.name!r} does not choose a picture: let it end in .png (contact "
            "sheet), .mp4 (overlay video) or .html (report)"
        )
    if beside and form != ".html":
        raise UsageError("--beside shows several stores in a report: let -o end in .html")
    if (frames is not None or time is not None) and form != ".png":
        raise UsageError("--frames and --time choose frames of a contact sheet: let -o end in .png")
    return form


def source_of(
    record: PrunedVideo, store: Path, *, root: str | None, video: str | None, force: bool
) -> VideoIndex | None:
    """Open the video that a record was pruned from. Where it is not found, note it, return None."""
    from evscli.corpus.roots import remembered
    from evscli.render.source import check_source, find_source, open_source

    info = record.info
    if video is not None:
        return open_source(check_source(Path(video), info, force=force), info)
    folder = store if store.is_dir() else store.parent  # of a lone shard
    path = find_source(info, [Path(root)] if root is not None else remembered(folder), force=force)
    if path is not None:
        return open_source(path, info)
    if root is not None:
        raise UsageError(
            f"there is no {info.source.path} below {root}: name the folder that the video was "
            "pruned from, or the file with --video"
        )
    note(
        f"the source {info.source.path} was not found, so cells are drawn without pictures; name "
        "its folder with --root, or the file with --video"
    )
    return None


def write_png(asked: PictureRequest, output: Path) -> None:
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


def write_mp4(asked: PictureRequest, output: Path) -> None:
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


def write_html(asked: PictureRequest, output: Path) -> None:
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


FORMS = {".png": write_png, ".mp4": write_mp4, ".html": write_html}
"""The functions that write a file, by its ending."""
