"""The checks of every command before any work, and the exit codes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evscli.bundled import MINI, MINI_NOTICE
from evscli.cli.notes import note
from evscli.errors import UsageError
from evscli.records import VideoInput

if TYPE_CHECKING:
    from evscli.encoders.files import ModelFiles
    from evscli.store import Store

NOTHING_DONE = 1
SOME_FAILED = 3


def name_model(model: str) -> None:
    """Print a note that names the checkpoint."""
    note(MINI_NOTICE if model == MINI else f"model {model}")


def chosen_id(store: Store, video_id: str | None, where: str) -> str:
    """Return the id of a video, which may be left out for the only one. Raises UsageError.

    A video whose shard is missing counts, so that reading it says so.
    """
    ids = [video_id] if video_id is not None else sorted({*store, *store.catalogue.lost})
    if len(ids) == 1:
        return ids[0]
    if not ids:
        raise UsageError("the store holds no video yet: prune one into it first")
    some = ", ".join(ids[:5]) + (", ..." if len(ids) > 5 else "")
    raise UsageError(f"the store holds {len(ids)} videos: name one {where}: {some}")


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


def check_run_folder(folder: Path, files: ModelFiles | None = None) -> None:
    """Raise UsageError before any work for a folder that no training run may have.

    `files` are those of the checkpoint that the run begins with.
    """
    from evscli.train.folder import check_folder

    check_output(folder)
    config = None if files is None else files.held("config.json")
    check_folder(folder, model=None if config is None else config.parent)
