"""Questions about a scene in plain English, in several wordings, each with one clear answer.

An answer is one word. Within a kind every answer is equally likely whatever the question contains.
Options that a question names stand in either order equally often.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from evscli.mini.world.motion import COUNTS_SCENES
from evscli.mini.world.scene import COLORS, SHAPES, Flags, Scene, Thing, displacement, way_in_view

NUMBERS = ("one", "two", "three", "four")
THIRDS = ("beginning", "middle", "end")

COUNTS_FLASHES = 16
"""The number of frames from which a light may flash one to four times."""

UNPUNCTUATED = 0.15
"""The share of the questions that end without a mark, as people type them."""

LEAST_WAY = 4
"""The pixels of a mover's way in view that a question needs. A few movers leave within a frame."""

WORDS_FOR = {"circle": ("circle", "ball"), "square": ("square", "box")}
"""The usual words for a shape that has several."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question with one right answer."""

    kind: str
    text: str
    answer: str
    options: tuple[str, ...]
    """The possible answers, the right one among them."""


KINDS = {
    "color": "What color is something that stays or moves?",
    "flash": "What appears only briefly?",
    "when": "At which third of the video does something happen?",
    "order": "Which of two brief events comes first?",
    "direction": "Which of two ways does something move?",
    "count": "How many things of a shape are there?",
    "times": "How many times does the light flash?",
    "scenes": "How many scenes are there?",
}
"""The kinds of question."""

WORDINGS = {
    "color": (
        "what color is the {it}?",
        "which color is the {it}?",
        "what is the color of the {it}?",
        "what colour is the {it}?",
        "tell me the color of the {it}.",
        "name the color of the {it}.",
        "the {it}: what color is it?",
    ),
    "mover color": (
        "what color is the moving {it}?",
        "what color is the {it} that moves?",
        "which color is the {it} that is moving?",
    ),
    "flash shape": (
        "which shape appears briefly?",
        "what shape appears only for a moment?",
        "which object is seen only for a moment?",
        "what shape appears briefly?",
        "name the shape that appears for a moment.",
    ),
    "flash color": (
        "what color is the shape that appears briefly?",
        "which color is the shape that appears for a moment?",
        "what color is the thing that appears briefly?",
        "what color is the object that appears only for a moment?",
    ),
    "when pop": (
        "when does something appear briefly?",
        "in which part of the video does a shape appear briefly?",
        "when does a shape appear only for a moment?",
    ),
    "when thing": (
        "when does the {it} appear?",
        "when do you see the {it}, beginning, middle or end?",
        "in which part of the video does the {it} appear?",
        "when is the {it} seen?",
    ),
    "when light": (
        "when does the light flash?",
        "when does the light flash, beginning, middle or end?",
        "in which part of the video does the light flash?",
        "when is the flash?",
        "when does the light turn on?",
    ),
    "order shape": (
        "which appears first, the {a} or the {b}?",
        "what appears first, the {a} or the {b}?",
        "which shape appears first, the {a} or the {b}?",
        "which comes first, the {a} or the {b}?",
    ),
    "order color": (
        "which color appears first, {a} or {b}?",
        "what appears first, the {a} shape or the {b} shape?",
        "which comes first, the {a} one or the {b} one?",
    ),
    "direction": (
        "which way does the {it} move, {a} or {b}?",
        "does the {it} move {a} or {b}?",
        "does the {it} go {a} or {b}?",
        "where does the {it} move, {a} or {b}?",
        "in which direction does the {it} move, {a} or {b}?",
        "is the {it} moving {a} or {b}?",
    ),
    "count": (
        "how many {its} are there?",
        "how many {its} do you see?",
        "how many {its} are in the video?",
        "count the {its}.",
        "what is the number of {its}?",
    ),
    "times": (
        "how many times does the light flash?",
        "how many flashes are there?",
        "how many times does the light turn on?",
        "count the flashes.",
        "how many flashes do you see?",
    ),
    "scenes": (
        "how many scenes are there?",
        "how many scenes are in the video?",
        "how many scenes do you see?",
        "how many scenes does the video show?",
        "count the scenes.",
        "what is the number of scenes?",
    ),
}


def ask(rng: Generator, scene: Scene) -> list[Question]:
    """Return every question that the scene answers, each in one wording."""
    kinds = (scenes,) if scene.tour else (colors, pops, directions, groups, flashes, scenes)
    return [question for about in kinds for question in about(rng, scene)]


def colors(rng: Generator, scene: Scene) -> Iterator[Question]:
    """Ask for the color of still and moving things where the shape names one of them."""
    shapes = [thing.shape for thing in scene.things]
    moving = [thing for thing in scene.things if thing.role == "mover"]
    named = [t for t in scene.things if t.role != "pop" and shapes.count(t.shape) == 1]
    for thing in named:
        yield worded(rng, "color", "color", thing.color, tuple(COLORS), it=called(rng, thing.shape))
    if len(moving) == 1 and moving[0] not in named:
        it = "thing" if rng.random() < 0.3 else str(rng.choice(["object", "shape"]))
        yield worded(rng, "color", "mover color", moving[0].color, tuple(COLORS), it=it)


def pops(rng: Generator, scene: Scene) -> Iterator[Question]:
    """Ask for the things that appear for a moment, their times, and the first of two."""
    brief = [thing for thing in scene.things if thing.role == "pop"]
    if len(brief) == 1:
        yield from only_pop(rng, scene, brief[0])
    yield from named_pops(rng, scene, brief)
    if len(brief) == 2:
        yield from order(rng, scene, brief)


