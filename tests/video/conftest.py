from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def open_files() -> Callable[[Path], list[str]]:
    """The files under a folder that this process holds open."""
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("needs /proc")

    def under(folder: Path) -> list[str]:
        targets = [os.readlink(entry) for entry in descriptors.iterdir() if entry.is_symlink()]
        return [target for target in targets if target.startswith(str(folder))]

    return under
