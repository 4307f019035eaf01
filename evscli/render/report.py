"""The HTML report: one file that holds everything, with a player, layers, hover and a table."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from statistics import fmean
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from evscli.errors import UsageError
from evscli.evaluation.metrics import budget_entropy, event_survival
from evscli.evaluation.metrics.events import known_event_cells
from evscli.records import PrunedVideo
from evscli.records.place import pruned_text
from evscli.render.colours import OUTLINE, Colour, heat_colours
from evscli.render.frames import BLANK, Advance, cuts_of, silently
from evscli.render.jpegs import encoded_pictures
from evscli.render.paint import DARK, DIM
from evscli.render.views import View, option_texts
from evscli.video import VideoIndex

MOST_WIDE = 640
MOST_TALL = 560
PAGE_BYTES = 23_500_000
"""The most bytes of data in a page, as far as smaller pictures can achieve it."""


def html_report(
    views: Sequence[View],
    source: VideoIndex | None,
    *,
    heated: bool = False,
    advance: Advance = silently,
) -> str:
    """Return the page. All views must be of one video with the same frames and grid.

    With `heated` the page opens with the heatmap of scores; `advance` is called for the sampled
    frames drawn. Raises UsageError where `heated` is asked for without scores, and VideoError for a
    frame that cannot be decoded.
    """
    record = views[0].record
    size = display_size(record.info.source_size)
    has_scores = any(scores_of(view) is not None for view in views)
    if heated and not has_scores:
        raise UsageError("no store here holds scores: prune again with --scores, or leave it out")
    values = payload(views, cuts_of(record, source), size)
    if source is not None:
        room = PAGE_BYTES - len(as_script(values))
        values["pictures"] = encoded_pictures(record, source, size=size, room=room, advance=advance)
    selections = [view for view in views if not view.compared]
    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(
        part("report.html.j2")
    )
    return page.render(
        title=record.id,
        subtitle=subtitle(record),
        frames=len(record.source_index),
        aspect=f"{size[0] / size[1]:.5f}",
        has_pictures=source is not None,
        has_scores=has_scores,
        heated=heated,
        views=[shown(view) for view in views],
        selections=[view.name for view in selections],
        table=facts_table(selections, source),
        ramp=Markup(
            ", ".join(css(tuple(colour)) for colour in heat_colours(np.linspace(0, 1, 9)).tolist())
        ),
        style=Markup(part("report.css")),
        script=Markup(part("report.js")),
        data=Markup(as_script(values)),
    )


def payload(views: Sequence[View], cuts: Sequence[int], size: tuple[int, int]) -> dict[str, Any]:
    """Return the data of the page's script, without pictures."""
    record = views[0].record
    return {
        "grid": list(record.info.grid_thw),
        "perPatch": record.info.model.temporal_patch_size,
        "size": list(size),
        "times": [round(time, 4) for time in record.frame_times.tolist()],
        "pictures": [],
        "cuts": list(cuts),  # sampled frames
        "dim": DIM,
        "dark": DARK,
        "blank": css(BLANK),
        "outline": css(OUTLINE),
        "colours": text_of(heat_colours(np.linspace(0, 1, 256))),
        "views": [values_of(view) for view in views],
    }


def values_of(view: View) -> dict[str, Any]:
    """Return one player's part of the script's data."""
    painter, scores = view.painter, scores_of(view)
    patches = range(painter.grid_thw[0])
    scale = painter.scale
    return {
        "name": view.name,
        "states": text_of(painter.states),
        "words": [look.word for look in painter.looks],
        "tints": [look.tint and list(look.tint) for look in painter.looks],
        "scores": None if scores is None else text_of(scores),
        "scale": None if scale is None else {"low": scale.low, "high": scale.high},
        "captions": list(painter.captions),
        "bars": [[[bar.count, css(bar.colour)] for bar in painter.bars(t)] for t in patches],
    }


def shown(view: View) -> dict[str, Any]:
    """Return the texts and colours of a player for the template."""
    scale = view.painter.scale
    return {
        "name": view.name,
        "described": view.described,
        "legend": [
            {"colour": css(look.colour) if state else "var(--track)", "text": look.key}
            for state, look in reversed([*enumerate(view.painter.looks)])
        ],
        "scale": None
        if scale is None
        else {"low": f"{scale.low:.3g}", "high": f"{scale.high:.3g}"},
    }


