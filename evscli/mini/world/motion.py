"""The times of scenes and brief events, and the paths of the camera and the movers.

Events never touch the first temporal patch. The path of a mover is drawn without its direction,
which a coin then decides. Neither its place in the first frame nor the set of its places gives the
direction away.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evscli.mini.world.scene import TEMPORAL_PATCH, Floats, Form

SHORTEST_SCENE = 6
"""The least frames of a scene."""

COUNTS_SCENES = 24
"""The number of frames from which a video may have one to four scenes."""

LONG_ENOUGH = 16
"""The number of frames from which a video has cuts and repeated flashes."""

DARK = 3
"""The least frames between two flashes, so that one whole temporal patch of them is dark."""

Region = tuple[float, float, float, float]
"""A box [x0, y0, x1, y1] in pixels."""

NEEDED = 96
"""The pixels of a picture's side that a wide pan must leave in view all the time."""

ZOOMS = 0.15
"""The share of the videos whose camera zooms."""

MOST_ZOOM = 1.5
"""The largest zoom of a video in which everything that is asked about stays in view."""

LEAST_PAN = 4
"""The pixels between a camera's first and last place from which it may hide a movement."""


def choose_cuts(rng: Generator, frames: int) -> tuple[int, ...]:
    """Draw the first frames of scenes: none in more than half of the videos, else one to three."""
    if frames < LONG_ENOUGH or rng.random() < 0.55:
        return ()
    count = int(rng.integers(1, 4))
    while (count + 1) * SHORTEST_SCENE > frames:
        count -= 1
    spare = frames - (count + 1) * SHORTEST_SCENE
    extra = np.sort(rng.integers(0, spare + 1, count))
    return tuple(int(e) + SHORTEST_SCENE * (i + 1) for i, e in enumerate(extra))


