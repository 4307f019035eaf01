"""What is known to happen in a video: `truth.json` beside it, in the form of `sample_videos/`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from evscli.errors import UsageError
from evscli.evaluation.metrics.events import SourceEvent, event_cells
from evscli.records import IntArray

TRUTH = "truth.json"


def known_events(video: Path) -> tuple[SourceEvent, ...]:
    """The events of a video, none where no `truth.json` beside it names it.

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
            f"{path} does not say events as sample_videos/README.md has them ({error!r}): correct "
            "it, or move it away"
        ) from error


def known_masks(
    video: Path,
    *,
    source_index: IntArray | Tensor,
    source_size: tuple[int, int],
    grid_thw: tuple[int, int, int],
    temporal_patch_size: int,
) -> list[Tensor]:
    """The cells that each known event touches, [T, h, w]; arguments as of `event_cells`."""
    return [
        event_cells(
            event,
            source_index=source_index,
            source_size=source_size,
            grid_thw=grid_thw,
            temporal_patch_size=temporal_patch_size,
        )
        for event in known_events(video)
    ]


def event_of(values: Any) -> SourceEvent:
    """One event."""
    return SourceEvent(
        name=str(values["name"]),
        start=int(values["start"]),
        end=int(values["end"]),
        box=[int(side) for side in values["box"]],
    )
