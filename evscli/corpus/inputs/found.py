"""The contents of an input: videos, whose ids are settled later, and files that are left out."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from evscli.errors import UsageError, VideoError
from evscli.records import VideoInput

NO_ENDING = "without an ending"
FOLDER_LINK = "folder link"
"""The kind of a link to a folder. It is not followed, which could go round in circles."""
SPECIAL_FILE = "special file"
"""The kind of a pipe, a socket or a device: reading it could last for ever."""
MOST_KINDS = 8
"""The number of kinds that one line names at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """One video of an input."""

    video: VideoInput
    """The video. Its id is its path below the input root without ending, or from a list."""
    tar: str | None = None
    """The path of its tar below the input root of the tar, where a tar holds it."""
    has_own_id: bool = False
    """Whether a list gives its id."""


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """The files that are not taken as videos, those with hidden names aside."""

    kinds: Mapping[str, int]
    """The number of each kind: an ending such as `.txt`, NO_ENDING, FOLDER_LINK or SPECIAL_FILE."""

    @property
    def count(self) -> int:
        """The number of files of all kinds together."""
        return sum(self.kinds.values())

    def __str__(self) -> str:
        """Return a text such as `7 .txt, 3 .jpg, 2 without an ending`, the most frequent first."""
        ordered = sorted(self.kinds.items(), key=lambda kind: (-kind[1], kind[0]))
        named = [_counted(kind, count) for kind, count in ordered[:MOST_KINDS]]
        if rest := ordered[MOST_KINDS:]:
            named.append(f"{sum(count for _, count in rest):,} of {len(rest):,} other kinds")
        return ", ".join(named)


Item = Found | LeftOut
ListedFile = Found | str
"""A file that is wanted, or the kind of one that is left out."""


def wanted(
    seen: Iterable[ListedFile],
    nothing: str,
    advice: str = "files with other endings must be named one by one, tars by a glob such as *.tar",
) -> Iterator[Item]:
    """Yield the videos among some files, and at last the files left out.

    Raises UsageError, from `nothing` to `advice`, where there is no video.
    """
    kinds: Counter[str] = Counter()
    empty = True
    for each in seen:
        if isinstance(each, Found):
            empty = False
            yield each
        else:
            kinds[each] += 1
    left_out = LeftOut(kinds=kinds)
    if empty:
        there = f" ({left_out} there)" if kinds else ""
        raise UsageError(f"{nothing}{there}; {advice}")
    yield left_out


def ending_of(name: str) -> str:
    """Return the kind of a file by its name: its ending in lower case, or NO_ENDING."""
    suffix = posixpath.splitext(name)[1].lower()
    return NO_ENDING if suffix in ("", ".") else suffix


def _counted(kind: str, count: int) -> str:
    plural = "s" if kind in (FOLDER_LINK, SPECIAL_FILE) and count > 1 else ""
    return f"{count:,} {kind}{plural}"


def dangling(link: Path) -> VideoError:
    """Return the error for a link that leads nowhere. Raises OSError where it is not a link."""
    return VideoError(
        f"{link} is a link to {link.readlink()}, which is not there; fetch what it leads to (as "
        "git annex get and dvc pull do), or remove the link",
        kind=FileNotFoundError.__name__,
    )