def choose_moment(
    rng: Generator, frames: int, scenes: Sequence[slice], others: Sequence[slice]
) -> slice | None:
    """Draw one to three frames inside a scene, clear of the borders between the thirds."""
    third = int(rng.integers(3))
    for _ in range(60):
        length = int(rng.integers(1, 2 + min(2, frames // 12)))
        middle = (third + rng.uniform(0.1, 0.9)) * frames / 3
        start = round(middle - length / 2)
        span = slice(start, start + length)
        if fits(span, third, frames, scenes) and all(apart(span, other) for other in others):
            return span
    return None


def fits(span: slice, third: int, frames: int, scenes: Sequence[slice]) -> bool:
    """Return whether a moment lies within a third and a scene, with a frame before and after."""
    length = frames / 3
    clear = 0.07 * length
    within = third * length + clear <= span.start and span.stop <= (third + 1) * length - clear
    if frames < LONG_ENOUGH:  # too few frames to be strict about the borders
        within = int((span.start + span.stop) / 2 / length) == third
    whole = any(scene.start < span.start and span.stop < scene.stop for scene in scenes)
    return bool(span.start >= TEMPORAL_PATCH and within and whole)


def apart(one: slice, other: slice) -> bool:
    """Return whether two moments are clearly one after the other."""
    gap = TEMPORAL_PATCH
    return bool(one.stop + gap <= other.start or other.stop + gap <= one.start)


def choose_flashes(rng: Generator, frames: int, count: int) -> list[slice]:
    """Draw `count` flashes of one or a few frames, with darkness between them."""
    longest = 1 if frames < 24 else 3
    lengths = rng.integers(1, longest + 1, count)
    first = TEMPORAL_PATCH
    spare = frames - first - int(lengths.sum()) - DARK * (count - 1)
    waits = np.sort(rng.integers(0, spare + 1, count))
    starts = first + waits + np.concatenate([[0], np.cumsum(lengths + DARK)[:-1]])
    return [slice(int(s), int(s + n)) for s, n in zip(starts, lengths, strict=True)]


def move_camera(rng: Generator, form: Form, cuts: Sequence[int]) -> NDArray[np.int64]:
    """Draw [F, 2] offsets: half of the cameras stand still, others shake, sway, or pan by scene."""
    offsets = np.zeros((form.frames, 2))
    style = rng.choice(["stand", "shake", "sway", "pan"], p=[0.5, 0.15, 0.15, 0.2])
    if style == "shake":
        steps = rng.normal(0, 1, (form.frames, 2))
        for frame in range(1, form.frames):
            steps[frame] += 0.6 * steps[frame - 1]
        offsets = np.clip(steps * rng.uniform(0.5, 2.0), -5, 5)
    elif style == "sway":
        turns = rng.uniform(0.5, 3, 2) * np.arange(form.frames)[:, None] / form.frames
        offsets = rng.uniform(1, 5, 2) * np.sin(2 * np.pi * (turns + rng.uniform(0, 1, 2)))
    elif style == "pan":
        axis = int(rng.integers(2))
        extent = form.size[1 - axis]
        for start, stop in zip((0, *cuts), (*cuts, form.frames), strict=True):
            longest = max(0.25 * extent, min(0.45 * extent, extent - NEEDED))
            reach = rng.uniform(0.08 * extent, longest) * rng.choice([-1, 1])
            offsets[start:stop, axis] = np.linspace(-reach / 2, reach / 2, stop - start)
    return np.rint(offsets).astype(np.int64)


def move_zoom(rng: Generator, frames: int, cuts: Sequence[int]) -> Floats | None:
    """Draw [F] magnifications, from or to 1 in every scene. Return None without a zoom."""
    if rng.random() >= ZOOMS:
        return None
    zoom = np.ones(frames, np.float32)
    for start, stop in zip((0, *cuts), (*cuts, frames), strict=True):
        nearer = np.linspace(1, rng.uniform(1.1, MOST_ZOOM), stop - start)
        zoom[start:stop] = nearer if rng.random() < 0.5 else nearer[::-1]
    return zoom


def tour(rng: Generator, form: Form) -> tuple[NDArray[np.int64], Floats]:
    """Draw offsets [F, 2] and magnifications [F] of a camera that goes along places on a wall.

    It begins as any other camera and moves faster between some places, as people film pictures on a
    wall.
    """
    stops = int(rng.integers(2, 6))
    height, width = form.size
    places = rng.uniform(-1, 1, (stops, 2)) * (1.3 * width, 0.4 * height)
    zooms = rng.uniform(1, 2.2, stops)
    times = np.sort(rng.uniform(0, form.frames - 1, stops))
    places[0], zooms[0] = 0, 1
    when = np.arange(form.frames)
    nearest = np.searchsorted(times, when).clip(1, stops - 1)
    before, after = times[nearest - 1], times[nearest]
    share = np.clip((when - before) / np.maximum(after - before, 1e-6), 0, 1)
    eased = (share**2 * (3 - 2 * share))[:, None]
    offsets = places[nearest - 1] * (1 - eased) + places[nearest] * eased
    zoom = zooms[nearest - 1] * (1 - eased[:, 0]) + zooms[nearest] * eased[:, 0]
    return np.rint(offsets).astype(np.int64), zoom.astype(np.float32)


def choose_axis(rng: Generator, camera: NDArray[np.int64]) -> int:
    """Return 0 to move along x, 1 along y: across a pan of the camera [F, 2], else either one."""
    drift = np.abs(camera[-1] - camera[0])
    return int(drift.argmin()) if drift.max() > LEAST_PAN else int(rng.integers(2))


def wander(rng: Generator, frames: int, axis: int, region: Region, outside: Region) -> Floats:
    """Draw a path [frames, 2] on one axis: within the region, into it, out of it or across it."""
    along = one_way(rng, frames, region[axis::2], outside[axis::2])
    low, high = region[1 - axis], region[3 - axis]
    across = rng.uniform(low, max(low, high)) + sway(rng, frames)
    path = np.zeros((frames, 2), np.float32)
    path[:, axis] = along
    path[:, 1 - axis] = np.clip(across, low, max(low, high))
    return path


def one_way(
    rng: Generator, frames: int, inside: Sequence[float], outside: Sequence[float]
) -> NDArray[np.float64]:
    """Draw [frames] places on a line: a part of it that touches the inside, or all across.

    A part of given length may begin anywhere, and a coin decides which of its ends comes first.
    From a first place inside either way is thus as likely, and the same places are passed in either
    order. An end that is only partly in view is moved out of sight, since it would give this away.
    """
    low, high = inside
    if rng.random() < 0.3:
        (begin, end), travel = outside, np.linspace(0, 1, frames)
    else:
        reach = rng.uniform(0.5, 1.2) * (high - low)
        begin = rng.uniform(low - reach, high)
        end, travel = begin + reach, pace(rng, frames)
        begin = begin if begin >= low else min(begin, outside[0])
        end = end if end <= high else max(end, outside[1])
    along: NDArray[np.float64] = begin + (end - begin) * travel
    return along if rng.random() < 0.5 else along[::-1]


def pace(rng: Generator, frames: int) -> NDArray[np.float64]:
    """Draw [frames] from 0 to 1: rest, move for at least half of the time, rest."""
    moving = max(4, round(rng.uniform(0.5, 1.0) * frames))
    start = int(rng.integers(0, max(1, frames - moving + 1)))
    return np.clip((np.arange(frames) - start) / max(1, moving - 1), 0, 1)


def sway(rng: Generator, frames: int) -> NDArray[np.float64]:
    """Draw [frames] pixels to the side of the path: none, waves or hops."""
    size, cycles, phase = rng.uniform(1, 5), rng.uniform(0.5, 4), rng.uniform(0, 2 * np.pi)
    wave = np.sin(np.arange(frames) / frames * 2 * np.pi * cycles + phase)
    style = rng.choice(["straight", "waves", "hops"], p=[0.5, 0.25, 0.25])
    return {"straight": 0 * wave, "waves": size * wave, "hops": 2 * size * np.abs(wave)}[str(style)]