def only_pop(rng: Generator, scene: Scene, thing: Thing) -> Iterator[Question]:
    """Ask for the only brief thing and for its time."""
    yield worded(rng, "flash", "flash shape", thing.shape, SHAPES)
    yield worded(rng, "flash", "flash color", thing.color, tuple(COLORS))
    yield worded(rng, "when", "when pop", third(scene, thing.shown), THIRDS)


def named_pops(rng: Generator, scene: Scene, brief: Sequence[Thing]) -> Iterator[Question]:
    """Ask for the times of brief things that words can name among all others of the scene."""
    shapes = [thing.shape for thing in scene.things]
    pairs = [(thing.color, thing.shape) for thing in scene.things]
    for thing in brief:
        if pairs.count((thing.color, thing.shape)) == 1:
            it = called(rng, thing.shape)
            if shapes.count(thing.shape) > 1 or rng.random() < 0.5:
                it = f"{thing.color} {it}"
            yield worded(rng, "when", "when thing", third(scene, thing.shown), THIRDS, it=it)


def order(rng: Generator, scene: Scene, brief: Sequence[Thing]) -> Iterator[Question]:
    """Ask for the first of two brief events, which no other thing may be mistaken for."""
    pairs = [(thing.color, thing.shape) for thing in scene.things]
    first, second = sorted(brief, key=lambda thing: int(np.argmax(thing.shown)))
    if all(pairs.count((thing.color, thing.shape)) == 1 for thing in brief):
        options = (first.shape, second.shape)
        a, b = rng.permutation([f"{thing.color} {thing.shape}" for thing in brief])
        yield worded(rng, "order", "order shape", first.shape, options, a=a, b=b)
    if all([color for color, _ in pairs].count(thing.color) == 1 for thing in brief):
        options = (first.color, second.color)
        a, b = rng.permutation(options)
        yield worded(rng, "order", "order color", first.color, options, a=a, b=b)


def third(scene: Scene, flags: Flags) -> str:
    """Return the third of the video that holds the middle of an event."""
    frames = np.flatnonzero(flags)
    middle = (frames[0] + frames[-1] + 1) / 2
    return THIRDS[min(2, int(3 * middle / scene.form.frames))]


def directions(rng: Generator, scene: Scene) -> Iterator[Question]:
    """Ask for the one of the two ways along its axis that a mover takes."""
    movers = [thing for thing in scene.things if thing.role == "mover"]
    for thing in movers:
        it = described(rng, thing, scene.things, alone=len(movers) == 1)
        axis = int(np.abs(displacement(thing)).argmax())
        way, seen = displacement(thing)[axis], way_in_view(scene, thing)[axis]
        if it is None or seen * np.sign(way) < LEAST_WAY:
            continue
        ways = (("left", "right"), ("up", "down"))[axis]
        a, b = rng.permutation(ways)
        answer = ways[int(way > 0)]
        yield worded(rng, "direction", "direction", answer, ways, it=it, a=a, b=b)


def described(rng: Generator, thing: Thing, others: Sequence[Thing], *, alone: bool) -> str | None:
    """Return words that name this thing alone in the scene, or None without any."""
    names = []
    if [other.shape for other in others].count(thing.shape) == 1:
        names.append(called(rng, thing.shape))
    if [(o.shape, o.color) for o in others].count((thing.shape, thing.color)) == 1:
        names.append(f"{thing.color} {called(rng, thing.shape)}")
    if alone:
        names.append("moving thing" if rng.random() < 0.5 else "moving object")
    return str(rng.choice(names)) if names else None


def groups(rng: Generator, scene: Scene) -> Iterator[Question]:
    """Ask for the number of things of the shape that was placed as a group."""
    shape = scene.things[0].shape
    alike = [thing for thing in scene.things if thing.shape == shape]
    if len(alike) <= len(NUMBERS) and all(thing.role == "still" for thing in alike):
        its = called(rng, shape)
        its = {"box": "boxes", "cross": "crosses"}.get(its, f"{its}s")
        yield worded(rng, "count", "count", NUMBERS[len(alike) - 1], NUMBERS, its=its)


def flashes(rng: Generator, scene: Scene) -> Iterator[Question]:
    """Ask for the time of a flash of the light, or for their number."""
    light = scene.light
    if light is None:
        return
    if len(light.starts) == 1:
        yield worded(rng, "when", "when light", third(scene, light.lit), THIRDS)
    if not scene.cuts and scene.form.frames >= COUNTS_FLASHES:
        yield worded(rng, "times", "times", NUMBERS[len(light.starts) - 1], NUMBERS)


def scenes(rng: Generator, scene: Scene) -> Iterator[Question]:
    """Ask for the number of scenes, less often without cuts, so that one is not the rule."""
    if scene.form.frames >= COUNTS_SCENES and (scene.cuts or scene.tour or rng.random() < 0.17):
        yield worded(rng, "scenes", "scenes", NUMBERS[len(scene.cuts)], NUMBERS)


def called(rng: Generator, shape: str) -> str:
    """Draw a word for the shape."""
    names = WORDS_FOR.get(shape, (shape,))
    return names[int(rng.integers(len(names)))]


def worded(
    rng: Generator, kind: str, wording: str, answer: str, options: tuple[str, ...], **parts: str
) -> Question:
    """Make a question in one of its wordings."""
    texts = WORDINGS[wording]
    text = texts[int(rng.integers(len(texts)))].format(**parts)
    if rng.random() < UNPUNCTUATED:
        text = text.rstrip("?.")
    return Question(kind=kind, text=text, answer=answer, options=options)
