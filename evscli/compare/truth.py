"""What is known to happen in a video: `truth.json` beside it, in the form of `sample_videos/`.

Knows no token; which cells an event touches is the diagnostics' to say.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from evscli.diagnostics import SourceEvent
from evscli.errors import UsageError

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


def event_of(values: Any) -> SourceEvent:
    """One event."""
    return SourceEvent(
        name=str(values["name"]),
        start=int(values["start"]),
        end=int(values["end"]),
        box=[int(side) for side in values["box"]],
    )
