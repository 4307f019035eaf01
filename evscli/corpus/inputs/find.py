"""From what a person names to videos with ids: files, folders, globs, lists and tars, also remote.

An id is the path below its input root, without extension. The root of a file is its folder, of a
folder the folder itself, of a glob the part before the first wildcard, of what a list names the
list's folder, of a tar's member the tar. A tar is named outright, by a list, or by a glob that ends
in .tar; a folder gives none of its tars, so that what it gives never depends on what else lies
there. No video is opened here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from evscli.corpus.inputs.lists import Listed, read_list
from evscli.corpus.inputs.paths import path_videos
from evscli.corpus.inputs.remote import is_url
from evscli.corpus.inputs.rows import row_videos
from evscli.corpus.inputs.urls import url_videos
from evscli.errors import UsageError
from evscli.records import VideoInput

STDIN = "-"


def find_videos(inputs: Sequence[str]) -> list[VideoInput]:
    """All videos named by `inputs`, in the order given, folders and globs sorted by path.

    A folder or a glob yields the files that have a video's extension; a file named outright is
    taken whatever its name. `-` is a list of paths on standard input. Raises VideoError for a path
    that does not exist, UsageError where nothing is found or two videos have one id.
    """
    videos: dict[str, VideoInput] = {}
    for given in inputs:
        for video in expand(given):
            first = videos.setdefault(video.id, video)
            if first is not video:
                refuse_equal_id(first, video)
    return list(videos.values())


def expand(given: str) -> Iterable[VideoInput]:
    """The videos of one input."""
    if not given:
        raise UsageError("an input is empty; give a video, a folder or a glob")
    if given == STDIN:
        return row_videos(_piped_list(), Path())
    return url_videos(given) if is_url(given) else path_videos(given)


def _piped_list() -> Iterator[Listed]:
    if sys.stdin is None:  # a program can be started without one
        raise UsageError("there is no standard input to read a list from; give a file")
    return read_list(sys.stdin.buffer, "standard input", ".txt")


def refuse_equal_id(first: VideoInput, second: VideoInput) -> None:
    """Raise UsageError unless two videos of one id are the same, asked the same."""
    if _place(first) != _place(second):
        raise UsageError(
            f"two inputs have the id {first.id!r}: {first.name} and {second.name}; "
            "rename one, give it another id in a list, or prune them into separate stores with -o"
        )
    if (first.start, first.end) != (second.start, second.end):
        raise UsageError(
            f"{first.name} is used twice, from other times, under the id {first.id!r}; give each "
            "an id of its own in the list"
        )
    if first.query != second.query:
        raise UsageError(
            f"{first.name} is asked two questions under the id {first.id!r}: {first.query!r} "
            f"and {second.query!r}; give each an id of its own in the list"
        )


def _place(video: VideoInput) -> tuple[str, int]:
    """Where the bytes of a video lie."""
    where, offset = str(video.path), 0
    if video.held is not None:
        where, offset = video.held.url, video.held.offset
    # Not resolve(): a symbolic link is a video of its own.
    return where if is_url(where) else os.path.abspath(where), offset  # noqa: PTH100
