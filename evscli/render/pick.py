"""The choice of temporal patches to show where there is no room for all."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from evscli.errors import UsageError
from evscli.records import FloatArray


def in_time(times: FloatArray, start: float | None, stop: float | None) -> list[int]:
    """Return the frames whose time [F] is in start..stop seconds. Raises UsageError for none."""
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
    """Return at most `most` of `patches`, evenly spread, with at least one of every scene.

    `cuts` are the patches that begin a scene. Where there are more scenes than room, the longest
    are shown.
    """
    if len(patches) <= most:
        return list(patches)
    found = scenes(patches, cuts)
    if len(found) > most:
        found = longest(found, most)
    counts = shares([len(scene) for scene in found], most)
    shown = (spread(scene, count) for scene, count in zip(found, counts, strict=True))
    return [patch for chosen in shown for patch in chosen]


def scenes(patches: Sequence[int], cuts: Sequence[int]) -> list[list[int]]:
    """Return the patches between cuts, in their order."""
    edges = sorted(cuts)
    groups: dict[int, list[int]] = {}
    for patch in patches:
        groups.setdefault(int(np.searchsorted(edges, patch, side="right")), []).append(patch)
    return list(groups.values())


def longest(found: Sequence[list[int]], most: int) -> list[list[int]]:
    """Return the `most` longest scenes in their order, spread evenly among equally long ones."""
    least = sorted(map(len, found), reverse=True)[most - 1]
    longer = [number for number, scene in enumerate(found) if len(scene) > least]
    alike = [number for number, scene in enumerate(found) if len(scene) == least]
    return [found[number] for number in sorted([*longer, *spread(alike, most - len(longer))])]


def shares(lengths: Sequence[int], most: int) -> list[int]:
    """Return the number of patches that each scene shows, at least one, `most` in all.

    The longest stretch of a scene that one patch stands for is as short as possible. Where several
    scenes need another patch equally, evenly spread ones get it.
    """
    counts = [1] * len(lengths)
    while (room := most - sum(counts)) > 0:
        stretches = [Fraction(*pair) for pair in zip(lengths, counts, strict=True)]
        alike = [n for n, stretch in enumerate(stretches) if stretch == max(stretches)]
        for number in spread(alike, min(room, len(alike))):
            counts[number] += 1
    return counts


def spread(items: Sequence[int], count: int) -> list[int]:
    """Return `count` of `items`, each from the middle of its own of `count` equal stretches."""
    return [items[(2 * number + 1) * len(items) // (2 * count)] for number in range(count)]
