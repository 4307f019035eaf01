"""What the loss of an answer weighs."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import cross_entropy

from evscli.mini.training.objective import KIND_WEIGHTS, answer_loss, kinds_of_targets
from evscli.mini.training.prompts import KIND_NUMBERS, ask_all
from evscli.mini.world.questions import KINDS, Question


def question(kind: str, text: str, answer: str) -> Question:
    return Question(kind=kind, text=text, answer=answer, options=(answer,))


def test_answers_of_one_kind_weigh_alike() -> None:
    logits, targets = torch.randn(6, 9), torch.randint(9, (6,))
    for kind in KINDS:
        kinds = torch.full((6,), KIND_NUMBERS[kind])
        found = answer_loss(logits, targets, kinds)
        torch.testing.assert_close(found, cross_entropy(logits, targets))


def test_a_rare_kind_weighs_as_much_as_it_says() -> None:
    logits, targets = torch.randn(2, 9), torch.tensor([3, 4])
    kinds = torch.tensor([KIND_NUMBERS["scenes"], KIND_NUMBERS["color"]])
    rare, common = cross_entropy(logits, targets, reduction="none")
    heavy = KIND_WEIGHTS["scenes"]
    assert heavy > 1
    assert "color" not in KIND_WEIGHTS
    expected = (heavy * rare + common) / (heavy + 1)
    torch.testing.assert_close(answer_loss(logits, targets, kinds), expected)


def test_every_target_has_the_kind_of_its_question(tokenizer: Any) -> None:
    asked = ask_all(
        tokenizer,
        [
            [question("scenes", "how many scenes are there?", "two")],
            [
                question("color", "what color is the ball?", "red"),
                question("order", "which comes first, the red one or the blue one?", "blue"),
            ],
        ],
        most=3,
    )
    numbers = [KIND_NUMBERS[kind] for kind in ("scenes", "color", "order")]
    assert kinds_of_targets(asked).tolist() == [n for n in numbers for _ in ("answer", "its end")]
