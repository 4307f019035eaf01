"""The five sample clips: what happens in each, and where. Knows nothing about files or codecs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import cos, pi, sin

from sample_videos.drawing import (
    Box,
    Picture,
    draw_light,
    filmed,
    look,
    photo,
    where,
)
from sample_videos.scenery import (
    Camera,
    along,
    around,
    ball_of,
    bouncing,
    ease,
    enclosing,
    gallery,
    meadow,
    pulse,
    rolling,
    sway,
    yard,
)

WIDE = (216, 384)
"""(height, width) of the clips as a viewer shows them, except the upright one."""

UPRIGHT = (384, 216)

Shot = tuple[Picture, list[tuple[str, Box]]]
"""A frame and the boxes of its objects."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happens from frame `start` until before frame `end` inside `box`."""

    name: str
    start: int
    end: int
    box: Box


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One video: `shoot(number)` gives its frames."""

    name: str
    size: tuple[int, int] = WIDE
    """(height, width) as a viewer shows it."""
    fps: int
    """The rate that the file states."""
    pts: Sequence[int]
    """Presentation times in units of `time_base`."""
    time_base: Fraction
    rotation: int = 0
    """Degrees counter-clockwise a viewer turns the coded picture."""
    shoot: Callable[[int], Shot]
    events: list[Event] = field(default_factory=list)

    def shots(self) -> Iterator[Shot]:
        """Every frame in order."""
        return map(self.shoot, range(len(self.pts)))


def clips() -> list[Clip]:
    """All of them."""
    return [fixed_camera(), moving_camera(), hard_cuts(), variable_rate(), phone_rotated()]


def fixed_camera() -> Clip:
    """Three balls before a brick wall; a lamp on the wall lights up once for half a second."""
    empty, lamp, flash = yard(*WIDE), (300.0, 38.0), range(140, 152)
    red, cat, star = ball_of("red", 24), ball_of("cat", 17), ball_of("star", 14)

    def shoot(number: int) -> Shot:
        canvas, time = empty.copy(), number / 24
        draw_light(canvas, *lamp, 5, glow=pulse(number, flash))
        boxes = [
            rolling(canvas, star, ease(time, 1, 4, -20, 120), 134),
            bouncing(canvas, cat, 410 - 46 * time, 162, time),
            rolling(canvas, red, -30 + 44 * time, 186),
        ]
        return filmed(canvas, number), boxes

    return Clip(
        name="fixed-camera.mp4",
        fps=24,
        pts=range(240),
        time_base=Fraction(1, 24),
        shoot=shoot,
        events=[Event(name="lamp flash", start=140, end=152, box=around(lamp, 12))],
    )


def moving_camera() -> Clip:
    """A camera pans and zooms along framed photographs on a wall."""
    wall, hung = gallery()
    path = [
        Camera(0.0, 360, 300, 640),
        Camera(2.0, 345, 245, 400),
        Camera(4.0, 835, 310, 620),
        Camera(5.0, 1100, 310, 640),
        Camera(6.5, 1440, 265, 330),
        Camera(8.0, 1960, 305, 560),
        Camera(10.0, 1400, 338, 1180),
    ]

    def shoot(number: int) -> Shot:
        framed = along(path, number / 24, WIDE)
        boxes = [(name, where(box, framed, WIDE)) for name, box in hung]
        return filmed(look(wall, framed, WIDE), number), boxes

    return Clip(
        name="moving-camera.mp4", fps=24, pts=range(240), time_base=Fraction(1, 24), shoot=shoot
    )


def hard_cuts() -> Clip:
    """Six shots without transitions: five photographs under a slow camera, and the yard."""
    empty, ball = yard(*WIDE), ball_of("cat", 20)

    def rolls(number: int) -> Shot:
        canvas = empty.copy()
        boxes = [rolling(canvas, ball, 60 + 5.0 * number, 180)]
        return filmed(canvas, number), boxes

    shots = [_still(still) for still in STILLS]
    shots.insert(3, rolls)
    starts = [0, 31, 67, 94, 133, 160, 200]

    def shoot(number: int) -> Shot:
        current = sum(start <= number for start in starts[1:-1])
        return shots[current](number - starts[current])

    whole = (0.0, 0.0, float(WIDE[1]), float(WIDE[0]))
    cuts = [Event(name="cut", start=start, end=start + 1, box=whole) for start in starts[1:-1]]
    return Clip(
        name="hard-cuts.mp4",
        fps=25,
        pts=range(200),
        time_base=Fraction(1, 25),
        shoot=shoot,
        events=cuts,
    )


def variable_rate() -> Clip:
    """A ball circles on a meadow; frames come at 30, then 10, then 5, then 24 a second.

    A second, small ball is there for 0.6 seconds while the rate is 10.
    """
    empty, cat, red = meadow(*WIDE), ball_of("cat", 21), ball_of("red", 9)
    times = _times_of([(2.0, 30), (2.0, 10), (1.0, 5), (3.0, 24)])
    visit = [number for number, time in enumerate(times) if 2600 <= time < 3200]

    def shoot(number: int) -> Shot:
        canvas, time = empty.copy(), times[number] / 1000
        turn = 2 * pi * time / 5
        boxes = [rolling(canvas, cat, 192 + 120 * sin(turn), 118 + 42 * cos(turn))]
        if number in visit:
            boxes.append(rolling(canvas, red, 60 + 30 * (time - 2.6), 60))
        return filmed(canvas, number), boxes

    event = Event(name="small ball", start=visit[0], end=visit[-1] + 1, box=(45, 40, 95, 70))
    return Clip(
        name="variable-rate.mkv",
        fps=30,
        pts=times,
        time_base=Fraction(1, 1000),
        shoot=shoot,
        events=[event],
    )


def phone_rotated() -> Clip:
    """Filmed upright by hand in the yard; the lamp lights up once more, for 0.4 seconds."""
    empty, lamp = yard(470, 320), (210.0, 90.0)
    red, star = ball_of("red", 34), ball_of("star", 20)
    camera = [sway(number / 30, 160, 235, 240, UPRIGHT) for number in range(180)]
    flash = range(100, 112)

    def shoot(number: int) -> Shot:
        canvas, time = empty.copy(), number / 30
        draw_light(canvas, *lamp, 8, glow=pulse(number, flash))
        placed = [
            rolling(canvas, star, ease(time, 0, 6, 380, -60), 290),
            bouncing(canvas, red, -40 + 70 * time, 380, time),
        ]
        boxes = [(name, where(box, camera[number], UPRIGHT)) for name, box in placed]
        return filmed(look(canvas, camera[number], UPRIGHT), number), boxes

    lit = [where(around(lamp, 19), camera[number], UPRIGHT) for number in flash]
    event = Event(name="lamp flash", start=flash[0], end=flash[-1] + 1, box=enclosing(lit))
    return Clip(
        name="phone-rotated.mp4",
        size=UPRIGHT,
        fps=30,
        pts=range(180),
        time_base=Fraction(1, 30),
        rotation=270,
        shoot=shoot,
        events=[event],
    )


@dataclass(frozen=True, kw_only=True)
class Still:
    """A photograph, what is to be seen on it, and the camera's way over it in one second."""

    photo: str
    objects: dict[str, Box]
    start: Camera
    end: Camera


