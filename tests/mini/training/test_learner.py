"""One step of learning, and going back to what was learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from evscli.mini.training.batches import Batch, FilmBatches
from evscli.mini.training.learner import (
    KIND_WEIGHTS,
    MODEL,
    NAMING,
    MiniLearner,
    answer_loss,
    kinds_of_targets,
)
from evscli.mini.training.plan import TrainingPlan
from evscli.mini.training.prompts import KIND_NUMBERS, ask_all
from evscli.mini.world.questions import KINDS, Question
from evscli.train.learner import Learned, parameters_of

PLAN = TrainingPlan(seed=54, steps=1000, looks=1, tokens=1)
LOOK, FILM = 0, 3
"""Steps of a batch of single moments and of one with questions."""


@pytest.fixture(scope="module")
def drawn(tokenizer: Any) -> dict[int, Batch]:
    data = FilmBatches(tokenizer, PLAN)
    return {step: data[step] for step in (LOOK, FILM)}


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """A learner after a look and a film, what it said of each, and its states with the first."""

    learner: MiniLearner
    learned: list[Learned]
    states: list[dict[str, Tensor]]


@pytest.fixture(scope="module")
def lesson(tokenizer: Any, drawn: dict[int, Batch]) -> Lesson:
    learner, learned = MiniLearner(tokenizer, PLAN), []
    states = [copy_of(learner.state())]
    for step, batch in drawn.items():
        learned.append(learner.step(step, batch))
        states.append(copy_of(learner.state()))
    return Lesson(learner=learner, learned=learned, states=states)


@pytest.fixture(scope="module")
def states(lesson: Lesson) -> list[dict[str, Tensor]]:
    return lesson.states


def copy_of(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in state.items()}


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def weights(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if name.startswith("weights/")}


@pytest.mark.slow
def test_the_plan_decides_the_first_weights(
    tokenizer: Any, states: list[dict[str, Tensor]]
) -> None:
    torch.rand(3)  # whatever happened before does not matter
    again = MiniLearner(tokenizer, PLAN).state()
    assert equal(again, states[0])
    other = MiniLearner(tokenizer, TrainingPlan(seed=55, steps=1000, looks=1, tokens=1)).state()
    assert not equal(other, states[0])


@pytest.mark.slow
def test_the_working_copy_is_what_will_be_released(lesson: Lesson) -> None:
    learner = lesson.learner
    pairs = zip(learner.masters.named_parameters(), learner.workers.parameters(), strict=True)
    for (name, master), worker in pairs:
        assert master.dtype == torch.float32
        assert torch.equal(worker, master.to(torch.bfloat16)), name
        assert worker.grad is None
    rotary = learner.workers.get_submodule(f"{MODEL}.model.language_model.rotary_emb")
    assert rotary.inv_freq.dtype == torch.float32


@pytest.mark.slow
def test_a_look_teaches_the_vision_tower_alone(states: list[dict[str, Tensor]]) -> None:
    before, after, _ = states
    changed = {name for name in weights(before) if not torch.equal(before[name], after[name])}
    tower = {name for name in weights(before) if "visual." in name}
    assert changed <= tower | {name for name in weights(before) if f"/{NAMING}." in name}
    assert any(".blocks." in name for name in changed)
    assert any(f"/{NAMING}.heads.shape" in name for name in changed)


def test_a_film_teaches_all_of_the_model(states: list[dict[str, Tensor]]) -> None:
    _, before, after = states
    same = [name for name in weights(before) if torch.equal(before[name], after[name])]
    assert same == []


def test_every_weight_learns_by_one_rule(tokenizer: Any) -> None:
    learner = MiniLearner(tokenizer, PLAN)
    by_rule = {
        kind: {id(param) for param in parameters_of(optimizer)}
        for kind, optimizer in learner.optimizers.items()
    }
    named = dict(learner.masters.named_parameters())
    assert by_rule["muon"].isdisjoint(by_rule["adamw"])
    assert by_rule["muon"] | by_rule["adamw"] == {id(param) for param in named.values()}
    for name, param in named.items():
        hidden = param.ndim == 2 and name.startswith(f"{MODEL}.") and "embed" not in name
        assert (id(param) in by_rule["muon"]) == hidden, name


@pytest.mark.slow
def test_the_step_decides_the_learning_rate(tokenizer: Any, drawn: dict[int, Batch]) -> None:
    learner = MiniLearner(tokenizer, PLAN)
    learner.step(500, drawn[FILM])
    for optimizer in learner.optimizers.values():
        assert [group["lr"] for group in optimizer.param_groups] == [PLAN.rate_at(500)]


@pytest.mark.slow
def test_what_was_learned_says_the_kind_of_every_question(
    lesson: Lesson, drawn: dict[int, Batch]
) -> None:
    looked, learned = lesson.learned
    assert set(looked.losses) == {"shape", "color", "centre"}
    assert len(looked.kinds) == len(looked.right) == 0
    assert set(learned.losses) > {"answer", "motion", "scene", "flash", "popped"}
    kinds = drawn[FILM].asked.kinds
    assert learned.kinds == [list(KINDS)[kind] for kind in kinds[kinds >= 0].tolist()]
    assert len(learned.right) == len(learned.kinds)
    assert set(learned.right) <= {True, False}


@pytest.mark.slow
def test_a_restored_learner_goes_on_bit_for_bit(
    tokenizer: Any, drawn: dict[int, Batch], states: list[dict[str, Tensor]]
) -> None:
    learner = MiniLearner(tokenizer, TrainingPlan(seed=55, steps=1000, looks=1, tokens=1))
    learner.restore(states[1])
    assert equal(learner.state(), states[1])
    learner.step(FILM, drawn[FILM])
    assert equal(learner.state(), states[2])
    assert set(states[2]) > set(weights(states[2]))


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
