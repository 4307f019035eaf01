"""From what a person names to videos with ids: files, folders, globs and lists.

An id is the path below its input root, without extension. The root of a file is its folder, of a
folder the folder itself, of a glob the part before the first wildcard, of what a list names the
list's folder. No video is opened here.
"""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from evscli.corpus.lists import LIST_SUFFIXES, Listed, read_list
from evscli.errors import UsageError, VideoError
from evscli.records import VideoInput

VIDEO_SUFFIXES = frozenset(
    ".3gp .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .mxf .ogv .ts .webm .wmv".split()
)
WILDCARDS = frozenset("*?[")


def find_videos(inputs: Sequence[str]) -> list[VideoInput]:
    """All videos named by `inputs`, in the order given, folders and globs sorted by path.

    A folder or a glob yields the files that have a video's extension; a file named outright is
    taken whatever its name. Raises VideoError for a path that does not exist, UsageError where
    nothing is found or two videos have one id.
    """
    videos = [video for given in inputs for video in expand(given)]
    # Not resolve(): a symbolic link is a video of its own.
    seen = {(os.path.abspath(video.path), video.id, video.query): video for video in videos}  # noqa: PTH100
    videos = list(seen.values())
    refuse_equal_ids(videos)
    return videos


def expand(given: str) -> list[VideoInput]:
    """The videos of one input."""
    if not given:
        raise UsageError("an input is empty; give a video, a folder or a glob")
    path = Path(given)
    if path.is_dir():
        return _found(path, files_below(path), f"no videos in folder {given}")
    if path.is_file() and path.suffix.lower() in LIST_SUFFIXES:
        return [_listed(row, path.parent) for row in read_list(path)]
    if path.is_file():
        return [VideoInput(id=video_id(path, path.parent), path=path, root=path.parent)]
    if path.exists():
        raise VideoError(f"{given} is a pipe or device, not a file; save the video to disk first")
    if WILDCARDS & set(given):
        root, pattern = split_glob(path)
        return _found(root, matches(root, pattern), f"no videos match {given}")
    raise VideoError(f"no such file or folder: {given}; check the path")


def files_below(folder: Path) -> Iterator[Path]:
    """All files in `folder` and its subfolders; raises VideoError where one cannot be read."""

    def refuse(error: OSError) -> None:
        raise VideoError(
            f"cannot read folder {error.filename} ({error.strerror}); check its permissions, or "
            "name the folders beside it"
        )

    for parent, _, names in os.walk(folder, onerror=refuse):
        yield from (Path(parent, name) for name in names)


def matches(root: Path, pattern: str) -> list[Path]:
    """The paths below `root` that match a glob; raises UsageError for a malformed one."""
    try:
        return list(root.glob(pattern))
    except ValueError as error:
        raise UsageError(f"malformed glob {pattern!r} ({error}); write it as in **/*.mp4") from None


def _found(root: Path, paths: Iterable[Path], nothing: str) -> list[VideoInput]:
    chosen = sorted(path for path in paths if is_video(path, root))
    if not chosen:
        known = " ".join(sorted(VIDEO_SUFFIXES))
        raise UsageError(
            f"{nothing}; files with other endings than {known} must be named one by one"
        )
    return [VideoInput(id=video_id(path, root), path=path, root=root) for path in chosen]


def is_video(path: Path, root: Path) -> bool:
    """Whether a file found below `root` counts as a video; hidden files and folders do not."""
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    return not hidden and path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()


def _listed(row: Listed, folder: Path) -> VideoInput:
    """A video that a list names; its id comes from there, or from the path below the list."""
    try:
        there = row.path.is_file()
    except (OSError, ValueError):  # a name that is too long, or holds a zero byte
        there = False
    if not there:
        raise VideoError(f"{row.where}: no such file: {row.path}; correct the path")
    inside = row.path.is_relative_to(folder) and ".." not in row.path.relative_to(folder).parts
    root = folder if inside else row.path.parent
    return VideoInput(
        id=row.id or video_id(row.path, root), path=row.path, root=root, query=row.query
    )


def split_glob(path: Path) -> tuple[Path, str]:
    """The part of a glob before its first wildcard, and the pattern below it."""
    parts = path.parts
    first = next(i for i, part in enumerate(parts) if WILDCARDS & set(part))
    return Path(*parts[:first]), str(Path(*parts[first:]))


def video_id(path: Path, root: Path) -> str:
    """POSIX path below `root` without extension, in Unicode NFC."""
    relative = PurePosixPath(path.relative_to(root).as_posix())
    return unicodedata.normalize("NFC", str(relative.with_suffix("")))


def refuse_equal_ids(videos: Sequence[VideoInput]) -> None:
    """Raise UsageError where two files, or two questions, would be stored under one id."""
    for first, second in _equal_ids(videos):
        if first.path == second.path:
            raise UsageError(
                f"{first.path} is asked two questions under the id {first.id!r}: {first.query!r} "
                f"and {second.query!r}; give each an id of its own in the list"
            )
        raise UsageError(
            f"two inputs have the id {first.id!r}: {first.path} and {second.path}; "
            "rename one, give it another id in a list, or prune them into separate stores with -o"
        )


def _equal_ids(videos: Sequence[VideoInput]) -> Iterator[tuple[VideoInput, VideoInput]]:
    groups: dict[str, list[VideoInput]] = defaultdict(list)
    for video in videos:
        groups[video.id].append(video)
    return ((group[0], group[1]) for group in groups.values() if len(group) > 1)
