"""No answer may follow from the question alone, from the first frame, or from shuffled frames.

Except where that is the point of a kind: `color` and `count` ask about what one frame shows.
What the guessers know are facts that a viewer of that part of the video could note down.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable

import numpy as np
import pytest

from evscli.mini.world.questions import KINDS, THIRDS
from evscli.mini.world.scene import Form, Scene, Thing
from tests.mini.world.guessing import FORMS, Case, cases, guess, seen_at
from tests.mini.world.oracle import SHAPE_WORDS, the_one

pytestmark = pytest.mark.slow

SCENES = 600
"""Of each form."""

NOISE = 2.8
"""Standard deviations above chance that a guesser without a clue stays below (1 in 400)."""


@pytest.fixture(scope="module")
def asked() -> list[Case]:
    return [case for form in FORMS for case in cases(form, SCENES)]


def of_kind(asked: list[Case], kind: str) -> list[Case]:
    return [case for case in asked if case.question.kind == kind]


def about_the_lamp(case: Case) -> bool:
    return "light" in case.plain or "flash" in case.plain


def named(case: Case) -> bool:
    return any(word in case.plain for word in SHAPE_WORDS)


def asked_about(case: Case) -> Thing:
    return the_one(case.scene, case.plain)


def lamp_shown(scene: Scene) -> bool:
    return scene.light is not None and bool(scene.light.shown[0])


def first_frame(case: Case) -> Hashable:
    """How full the first frame is, and whether a lamp is there."""
    seen = seen_at(case.scene, 0)
    shapes = [thing.shape for thing in seen]
    alike = max((shapes.count(shape) for shape in shapes), default=0)
    return case.scene.form.frames, min(len(seen), 6), alike, lamp_shown(case.scene)


def shapes_at_first(case: Case) -> Hashable:
    return frozenset(thing.shape for thing in seen_at(case.scene, 0))


def colors_at_first(case: Case) -> Hashable:
    return frozenset(thing.color for thing in seen_at(case.scene, 0))


def place_in(case: Case, frame: int) -> Hashable:
    """Where the thing asked about is in one frame along the way it may go, in eighths."""
    thing = asked_about(case)
    way = case.question.options
    if not any(thing is other for other in seen_at(case.scene, frame)):
        return way, None
    axis = 0 if "left" in way else 1
    place = case.scene.in_picture(thing.path)[frame][axis]
    return way, first_named(case), int(8 * place / case.scene.form.size[1 - axis])


def first_named(case: Case) -> str:
    """The option that the question names first."""
    return min(case.question.options, key=case.plain.rfind)


def places_seen(case: Case) -> Hashable:
    """The mean place of the thing asked about over all frames that show it, in twelfths."""
    thing = asked_about(case)
    way = case.question.options
    axis = 0 if "left" in way else 1
    places = case.scene.in_picture(thing.path)[thing.shown, axis] / case.scene.form.size[1 - axis]
    inside = places[(places > -0.1) & (places < 1.1)]
    return way, first_named(case), int(12 * inside.mean())


def assert_blind(asked: list[Case], facts: Callable[[Case], Hashable]) -> None:
    guessed = guess(asked, facts)
    assert guessed.asked >= 100
    assert guessed.surprise < NOISE, guessed


@pytest.mark.parametrize("kind", KINDS)
def test_the_question_alone_does_not_tell(asked: list[Case], kind: str) -> None:
    assert_blind(of_kind(asked, kind), lambda case: case.plain)
    assert_blind(of_kind(asked, kind), lambda case: (case.scene.form, len(case.question.options)))


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_brief_things_appear_in_every_third_equally_often(asked: list[Case], form: Form) -> None:
    whens = [case for case in of_kind(asked, "when") if case.scene.form is form]
    alone = [case for case in whens if not about_the_lamp(case) and not named(case)]
    others = [case for case in whens if named(case)]
    for cases_of in (alone, others):
        answers = Counter(case.question.answer for case in cases_of)
        scenes = len({case.number for case in cases_of})
        for third in THIRDS:
            beyond = answers[third] / len(cases_of) - 1 / 3
            assert abs(beyond) < NOISE * np.sqrt(2 / 9 / scenes), answers


def test_a_guesser_that_is_told_knows(asked: list[Case]) -> None:
    for kind in KINDS:
        guessed = guess(of_kind(asked, kind), lambda case: case.question.answer)
        assert guessed.right > 0.95 or kind in ("order", "direction")
    told = guess(of_kind(asked, "direction"), lambda c: (c.question.answer, first_named(c)))
    assert told.right > 0.99


def test_the_first_frame_does_not_tell_the_number_of_scenes(asked: list[Case]) -> None:
    assert_blind(of_kind(asked, "scenes"), first_frame)


def test_the_first_frame_does_not_tell_the_number_of_flashes(asked: list[Case]) -> None:
    assert_blind(of_kind(asked, "times"), first_frame)


def test_the_first_frame_does_not_tell_when_the_light_flashes(asked: list[Case]) -> None:
    lamps = [case for case in of_kind(asked, "when") if about_the_lamp(case)]
    assert_blind(lamps, lambda case: lamp_shown(case.scene))
    assert_blind(lamps, first_frame)


def test_the_first_frame_does_not_tell_when_something_appears(asked: list[Case]) -> None:
    assert_blind([c for c in of_kind(asked, "when") if not about_the_lamp(c)], first_frame)


def test_the_first_frame_does_not_tell_what_appears_first(asked: list[Case]) -> None:
    assert_blind(of_kind(asked, "order"), first_frame)


@pytest.mark.parametrize("facts", [first_frame, shapes_at_first, colors_at_first])
@pytest.mark.parametrize("options", [6, 8])
def test_the_first_frame_does_not_tell_what_appears(
    asked: list[Case], options: int, facts: Callable[[Case], Hashable]
) -> None:
    flashes = of_kind(asked, "flash")
    assert_blind([case for case in flashes if len(case.question.options) == options], facts)


def test_the_first_frame_does_not_tell_the_direction(asked: list[Case]) -> None:
    assert_blind(of_kind(asked, "direction"), lambda case: place_in(case, 0))


def test_shuffled_frames_do_not_tell_the_direction(asked: list[Case]) -> None:
    assert_blind(of_kind(asked, "direction"), places_seen)


def test_the_last_frame_does_not_tell_the_direction(asked: list[Case]) -> None:
    last = {form.frames: form.frames - 1 for form in FORMS}
    ways = of_kind(asked, "direction")
    assert_blind(ways, lambda case: place_in(case, last[case.scene.form.frames]))


def test_two_things_that_appear_are_asked_about_in_either_order(asked: list[Case]) -> None:
    orders = of_kind(asked, "order")
    named_first = np.mean([first_named(case) == case.question.answer for case in orders])
    assert abs(named_first - 0.5) < NOISE * 0.5 / np.sqrt(len(orders))
