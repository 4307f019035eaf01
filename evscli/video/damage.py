"""What becomes of a video whose data is damaged or cut off: the policies, and what is said of it.

Damage at the end is where a recording was cut: frames that never decode. All other damage lies in
the middle, wherever that is: at the beginning too.
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
    """What to do with a video that is damaged."""

    trim = "trim"
    """Frames at the end that never decode are left out; damage in the middle fails the video."""
    skip = "skip"
    """Damaged frames are left out there too, and frames are chosen among those that are whole."""
    fail = "fail"
    """Any damage fails the video."""


def parse_damaged(word: str) -> Damaged:
    """The policy of that name. Raises UsageError for another word."""
    if word not in list(Damaged):
        raise UsageError(f"damaged {word!r} is unknown; use {', '.join(Damaged)}")
    return Damaged(word)


JUMP_SECONDS = 600.0
"""A frame that stands for so long, and for most of a video, tells more likely of a clock set on."""


@dataclass(frozen=True, kw_only=True)
class Damage:
    """What is wrong with the data of one video."""

    at_end: int = 0
    """Frames at the end that never decode."""
    within: int = 0
    """Other frames that are damaged, as far as they were looked for."""
    stated_seconds: float | None = None
    """Length by the header, where the data clearly ends before."""
    end_seconds: float = 0.0
    """Where the data ends."""
    broken: str | None = None
    """What keeps the rest of the file from being read."""

    def __bool__(self) -> bool:
        return bool(self.at_end or self.within or self.stated_seconds or self.broken)

    @property
    def facts(self) -> list[str]:
        """What is wrong, one clause each."""
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
        """What a person should know of a video that was taken without its damaged frames."""
        if not self:
            return ()
        left_out = self.at_end + self.within
        end = f"; {'it is' if left_out == 1 else 'they are'} left out." if left_out else "."
        return (f"The video is damaged: {', '.join(self.facts)}{end}",)


def clock_notes(pts: IntArray, time_base: Fraction) -> tuple[str, ...]:
    """What a person should know where the clock seems to jump between two frames."""
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
    """Why a damaged video is refused where none may be damaged."""
    way = "skip" if damage.within else "trim"
    return VideoError(
        f"{path} is damaged: {', '.join(damage.facts)}; copy or download it again, or take what is "
        f"whole with --damaged {way}",
        stage="index",
    )


def damaged_start(path: Path, reason: str) -> VideoError:
    """Why a video is refused whose first frame does not decode."""
    return VideoError(
        f"{path} is damaged ({reason} at its first frame); copy or download it again, or leave "
        "damaged frames out with --damaged skip",
        stage="index",
    )


def _frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count:,} frames"
