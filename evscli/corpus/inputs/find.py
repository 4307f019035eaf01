"""The videos that inputs name, with ids.

Inputs are files, folders, globs, lists and tars, also remote. The root of a file is its folder, of
a folder the folder itself, of a glob the part before the first wildcard, of a path in a list the
list's folder, of a tar's member the tar; ids.py makes ids of paths below these. A tar is named
outright, by a list, or by a glob that ends in .tar; a folder gives none of its tars, so that its
videos never depend on what else lies there. No video is opened here.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from evscli.corpus.inputs.found import Found, Item, LeftOut
from evscli.corpus.inputs.ids import NAME, named
from evscli.corpus.inputs.lists import Listed, read_list
from evscli.corpus.inputs.paths import path_videos
from evscli.corpus.inputs.remote import is_url
from evscli.corpus.inputs.rows import row_videos
from evscli.corpus.inputs.urls import url_videos
from evscli.errors import UsageError
from evscli.records import VideoInput

STDIN = "-"


def find_videos(
    inputs: Sequence[str],
    *,
    ids: str = NAME,
    left_out: Callable[[LeftOut], None] = lambda _: None,
) -> list[VideoInput]:
    """Return all videos named by `inputs`, in the order given, folders and globs sorted by path.

    A folder or a glob yields the files that have a video's extension; `left_out` is called with the
    others, where there are some. A file named outright is taken whatever its name. `-` is a list of
    paths on standard input. `ids` is one of `ids.RULES`. A link that leads nowhere, or a file of a
    list that is not there, is a video with a `fault`. Raises VideoError for any other path that
    does not exist, UsageError where nothing is found or several videos have one id.
    """
    found: list[Found] = []
    kinds: Counter[str] = Counter()
    for given in dict.fromkeys(inputs):
        for item in expand(given):
            if isinstance(item, Found):
                found.append(item)
            else:
                kinds.update(item.kinds)
    videos = named(found, ids)
    if kinds:
        left_out(LeftOut(kinds=kinds))
    return videos


def expand(given: str) -> Iterable[Item]:
    """Yield the videos that one input names."""
    if not given:
        raise UsageError("an input is empty; give a video, a folder or a glob")
    if given == STDIN:
        return row_videos(_piped_list(), Path())
    return url_videos(given) if is_url(given) else path_videos(given)


def _piped_list() -> Iterator[Listed]:
    if sys.stdin is None:  # a program can be started without one
        raise UsageError("there is no standard input to read a list from; give a file")
    return read_list(sys.stdin.buffer, "standard input", ".txt")