def scores_of(view: View) -> Any:
    """Return the scores [T, h, w] float16 where the painter draws a heatmap, else None."""
    scores = view.record.scores
    if view.painter.scale is None or scores is None:
        return None
    return scores.numpy().astype("<f2")


def subtitle(record: PrunedVideo) -> str:
    """Return a line on the video: source, length, size, frames and grid."""
    info = record.info
    t, h, w = info.grid_thw
    height, width = info.source_size
    part = "" if info.part is None else f" ({info.part})"
    return (
        f"{info.source.path}, {info.duration:.1f} s{part}, {width}x{height}; "
        f"{len(record.source_index)} sampled frames, grid {t}x{h}x{w}"
    )


def display_size(source_size: tuple[int, int]) -> tuple[int, int]:
    """Return the (width, height) of the pictures in a report."""
    height, width = source_size
    share = min(1.0, MOST_WIDE / width, MOST_TALL / height)
    return max(1, round(width * share)), max(1, round(height * share))


def part(name: str) -> str:
    """Return the text of a file of the page."""
    return files("evscli.render").joinpath("page", name).read_text(encoding="utf-8")


def as_script(values: Any) -> str:
    """Return JSON that cannot end the script element in which it stands."""
    return json.dumps(values, separators=(",", ":")).replace("<", "\\u003c")


def text_of(values: Any) -> str:
    """Return the bytes of an array in base64."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")


def css(colour: Colour | tuple[int, ...]) -> str:
    """Return a colour as a style sheet has it."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


@dataclass(frozen=True)
class Fact:
    """One row of the table."""

    name: str
    cells: Sequence[str]


def facts_table(views: Sequence[View], source: VideoIndex | None) -> list[Fact]:
    """Return the facts that any of the views has."""
    columns = [facts_of(view.record, source) for view in views]
    names = list(dict.fromkeys(name for column in columns for name in column))
    return [Fact(name, [column.get(name, "") for column in columns]) for name in names]


def facts_of(record: PrunedVideo, source: VideoIndex | None) -> dict[str, str]:
    """Return the facts about one record, by name."""
    info = record.info
    facts = {
        "method": " ".join([info.method, *option_texts(info.options)]),
        "budget": info.budget_rule or f"{info.budget:g}",
        "tokens kept": f"{info.kept:,} of {info.tokens:,} ({info.retention:.1%})",
        "pruned": pruned_text(info.prune_at),
        "question": info.query or "",
        "model": f"{info.model.name} ({info.model.model_type}, {info.model.arithmetic})",
        "vision weights": f"sha256 {info.model.vision_sha256[:16]}…",
        "cells": " x ".join(map(str, info.grid_thw))
        + f", resized to {pixels_text(info.resized_size)}",
        "source": f"{info.source.path}, {info.source.size:,} bytes",
        "part of the source": "" if info.part is None else str(info.part),
        "source bytes": f"sha256 {info.source.sha256[:16]}…",
        "entropy of frame budgets": f"{budget_entropy(record.keep_mask):.3f}",
        **recall_of(record, source),
        "notes": " ".join(info.notes),
    }
    return {name: value for name, value in facts.items() if value}


def recall_of(record: PrunedVideo, source: VideoIndex | None) -> dict[str, str]:
    """Return what survives of the events that a truth.json beside the source names."""
    if source is None:
        return {}
    info = record.info
    try:
        found = known_event_cells(
            source.path,
            source_index=record.source_index,
            source_size=info.source_size,
            grid_thw=info.grid_thw,
            temporal_patch_size=info.model.temporal_patch_size,
        )
    except UsageError:  # another project's truth.json, or a forced source's
        return {}
    shares = event_survival(record.keep_mask, [cells for _, cells in found])
    if not shares:
        return {}
    seen = sum(share > 0 for share in shares)
    return {
        "known events seen": f"{seen} of {len(shares)}",
        "tokens of known events": f"{fmean(shares):.1%}",
    }


def pixels_text(size: tuple[int, int]) -> str:
    """Write (height, width) as `width x height`."""
    return f"{size[1]}x{size[0]}"
