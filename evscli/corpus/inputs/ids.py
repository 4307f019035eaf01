"""The ids of videos, by one of three rules, and the error where they clash.

An id that a list gives is kept by every rule.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from evscli.corpus.inputs.found import Found
from evscli.corpus.inputs.names import span_id, video_id
from evscli.corpus.inputs.remote import is_url
from evscli.errors import UsageError
from evscli.records import VideoInput

NAME = "name"
MOST_NAMED = 10
"""The most ids that one line names, and the most videos of each."""

Clashes = Mapping[str, Sequence[VideoInput]]
"""The videos that have an id, by that id, where there are several."""


def by_name(found: Found) -> str:
    """Return the path below the input root, without ending."""
    return found.video.id


def by_suffix(found: Found) -> str:
    """Return the path below the input root, with its ending."""
    return _id(found, unicodedata.normalize("NFC", found.video.relative))


def by_tar(found: Found) -> str:
    """Return the id of the tar before that of the member; as `by_name` where there is no tar."""
    if found.tar is None:
        return found.video.id
    return _id(found, f"{video_id(found.tar)}/{video_id(found.video.relative)}")


RULES: Mapping[str, Callable[[Found], str]] = {
    NAME: by_name,
    "suffix": by_suffix,
    "tar": by_tar,
}


def _id(found: Found, whole: str) -> str:
    video = found.video
    return video.id if found.has_own_id else span_id(whole, video.start, video.end)


def named(found: Sequence[Found], ids: str) -> list[VideoInput]:
    """Return the videos with their ids by the rule `ids`, without duplicates.

    Raises UsageError where several have one id.
    """
    videos, clashes = _by_id(found, ids)
    if clashes:
        raise _refusal(clashes, found, ids)
    return [*videos.values()]


def _by_id(found: Sequence[Found], ids: str) -> tuple[dict[str, VideoInput], Clashes]:
    videos: dict[str, VideoInput] = {}
    clashes: dict[str, list[VideoInput]] = {}
    for each in found:
        name = RULES[ids](each)
        video = each.video if name == each.video.id else replace(each.video, id=name)
        first = videos.setdefault(name, video)
        if first is not video and _asked(first) != _asked(video):
            clashes.setdefault(name, [first]).append(video)
    return videos, clashes


def _asked(video: VideoInput) -> tuple[object, ...]:
    """Return the values that are equal where two inputs are one."""
    return *_place(video), video.start, video.end, video.query


def _place(video: VideoInput) -> tuple[str, int]:
    """Return where the bytes of a video lie."""
    where, offset = str(video.path), 0
    if video.held is not None:
        where, offset = video.held.url, video.held.offset
    # Not resolve(): a symbolic link is a video of its own.
    return where if is_url(where) else os.path.abspath(where), offset  # noqa: PTH100


def _refusal(clashes: Clashes, found: Sequence[Found], ids: str) -> UsageError:
    """Return the error that names all clashes in one line, and a way to end them."""
    several = [f"{name!r} ({_listed(videos)})" for name, videos in clashes.items()]
    one = "id names" if len(clashes) == 1 else "ids name"
    return UsageError(
        f"{len(clashes):,} {one} several videos: {_capped(several)}; {_advice(found, ids)}"
    )


def _advice(found: Sequence[Found], ids: str) -> str:
    for rule in ("tar", "suffix", NAME):
        if rule != ids and not _by_id(found, rule)[1]:
            return f"give --ids {rule}, under which they differ, or ids of your own in a list"
    return "rename them, give ids of your own in a list, or prune them into separate stores with -o"


def _listed(videos: Sequence[VideoInput]) -> str:
    """Return the videos of one id in words, by what differs between them."""
    is_one_file = len({_place(video) for video in videos}) == 1
    return _capped([_described(video) if is_one_file else video.name for video in videos])


def _described(video: VideoInput) -> str:
    asked = "" if video.query is None else f" asked {video.query!r}"
    return f"{span_id(video.name, video.start, video.end)}{asked}"


def _capped(texts: Sequence[str]) -> str:
    more = len(texts) - MOST_NAMED
    return ", ".join(texts[:MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")
