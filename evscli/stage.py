"""Where one video failed, and what to do about it. It knows no stage, only their names."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from evscli.errors import EvsError, StoreError, UsageError, VideoError
from evscli.records import VideoInput


@contextmanager
def stage(name: str, video: VideoInput) -> Iterator[None]:
    """Turn whatever one video does wrong into a VideoError that says where and what next."""
    try:
        yield
    except UsageError:
        raise
    except VideoError as error:
        if str(video.path) in str(error):
            raise
        raise VideoError(f"{video.path}: {error}", stage=error.stage) from error
    except EvsError as error:
        raise VideoError(f"{video.path}: {error}", stage=name) from error
    except torch.OutOfMemoryError as error:
        raise VideoError(
            f"{video.path}: out of memory on {name}; lower --chunk-frames or use --device cpu",
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
            f"{video.path}: {reason}; check the file and its permissions", stage=name
        ) from error
    except Exception as error:
        first_line = (str(error).splitlines() or [""])[0]
        raise VideoError(
            f"{video.path}: {type(error).__name__} while in {name}: {first_line}; "
            "run again with --debug and report it",
            stage=name,
        ) from error
