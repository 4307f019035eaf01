"""The table of selections' provenance and numbers: a row for each fact, a column for each view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from torch import Tensor

from evscli.errors import UsageError
from evscli.evaluation.metrics import budget_entropy, event_survival
from evscli.evaluation.metrics.events import event_cells, known_events
from evscli.records import PrunedVideo
from evscli.render.views import View, option_texts
from evscli.video import VideoIndex


@dataclass(frozen=True)
class Fact:
    """One row of the table."""

    name: str
    cells: Sequence[str]


def table_of(views: Sequence[View], source: VideoIndex | None) -> list[Fact]:
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
        "pruned": "after the encoder"
        if info.prune_at is None
        else f"inside the encoder, after block {info.prune_at}",
        "question": info.query or "",
        "model": f"{info.model.name} ({info.model.model_type}, {info.model.arithmetic})",
        "vision weights": f"sha256 {info.model.vision_sha256[:16]}…",
        "cells": " x ".join(map(str, info.grid_thw))
        + f", resized to {size_text(info.resized_size)}",
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
    try:
        masks = _event_masks(source, record)
    except UsageError:  # another project's truth.json, or a forced source's
        return {}
    shares = event_survival(record.keep_mask, masks)
    if not shares:
        return {}
    seen = sum(share > 0 for share in shares)
    return {
        "known events seen": f"{seen} of {len(shares)}",
        "tokens of known events": f"{fmean(shares):.1%}",
    }


def _event_masks(source: VideoIndex, record: PrunedVideo) -> list[Tensor]:
    info = record.info
    return [
        event_cells(
            event,
            source_index=record.source_index,
            source_size=info.source_size,
            grid_thw=info.grid_thw,
            temporal_patch_size=info.model.temporal_patch_size,
        )
        for event in known_events(source.path)
    ]


def size_text(size: tuple[int, int]) -> str:
    """Write (height, width) as `width x height`."""
    return f"{size[1]}x{size[0]}"
