"""How long a video says it is, for progress bars: quick, from its header alone, maybe not exact."""

from __future__ import annotations

from pathlib import Path

import av

from evscli.errors import VideoError
from evscli.video.container import open_video


def header_duration(path: Path) -> float | None:
    """Seconds; None where the header does not say or the file cannot be opened."""
    try:
        container, _ = open_video(path)
    except VideoError:
        return None
    with container:
        duration = container.duration
    return None if duration is None else duration / av.time_base
