"""The place in an encoder where tokens are dropped, for those that are not behind it."""

from __future__ import annotations

from typing import Final, Literal

INPUT: Final = "input"
"""The place before the first block, where there are pixels only."""

PruneAt = int | Literal["input"]
"""A block counted from 0, after which tokens are dropped, or `INPUT`."""


def place_text(place: PruneAt) -> str:
    """Return a place in words."""
    return "before the encoder" if place == INPUT else f"after block {place}"


def pruned_text(place: PruneAt | None) -> str:
    """Return the place of pruning in words, whichever it is."""
    if place is None:
        return "after the encoder"
    return place_text(place) if place == INPUT else f"inside the encoder, {place_text(place)}"
