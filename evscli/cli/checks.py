"""What every command refuses before any work, and the codes it exits with."""

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

MOST_WITHOUT_MODEL = 20
"""Inputs up to which the bundled model may be used without naming it."""


def name_model(model: str | None, *, videos: int) -> str:
    """The checkpoint to use, which is said; it must be named for many videos.

    Raises UsageError.
    """
    if model is None and videos > MOST_WITHOUT_MODEL:
        raise UsageError(
            f"{videos} videos but no --model; name the checkpoint to use "
            f"(--model {MINI} for the bundled demonstration model)"
        )
    name = model or MINI
    note(MINI_NOTICE if name == MINI else f"model {name}")
    return name


def refuse_held(videos: Sequence[VideoInput]) -> None:
    """Raise UsageError for a video that is no file on this machine."""
    for video in videos:
        if video.held is not None:
            raise UsageError(
                f"{video.name} is no file of its own on this machine; copy it here first"
            )


def refuse_empty(**options: str | None) -> None:
    """Raise UsageError for an option given as an empty text, as an unset shell variable is."""
    for name, value in options.items():
        if value is not None and not value.strip():
            option = name.replace("_", "-")
            raise UsageError(f"--{option} is empty; give a value or leave the option out")


def refuse_address(address: str | None) -> None:
    """Raise UsageError for the address of a cluster where none is used."""
    if address is not None:
        raise UsageError(f"--address {address} is for --engine ray; add that or leave it out")


def check_output(folder: Path) -> None:
    """Raise UsageError before any work where the results could not be written at its end."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise UsageError(
            f"cannot write into {folder} ({nearest} is no folder or not writable); "
            "name another with -o"
        )
