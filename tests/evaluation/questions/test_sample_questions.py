"""The questions beside the sample videos are right by their `truth.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evscli.evaluation.questions.choices import Choice, read_choices
from evscli.language.words import check_texts
from evscli.mini.form import mini_tokenizer
from evscli.mini.world.questions import THIRDS

SAMPLES = Path(__file__).parents[3] / "sample_videos"
CHOICES = read_choices(SAMPLES / "questions.jsonl")
BALLS = {"red": "red ball", "brown": "cat ball", "black": "star ball"}
"""The balls of `truth.json` by the colour one sees."""


@pytest.fixture(scope="module")
def truth() -> Any:
    return json.loads((SAMPLES / "truth.json").read_text())


def of_kind(kind: str) -> list[Choice]:
    return [choice for choice in CHOICES if choice.kind == kind]


def said(choice: Choice) -> str:
    return choice.options[choice.answer]


def test_mini_knows_every_word() -> None:
    tokenizer = mini_tokenizer()
    check_texts(tokenizer, [text for c in CHOICES for text in (c.question, *c.options)])


@pytest.mark.parametrize(
    "choice", of_kind("direction"), ids=lambda c: f"{c.path.name} {c.question}"
)
def test_balls_move_as_said(choice: Choice, truth: Any) -> None:
    (ball,) = [name for color, name in BALLS.items() if f"{color} ball" in choice.question]
    frames = truth[choice.path.name]["objects"].values()
    boxes = [thing["box"] for things in frames for thing in things if thing["name"] == ball]
    middles = [(left + right) / 2 for left, _, right, _ in boxes]
    assert said(choice) == ("right" if middles[-1] > middles[0] else "left")


@pytest.mark.parametrize("choice", of_kind("when") + of_kind("times"), ids=lambda c: c.path.name)
def test_the_light_flashes_as_said(choice: Choice, truth: Any) -> None:
    clip = truth[choice.path.name]
    (flash,) = [event for event in clip["events"] if event["name"] == "lamp flash"]
    middle = (flash["start"] + flash["end"]) / 2 / clip["frames"]
    assert said(choice) == ("one" if choice.kind == "times" else THIRDS[int(3 * middle)])


@pytest.mark.parametrize("choice", of_kind("scenes"), ids=lambda c: c.path.name)
def test_there_are_as_many_scenes_as_said(choice: Choice, truth: Any) -> None:
    cuts = [event for event in truth[choice.path.name]["events"] if event["name"] == "cut"]
    assert (len(cuts), said(choice)) == (0, "one")


@pytest.mark.parametrize("choice", of_kind("flash"), ids=lambda c: c.question)
def test_what_appears_briefly_is_the_small_red_ball(choice: Choice, truth: Any) -> None:
    frames = truth[choice.path.name]["objects"].values()
    seen = sum(any(thing["name"] == "red ball" for thing in things) for things in frames)
    assert 0 < seen < len(frames) / 10
    assert said(choice) in ("red", "circle")
