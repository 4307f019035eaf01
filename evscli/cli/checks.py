"""The checks of every command before any work, and the exit codes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from evscli.bundled import MINI, MINI_NOTICE
from evscli.cli.notes import note
from evscli.errors import UsageError
from evscli.records import VideoInput

NOTHING_DONE = 1
SOME_FAILED = 3


def name_model(model: str) -> None:
    """Print a note that names the checkpoint."""
    note(MINI_NOTICE if model == MINI else f"model {model}")


def refuse_held(videos: Sequence[VideoInput]) -> None:
    """Raise UsageError for a video that is not a file on this machine."""
    for video in videos:
        if video.held is not None:
            raise UsageError(
                f"{video.name} is not a file of its own on this machine; copy it here first"
            )


def check_output(folder: Path) -> None:
    """Raise UsageError before any work where the results could not be written at its end."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise UsageError(
            f"cannot write into {folder} ({nearest} is not a folder or not writable); "
            "name another with -o"
        )
