"""What a folder holds: of folders that are alike byte for byte, one shows what all of them do."""

from __future__ import annotations

import os
from pathlib import Path

Held = frozenset[tuple[str, bytes | None]]


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
