"""Errors of one video, with the stage at which it failed and what to do about it."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evscli.errors import EvsError, StoreError, UsageError, VideoError
from evscli.records import VideoInput


@contextmanager
def video_errors(name: str, video: VideoInput, *, copy: Path | None = None) -> Iterator[None]:
    """Turn any error of one video into a VideoError with the stage `name` and what to do.

    `copy` is the path of a copy of the video, which messages never name.
    """
    try:
        yield
    except UsageError:
        raise
    except VideoError as error:
        message = str(error) if copy is None else str(error).replace(str(copy), video.name)
        if message == str(error) and video.name in message:
            raise
        named = message if video.name in message else f"{video.name}: {message}"
        raise VideoError(named, stage=error.stage, kind=error.kind) from error
    except EvsError as error:
        raise VideoError(f"{video.name}: {error}", stage=name) from error
    except _memory_errors() as error:
        raise VideoError(
            f"{video.name}: out of memory on {name}; lower --chunk-frames or use --device cpu",
            stage=name,
        ) from error
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno == errno.ENOSPC:  # the next video would fail as well
            raise StoreError(
                f"{reason} for scratch files; free some, or set TMPDIR to a larger disk, "
                "and run the same command again"
            ) from error
        raise VideoError(
            f"{video.name}: {reason}; check the file and its permissions", stage=name
        ) from error
    except Exception as error:
        first_line = (str(error).splitlines() or [""])[0]
        raise VideoError(
            f"{video.name}: {type(error).__name__} while in {name}: {first_line}; "
            "run again with --debug and report it",
            stage=name,
        ) from error


def _memory_errors() -> tuple[type[BaseException], ...]:
    """Return the class of a device's lack of memory, of which nothing is raised without torch."""
    torch = sys.modules.get("torch")
    return () if torch is None else (torch.OutOfMemoryError,)
