"""Guessers that are shown only a part of a video, for the tests of what gives an answer away.

A guesser sees facts, not pixels: what a viewer of that part could note down. It learns from half
of the questions which answer goes with which facts and is judged by the other half.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from evscli.mini.world.compose import compose
from evscli.mini.world.questions import Question, ask
from evscli.mini.world.scene import Form, Scene, Thing

FORMS = (
    Form(frames=8, cells=(4, 4)),
    Form(frames=16, cells=(4, 5)),
    Form(frames=32, cells=(6, 5)),
    Form(frames=64, cells=(8, 9)),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """One question about one scene."""

    number: int
    """Of the scene."""
    scene: Scene
    question: Question

    @property
    def plain(self) -> str:
        """The question without its last mark, which some questions lack."""
        return self.question.text.rstrip("?.")


@dataclass(frozen=True, kw_only=True)
class Guessed:
    """How well a guesser did."""

    asked: int
    """Questions."""
    scenes: int
    """Scenes that they are about."""
    right: float
    """Share of its guesses that were right."""
    chance: float

    @property
    def noise(self) -> float:
        """Standard deviation of `right` if the guesser knew nothing.

        Questions about one scene may be right or wrong together: they count as one.
        """
        return float(np.sqrt(self.chance * (1 - self.chance) / self.scenes))

    @property
    def surprise(self) -> float:
        """How far above chance, in standard deviations."""
        return (self.right - self.chance) / self.noise


def composed(form: Form, number: int, *, seed: int = 20) -> tuple[Scene, list[Question]]:
    """A scene and its questions, not drawn."""
    rng = np.random.default_rng([seed, form.frames, number])
    scene = compose(rng, form)
    return scene, ask(rng, scene)


@lru_cache
def cases(form: Form, count: int) -> tuple[Case, ...]:
    """All questions about `count` scenes of a form."""
    scenes = ((number, *composed(form, number)) for number in range(count))
    return tuple(
        Case(number=number, scene=scene, question=question)
        for number, scene, asked in scenes
        for question in asked
    )


def guess(asked: Sequence[Case], facts: Callable[[Case], Hashable]) -> Guessed:
    """Learn from every other scene what to answer to which facts, and answer about the others."""
    known: dict[Hashable, Counter[str]] = defaultdict(Counter)
    for case in asked:
        if case.number % 2:
            known[facts(case)][choice(case)] += 1
    others = [case for case in asked if case.number % 2 == 0]
    chance = float(np.mean([1 / len(case.question.options) for case in others]))
    answered = [(case, known.get(facts(case))) for case in others]
    right = [c.most_common(1)[0][0] == choice(case) if c else chance for case, c in answered]
    return Guessed(
        asked=len(others),
        scenes=len({(case.scene.form.frames, case.number) for case in others}),
        right=float(np.mean(right)),
        chance=chance,
    )


def choice(case: Case) -> str:
    """The answer, or where in the question it is named as one of two options."""
    options, answer = case.question.options, case.question.answer
    if len(options) != 2:
        return answer
    other = next(option for option in options if option != answer)
    return "first" if case.plain.rfind(answer) < case.plain.rfind(other) else "second"


def seen_at(scene: Scene, frame: int) -> list[Thing]:
    """The things that are in the picture in one frame, if only in part."""
    height, width = scene.form.size
    seen = []
    for thing in scene.things:
        x, y = scene.in_picture(thing.path)[frame]
        inside = (
            -thing.radius < x < width + thing.radius and -thing.radius < y < height + thing.radius
        )
        if thing.shown[frame] and inside:
            seen.append(thing)
    return seen
