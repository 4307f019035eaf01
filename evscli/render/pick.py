"""Which temporal patches to show where there is no room for all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evscli.errors import UsageError
from evscli.records import FloatArray


def in_time(times: FloatArray, start: float | None, stop: float | None) -> list[int]:
    """The frames whose time [F] is in start..stop seconds; raises UsageError where none is."""
    low = -np.inf if start is None else start
    high = np.inf if stop is None else stop
    chosen: list[int] = np.flatnonzero((times >= low) & (times <= high)).tolist()
    if not chosen:
        begin = "" if start is None else f" from {start:g} s"
        end = "" if stop is None else f" to {stop:g} s"
        raise UsageError(
            f"no sampled frame lies in the time{begin}{end}: the video's go from {times[0]:.2f} to "
            f"{times[-1]:.2f} s"
        )
    return chosen


def representative(patches: Sequence[int], cuts: Sequence[int], most: int) -> list[int]:
    """At most `most` of `patches`: one of every scene, the longest first, then even gaps.

    `cuts` are the patches that begin a scene. Each further choice is the patch that is farthest
    from all chosen ones, so that no stretch of time is left out.
    """
    if len(patches) <= most:
        return list(patches)
    chosen = [scene[len(scene) // 2] for scene in scenes(patches, cuts)[:most]]
    places = np.array(patches)
    distance = np.abs(places[:, None] - np.array(chosen)).min(axis=1)
    while len(chosen) < most:
        place = int(distance.argmax())
        chosen.append(patches[place])
        distance = np.minimum(distance, np.abs(places - patches[place]))
    return sorted(chosen)


def scenes(patches: Sequence[int], cuts: Sequence[int]) -> list[list[int]]:
    """The patches between cuts, the longest scene first."""
    edges = sorted(cuts)
    groups: dict[int, list[int]] = {}
    for patch in patches:
        groups.setdefault(int(np.searchsorted(edges, patch, side="right")), []).append(patch)
    return sorted(groups.values(), key=len, reverse=True)
