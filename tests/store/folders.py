"""What a folder holds: of folders that are alike byte for byte, one shows what all of them do.

And folders for tests that end a run at each of its steps, which would wait for a disk most of the
time.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

Held = frozenset[tuple[str, bytes | None]]

MEMORY = Path("/dev/shm")
ROOM = 256 << 20
"""The bytes that must be free there."""


@contextmanager
def in_memory(folder: Path) -> Iterator[Path]:
    """An empty folder in memory, if there is room, else `folder`.

    The end of a process leaves the same in it as on a disk.
    """
    if not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < ROOM:
        yield folder
        return
    with TemporaryDirectory(prefix="evs-test-", dir=MEMORY) as made:
        yield Path(made)


def held(folder: Path) -> Held:
    """Every path below a folder with its bytes, or None for a folder."""
    paths = folder.rglob("*")
    return frozenset(
        (str(path.relative_to(folder)), path.read_bytes() if path.is_file() else None)
        for path in paths
    )


def opened(folder: Path) -> list[str]:
    """The files below a folder that this process holds open, and with them its locks."""
    links = Path("/proc/self/fd").iterdir()
    targets = [os.readlink(link) for link in links if link.is_symlink()]
    return [target for target in targets if target.startswith(f"{folder}/")]
