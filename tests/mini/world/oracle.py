"""Answers questions about scenes from their words alone, apart from the code that asks them.

Raises AssertionError where a question does not mean exactly one thing.
"""

from __future__ import annotations

import re

import numpy as np

from evscli.mini.world.scene import COLORS, SHAPES, Scene, Thing

NUMBERS = ("none", "one", "two", "three", "four")
THIRDS = ("beginning", "middle", "end")
SHAPE_WORDS = {shape: shape for shape in SHAPES} | {"ball": "circle", "box": "square"}
PLURALS = {f"{word}s": shape for word, shape in SHAPE_WORDS.items()}
PLURALS |= {"boxes": "square", "crosses": "cross"}
PICTURE_AXES = {"left": (0, -1), "right": (0, 1), "up": (1, -1), "down": (1, 1)}
BRIEF = 3
"""Frames that something may be there for to be there briefly."""


def answer(scene: Scene, text: str) -> str:
    """What a careful viewer answers."""
    text = text.rstrip("?.")
    if re.search(r"\b(left|up|down|right) or (left|up|down|right)$", text):
        return direction(scene, text)
    if "first" in text:
        return earlier(scene, text)
    if "scenes" in text:
        return NUMBERS[len(scene.cuts) + 1]
    if "flashes" in text or "times" in text:
        return NUMBERS[len(flashes(scene))]
    if text.startswith(("when", "in which part")):
        return third(scene, *when(scene, text))
    if re.search(r"how many|count|number", text):
        return counted(scene, text)
    if re.search("brief|moment", text):
        (thing,) = brief_things(scene)
        return thing.color if re.search("colou?r", text) else thing.shape
    assert re.search("colou?r", text), text
    return the_one(scene, text).color


def the_one(scene: Scene, text: str) -> Thing:
    """The thing that the words of a question mean; they must mean exactly one."""
    words = re.findall("[a-z]+", text)
    shapes = [SHAPE_WORDS[word] for word in words if word in SHAPE_WORDS]
    shades = [word for word in words if word in COLORS]
    found = [
        thing
        for thing in scene.things
        if all(thing.shape == shape for shape in shapes)
        and all(thing.color == shade for shade in shades)
        and ("mov" not in text or shapes or moves(thing))
    ]
    assert len(found) == 1, f"{text}: {len(found)} things"
    return found[0]


def moves(thing: Thing) -> bool:
    """Whether it is seen in more than one place."""
    return bool(np.ptp(thing.path[thing.shown], axis=0).max() > 0)


def direction(scene: Scene, text: str) -> str:
    """Which of two ways the thing goes; it must go further that way than to the side."""
    options = text.split()[-3], text.split()[-1]
    thing = the_one(scene, text)
    went = thing.path[thing.shown][-1] - thing.path[thing.shown][0]
    axis = PICTURE_AXES[options[0]][0]
    assert PICTURE_AXES[options[1]][0] == axis, text
    assert abs(went[axis]) > abs(went[1 - axis]), text
    (right,) = [way for way in options if PICTURE_AXES[way][1] * went[axis] > 0]
    return right


def earlier(scene: Scene, text: str) -> str:
    """Which of two named things is there first."""
    match = re.search(r"first, (?:the )?(.+?) or (?:the )?(.+)$", text)
    assert match is not None, text
    things = [the_one(scene, part) for part in match.groups()]
    spans = [np.flatnonzero(thing.shown) for thing in things]
    assert all(len(span) <= BRIEF for span in spans), text
    first, second = sorted(range(2), key=lambda number: spans[number][0])
    assert spans[first][-1] < spans[second][0], text
    named = re.search("|".join(SHAPE_WORDS), match[1])
    return things[first].shape if named else things[first].color


def when(scene: Scene, text: str) -> tuple[int, int]:
    """The first and the last frame of what a question asks the time of."""
    if re.search("light|flash", text):
        (flash,) = flashes(scene)
        return flash
    shapes = re.search("|".join(SHAPE_WORDS), text)
    (thing,) = [the_one(scene, text)] if shapes else brief_things(scene)
    frames = np.flatnonzero(thing.shown)
    return int(frames[0]), int(frames[-1])


def third(scene: Scene, first: int, last: int) -> str:
    """The third of the video that an event is in, wholly where the video has frames enough."""
    frames = scene.form.frames
    parts = {min(2, 3 * (2 * frame + 1) // (2 * frames)) for frame in (first, last)}
    if frames >= 16:
        parts |= {int(3 * first / frames), int(3 * (last + 1) / frames - 1e-9)}
    assert len(parts) == 1, (first, last, frames)
    return THIRDS[parts.pop()]


def counted(scene: Scene, text: str) -> str:
    """How many things of a shape there are; all of them must be there to be counted at leisure."""
    (shape,) = [PLURALS[word] for word in re.findall("[a-z]+", text) if word in PLURALS]
    things = [thing for thing in scene.things if thing.shape == shape]
    assert not any(moves(thing) or thing.shown.sum() <= BRIEF for thing in things), text
    assert len({tuple(thing.shown) for thing in things}) == 1, text
    return NUMBERS[len(things)]


def brief_things(scene: Scene) -> list[Thing]:
    """The things that are there for a moment."""
    return [thing for thing in scene.things if thing.shown.sum() <= BRIEF]


def flashes(scene: Scene) -> list[tuple[int, int]]:
    """The first and the last frame of each flash of the lamp."""
    assert scene.light is not None
    lit = [int(frame) for frame in np.flatnonzero(scene.light.lit)]
    starts = [frame for frame in lit if frame - 1 not in lit]
    return [(s, next(f for f in range(s, s + 99) if f + 1 not in lit)) for s in starts]
