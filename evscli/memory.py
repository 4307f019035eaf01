"""The memory of this machine that is free, within the limits of a process and of its groups."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class GroupFiles:
    """The files of one version of control groups."""

    root: Path
    mark: str
    """The middle of the line of /proc/self/cgroup that names the group."""
    limit: str
    used: str
    reclaimable: str
    """The key of memory.stat for pages of files that can be dropped."""


MEMORY, OWN_GROUPS = Path("/proc/meminfo"), Path("/proc/self/cgroup")
OWN = Path("/proc/self/status")
LIMITS = {"VmData": resource.RLIMIT_DATA, "VmSize": resource.RLIMIT_AS}
"""The limits of a process, by the key of what it uses of them."""
INFINITE = resource.RLIM_INFINITY
CGROUPS = Path("/sys/fs/cgroup")


def free_memory() -> int | None:
    """Return the bytes that are free or can be freed; None where the system does not say."""
    return min([*_available(), *_left_of_limits(), *_left_of_own_limits()], default=None)


def _available() -> Iterator[int]:
    with suppress(OSError):
        for line in MEMORY.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                yield 1024 * int(line.split()[1])


def _left_of_own_limits() -> Iterator[int]:
    """Yield the bytes left of each limit of this process that is set, as by `ulimit`."""
    limits = {key: resource.getrlimit(limit)[0] for key, limit in LIMITS.items()}
    limits = {key: limit for key, limit in limits.items() if limit != INFINITE}
    with suppress(OSError):
        for line in OWN.read_text().splitlines() if limits else ():
            key, _, size = line.partition(":")
            if key in limits:
                yield max(0, limits[key] - 1024 * int(size.split()[0]))


def _left_of_limits() -> Iterator[int]:
    """Yield the bytes left of the limit of each control group that this process is in."""
    second = GroupFiles(
        root=CGROUPS, mark="::", limit="max", used="current", reclaimable="inactive_file"
    )
    first = GroupFiles(
        root=CGROUPS / "memory",
        mark=":memory:",
        limit="limit_in_bytes",
        used="usage_in_bytes",
        reclaimable="total_inactive_file",
    )
    for files in (second, first):
        for folder in _groups(files):
            with suppress(OSError, ValueError):  # a group without a limit has `max`, or no file
                yield _left(folder, files)


def _groups(files: GroupFiles) -> list[Path]:
    """Return the folders of this process's group and those around it; a container sees the root."""
    own = Path()
    with suppress(OSError):
        for line in OWN_GROUPS.read_text().splitlines():
            if files.mark in line:
                own = Path(line.split(files.mark, 1)[1].lstrip("/"))
    return [files.root / part for part in (own, *own.parents)]


def _left(folder: Path, files: GroupFiles) -> int:
    limit = int((folder / f"memory.{files.limit}").read_text())
    used = int((folder / f"memory.{files.used}").read_text())
    lines = (folder / "memory.stat").read_text().splitlines()
    stat = dict(line.split(" ", 1) for line in lines)
    return max(0, limit - used + int(stat.get(files.reclaimable, 0)))
