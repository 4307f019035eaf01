"""Policies for a video whose data is damaged or cut off, and the messages about its damage.

Damage at the end is left by a recording that was cut off: frames that never decode. All other
damage counts as damage in the middle, also where it lies at the beginning.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from pathlib import Path

import numpy as np

from evscli.errors import UsageError, VideoError
from evscli.records import IntArray


class Damaged(StrEnum):
    """The policies for a damaged video."""

    trim = "trim"
    """Frames at the end that never decode are left out; damage in the middle fails the video."""
    skip = "skip"
    """Damaged frames in the middle are left out too: frames are chosen among the whole ones."""
    fail = "fail"
    """Any damage fails the video."""


def parse_damaged(word: str) -> Damaged:
    """Return the policy of that name. Raises UsageError for another word."""
    if word not in list(Damaged):
        raise UsageError(f"damaged {word!r} is unknown; use {', '.join(Damaged)}")
    return Damaged(word)


JUMP_SECONDS = 600.0
"""The seconds from which a frame that lasts for most of a video suggests a clock set forward."""


@dataclass(frozen=True, kw_only=True)
class Damage:
    """The damage in the data of one video."""

    at_end: int = 0
    """The number of frames at the end that never decode."""
    within: int = 0
    """The number of other damaged frames, as far as they were looked for."""
    stated_seconds: float | None = None
    """The length in seconds by the header, where the data clearly ends before that."""
    end_seconds: float = 0.0
    """The time in seconds at which the data ends."""
    broken: str | None = None
    """The reason why the rest of the file cannot be read."""

    def __bool__(self) -> bool:
        return bool(self.at_end or self.within or self.stated_seconds or self.broken)

    @property
    def facts(self) -> list[str]:
        """The damage in words, one clause for each kind."""
        facts = []
        if self.stated_seconds is not None:
            stated, end = f"{self.stated_seconds:.2f} s", f"{self.end_seconds:.2f} s"
            facts.append(f"its header states {stated}, its data ends at {end}")
        if self.broken is not None:
            facts.append(f"its data cannot be read beyond {self.end_seconds:.2f} s ({self.broken})")
        if self.at_end:
            does = "does" if self.at_end == 1 else "do"
            facts.append(f"{_frames(self.at_end)} at the end {does} not decode")
        if self.within:
            are = "is" if self.within == 1 else "are"
            facts.append(f"{_frames(self.within)} {are} damaged")
        return facts

    def notes(self) -> tuple[str, ...]:
        """Return the note for a person on a video that was taken without its damaged frames."""
        if not self:
            return ()
        left_out = self.at_end + self.within
        end = f"; {'it is' if left_out == 1 else 'they are'} left out." if left_out else "."
        return (f"The video is damaged: {', '.join(self.facts)}{end}",)


def clock_notes(pts: IntArray, time_base: Fraction) -> tuple[str, ...]:
    """Return the note for a person on a clock that seems to jump between two frames."""
    steps = np.diff(pts)
    if not len(steps):
        return ()
    at = int(steps.argmax())
    longest, whole = (float(int(ticks) * time_base) for ticks in (steps[at], pts[-1] - pts[0]))
    if longest < JUMP_SECONDS or 2 * longest < whole:
        return ()
    begin = float(int(pts[at] - pts[0]) * time_base)
    return (
        f"The frame at {begin:.1f} s stands for {longest:,.0f} of {whole:,.0f} s; if the clock of "
        "the recording jumps there, cut it into two files.",
    )


def damage_error(damage: Damage, path: Path) -> VideoError:
    """Return the error for a damaged video where the policy allows no damage."""
    way = "skip" if damage.within else "trim"
    return VideoError(
        f"{path} is damaged: {', '.join(damage.facts)}; copy or download it again, or take what is "
        f"whole with --damaged {way}",
        stage="index",
    )


def damaged_start(path: Path, reason: str) -> VideoError:
    """Return the error for a video whose first frame does not decode."""
    return VideoError(
        f"{path} is damaged ({reason} at its first frame); copy or download it again, or leave "
        "damaged frames out with --damaged skip",
        stage="index",
    )


def _frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count:,} frames"