STILLS = [
    Still(
        photo="rocket",
        objects={"rocket": (305, 122, 342, 412)},
        start=Camera(0, 330, 180, 600),
        end=Camera(1, 330, 250, 540),
    ),
    Still(
        photo="coffee",
        objects={"cup": (75, 17, 480, 387)},
        start=Camera(0, 290, 190, 560),
        end=Camera(1, 270, 200, 500),
    ),
    Still(
        photo="chelsea",
        objects={"left eye": (134, 82, 203, 148), "nose": (230, 216, 292, 268)},
        start=Camera(0, 220, 150, 420),
        end=Camera(1, 240, 160, 360),
    ),
    Still(
        photo="astronaut",
        objects={"face": (150, 12, 304, 192), "shuttle": (354, 0, 464, 290)},
        start=Camera(0, 256, 150, 500),
        end=Camera(1, 290, 160, 420),
    ),
    Still(
        photo="hubble_deep_field",
        objects={},
        start=Camera(0, 400, 400, 640),
        end=Camera(1, 500, 430, 560),
    ),
]


def _still(still: Still) -> Callable[[int], Shot]:
    canvas = photo(still.photo)

    def shoot(number: int) -> Shot:
        framed = along([still.start, still.end], number / 40, WIDE)
        boxes = [(name, where(box, framed, WIDE)) for name, box in still.objects.items()]
        return filmed(look(canvas, framed, WIDE), number), boxes

    return shoot


def _times_of(parts: list[tuple[float, int]]) -> list[int]:
    """Times in milliseconds of parts that each last so many seconds at so many frames a second."""
    times, start = [], 0.0
    for seconds, fps in parts:
        times += [round(1000 * (start + number / fps)) for number in range(round(seconds * fps))]
        start += seconds
    return times
