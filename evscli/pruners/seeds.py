"""The seeds of random methods for each video."""

from __future__ import annotations

import hashlib


def video_seed(seed: int, video: str) -> int:
    """Return the seed of random methods for one video: another for each, the same in every run.

    With one seed for all, videos of one grid would lose the very same cells, and the baseline would
    be one draw instead of many.
    """
    digest = hashlib.sha256(f"{seed}\0{video}".encode()).digest()
    return int.from_bytes(digest[:7])
