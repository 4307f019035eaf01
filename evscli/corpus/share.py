"""One machine's share of a corpus, for job arrays: the same videos, whichever shares run when.

The number that a share writes under follows from it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evscli.errors import UsageError
from evscli.records import VideoInput

SLURM = "slurm"
INDEX, COUNT, FIRST = "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN"


@dataclass(frozen=True, kw_only=True)
class Share:
    """The share `index` of `count`, counted from 0."""

    index: int = 0
    count: int = 1

    def of(self, videos: Sequence[VideoInput]) -> list[VideoInput]:
        """Return the share's videos. Every video is in one share, whichever others run."""
        if self.count == 1:
            return [*videos]
        return [video for video in videos if self._number(video.id) == self.index]

    def _number(self, video_id: str) -> int:
        digest = hashlib.sha256(video_id.encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big") % self.count


def parse_share(text: str | None, environment: Mapping[str, str]) -> Share:
    """Return the share for `0/8` to `7/8`, or `slurm` for the task of a job array; None is all.

    Raises UsageError for anything else.
    """
    if text is None:
        return Share()
    if text == SLURM:
        return _slurm(environment)
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None:
        raise UsageError(f"--shard-of {text!r} is not a share; write it as 0/8, or {SLURM}")
    return _share(int(match[1]), int(match[2]), text)


def _slurm(environment: Mapping[str, str]) -> Share:
    try:
        index, count = int(environment[INDEX]), int(environment[COUNT])
        first = int(environment.get(FIRST, 0))
    except (KeyError, ValueError):
        raise UsageError(
            f"--shard-of {SLURM} needs {INDEX} and {COUNT}, which a Slurm job array sets; write "
            "the share as 0/8 elsewhere"
        ) from None
    return _share(index - first, count, f"{SLURM} (task {index} of {count} from {first})")


def _share(index: int, count: int, given: str) -> Share:
    if not 0 <= index < count:
        last = f"0/{count} to {count - 1}/{count}" if count else "0/1"
        raise UsageError(
            f"--shard-of {given} does not exist: shares are counted from 0 without gaps, {last}"
        )
    return Share(index=index, count=count)
