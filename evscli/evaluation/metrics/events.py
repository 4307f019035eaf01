"""Events that `truth.json` names beside a video, and the cells of the token grid they touch.

The cells follow from frames and pictures alone, without tokens or masks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evscli.errors import UsageError
from evscli.records import IntArray

TRUTH = "truth.json"


@dataclass(frozen=True, kw_only=True)
class SourceEvent:
    """An event in one place for a while, as `sample_videos/truth.json` lists it."""

    name: str
    start: int
    """The number of its first frame: 0-based, in presentation order."""
    end: int
    """The number of the frame after its last."""
    box: Sequence[int]
    """The box [x0, y0, x1, y1] in pixels of the shown picture, x1 and y1 exclusive."""


def known_events(video: Path) -> tuple[SourceEvent, ...]:
    """Read the events of a video. There are none where no `truth.json` beside it names it.

    Raises UsageError for a `truth.json` of another form.
    """
    path = video.parent / TRUTH
    if not path.is_file():
        return ()
    try:
        events = json.loads(path.read_text(encoding="utf-8")).get(video.name, {}).get("events", [])
        return tuple(event_of(event) for event in events)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(
            f"{path} does not list events as sample_videos/README.md describes ({error!r}): "
            "correct it, or move it away"
        ) from error


def event_of(values: Any) -> SourceEvent:
    """Make an event of its JSON values."""
    return SourceEvent(
        name=str(values["name"]),
        start=int(values["start"]),
        end=int(values["end"]),
        box=[int(side) for side in values["box"]],
    )


def event_cells(
    event: SourceEvent,
    *,
    source_index: IntArray | Tensor,
    source_size: tuple[int, int],
    grid_thw: tuple[int, int, int],
    temporal_patch_size: int,
) -> Tensor:
    """Return [T, h, w] bool: the cells an event touches in a video sampled by a FramePlan.

    A cell (t, i, j) is touched where the box overlaps its part of the shown picture, which is
    (height, width) = `source_size` cut into h x w equal parts, and where one of the frames
    `source_index [F]` that make temporal patch t is in start..end-1. The result is on the CPU, and
    all False where none of these frames was sampled. Raises UsageError for an event without frames
    or with a box outside the picture, ValueError where F frames do not make T patches.
    """
    _check_event(event, source_size)
    index = np.asarray(source_index)
    t, h, w = grid_thw
    if -(-len(index) // temporal_patch_size) != t:
        raise ValueError(
            f"{len(index)} frames, {temporal_patch_size} a patch, do not make {t} temporal patches"
        )
    frames = np.flatnonzero((index >= event.start) & (index < event.end))
    (height, width), (x0, y0, x1, y1) = source_size, event.box
    touched = torch.zeros(grid_thw, dtype=torch.bool)
    rows = slice(y0 * h // height, -(-y1 * h // height))
    columns = slice(x0 * w // width, -(-x1 * w // width))
    touched[torch.from_numpy(frames // temporal_patch_size), rows, columns] = True
    return touched


def known_event_cells(
    video: Path,
    *,
    source_index: IntArray | Tensor,
    source_size: tuple[int, int],
    grid_thw: tuple[int, int, int],
    temporal_patch_size: int,
) -> list[tuple[SourceEvent, Tensor]]:
    """Return every event that a `truth.json` beside a video names, with `event_cells` of it.

    Raises UsageError as `known_events` and `event_cells` do.
    """
    return [
        (
            event,
            event_cells(
                event,
                source_index=source_index,
                source_size=source_size,
                grid_thw=grid_thw,
                temporal_patch_size=temporal_patch_size,
            ),
        )
        for event in known_events(video)
    ]


def _check_event(event: SourceEvent, source_size: tuple[int, int]) -> None:
    (height, width), (x0, y0, x1, y1) = source_size, event.box
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        raise UsageError(
            f"event {event.name!r} has the box {list(event.box)}, which is not inside a picture "
            f"{width} wide and {height} high: give x0, y0, x1, y1 in pixels of the shown picture"
        )
    if event.start >= event.end:
        raise UsageError(
            f"event {event.name!r} goes from frame {event.start} until before {event.end}: "
            "give an end after its start"
        )
