"""vLLM answers from stores as transformers does from `prefill`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from vllm.exceptions import VLLMValidationError

from evscli.errors import ModelError
from evscli.store import open_store
from tests.checkpoints import build_mini
from tests.serving.vllm.engine import Engine, Reply
from tests.serving.vllm.made import QUESTIONS, SAMPLES, prune

CLOSE = 1e-4
"""The difference of log-probabilities in float32 that another order of sums makes at most."""


def assert_same(found: Reply, expected: Reply) -> None:
    """Assert that prompts and answers are equal, and their probabilities nearly."""
    assert found.prompt == expected.prompt
    assert found.tokens == expected.tokens
    assert found.distance(expected) < CLOSE


def address(store: Path, video_id: str, **more: object) -> dict[str, object]:
    """A video as a program names it."""
    return {"evs_store": str(store), "id": video_id, **more}


@pytest.mark.parametrize(
    "name",
    ["vcast-0.3", "vcast-0.05", "surprise-0.3", "surprise-0.05", "uniform-frames-0.3", "none"],
)
@pytest.mark.parametrize("video_id", SAMPLES)
def test_an_answer_is_that_of_transformers(
    engine: Engine, stores: Path, name: str, video_id: str
) -> None:
    record = open_store(stores / name)[video_id]
    for question in QUESTIONS:
        found = engine.ask(question, address(stores / name, video_id))
        assert_same(found, engine.expected(question, record))


@pytest.mark.parametrize("name", ["float8", "int8"])
def test_tokens_in_a_narrow_dtype_are_those_that_the_store_gives(
    engine: Engine, stores: Path, name: str
) -> None:
    for video_id in SAMPLES:
        record = open_store(stores / name)[video_id]
        found = engine.ask(QUESTIONS[0], address(stores / name, video_id))
        assert_same(found, engine.expected(QUESTIONS[0], record))


@pytest.mark.parametrize("name", ["surprise-0.3", "float8"])
def test_a_smaller_budget_of_nested_masks_needs_no_other_store(
    engine: Engine, stores: Path, name: str
) -> None:
    for budget in (0.1, "200tok"):
        record = open_store(stores / name)["moving-camera"].at(budget)
        found = engine.ask(QUESTIONS[0], address(stores / name, "moving-camera", budget=budget))
        assert_same(found, engine.expected(QUESTIONS[0], record))


def test_several_videos_stand_in_one_prompt(engine: Engine, stores: Path) -> None:
    store = open_store(stores / "vcast-0.3")
    names = ("hard-cuts", "fixed-camera", "hard-cuts")
    found = engine.ask(QUESTIONS[0], *(address(stores / "vcast-0.3", name) for name in names))
    assert_same(found, engine.expected(QUESTIONS[0], *(store[name] for name in names)))


def test_videos_of_several_stores_stand_in_one_prompt(engine: Engine, stores: Path) -> None:
    places = (("float8", "hard-cuts"), ("vcast-0.05", "hard-cuts"))
    found = engine.ask(QUESTIONS[0], *(address(stores / store, name) for store, name in places))
    records = [open_store(stores / store)[name] for store, name in places]
    assert_same(found, engine.expected(QUESTIONS[0], *records))


def test_segments_of_one_video_stand_side_by_side(engine: Engine, stores: Path) -> None:
    store = open_store(stores / "segments")
    names = [video_id for video_id in store if video_id.startswith("hard-cuts")]
    assert len(names) > 1
    found = engine.ask(QUESTIONS[0], *(address(stores / "segments", name) for name in names))
    assert_same(found, engine.expected(QUESTIONS[0], *(store[name] for name in names)))


def test_prompts_asked_at_once_do_not_mix(engine: Engine, stores: Path) -> None:
    store = open_store(stores / "surprise-0.05")
    asked = [(name, question) for name in SAMPLES for question in QUESTIONS]
    requests = [
        (engine.text(question), {"video": address(stores / "surprise-0.05", name)})
        for name, question in asked
    ]
    for (name, question), found in zip(asked, engine.ask_many(requests), strict=True):
        assert_same(found, engine.expected(question, store[name]))


def test_sequential_positions_would_answer_otherwise(
    engine: Engine, stores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.llm.reset_prefix_cache()

    def sequential(tokens: list[int], _: object) -> tuple[torch.Tensor, int]:
        return torch.arange(len(tokens)).expand(3, -1).clone(), 0

    monkeypatch.setattr(engine.model, "get_mrope_input_positions", sequential)
    record = open_store(stores / "vcast-0.3")["moving-camera"]
    found = engine.ask(QUESTIONS[0], address(stores / "vcast-0.3", "moving-camera"))
    engine.llm.reset_prefix_cache()
    expected = engine.expected(QUESTIONS[0], record)
    assert found.prompt == expected.prompt
    assert found.distance(expected) > 100 * CLOSE


def test_tokens_without_their_planes_would_answer_otherwise(
    engine: Engine, stores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.llm.reset_prefix_cache()
    monkeypatch.setattr(engine.model, "_set_deepstack_input_embeds", lambda _: None)
    record = open_store(stores / "vcast-0.3")["moving-camera"]
    found = engine.ask(QUESTIONS[0], address(stores / "vcast-0.3", "moving-camera"))
    engine.llm.reset_prefix_cache()
    assert found.distance(engine.expected(QUESTIONS[0], record)) > 100 * CLOSE


def test_without_changes_the_same_prompt_is_answered_as_before(
    engine: Engine, stores: Path
) -> None:
    record = open_store(stores / "vcast-0.3")["moving-camera"]
    found = engine.ask(QUESTIONS[0], address(stores / "vcast-0.3", "moving-camera"))
    assert_same(found, engine.expected(QUESTIONS[0], record))


@pytest.mark.parametrize(
    ("video", "message"),
    [
        ({"id": "hard-cut"}, "has no video 'hard-cut': did you mean 'hard-cuts'"),
        ({"id": "hard-cuts", "budget": 0.5}, "keeps .* give at most 0.3"),
        ({"id": "hard-cuts", "budget": "much"}, "budget 'much' is not understood"),
        ({"id": "hard-cuts", "size": 1}, "'size' is not a key of a video"),
        ({}, "the video has no id"),
        ({"id": 7}, "the id of a video is a text, not int"),
    ],
)
def test_a_wrong_address_is_one_line(
    engine: Engine, stores: Path, video: dict[str, object], message: str
) -> None:
    with pytest.raises(VLLMValidationError, match=message):
        engine.ask(QUESTIONS[0], {"evs_store": str(stores / "surprise-0.3"), **video})


def test_what_is_no_store_is_one_line(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(VLLMValidationError, match="is not a store"):
        engine.ask(QUESTIONS[0], address(tmp_path, "hard-cuts"))


def test_videos_of_stores_are_not_mixed_with_others(engine: Engine, stores: Path) -> None:
    frames = torch.zeros(4, 3, 32, 32, dtype=torch.uint8).numpy()
    with pytest.raises(VLLMValidationError, match="cannot be in one prompt"):
        engine.ask(QUESTIONS[0], address(stores / "vcast-0.3", "hard-cuts"), frames)


def test_without_a_tower_other_videos_are_refused(engine: Engine) -> None:
    frames = torch.zeros(4, 3, 32, 32, dtype=torch.uint8).numpy()
    with pytest.raises(VLLMValidationError, match="takes videos of stores only"):
        engine.ask(QUESTIONS[0], frames)


def test_tokens_of_another_model_are_refused(engine: Engine, tmp_path: Path) -> None:
    other = tmp_path / "other"
    build_mini(other, seed=3)
    prune(tmp_path / "store", "evs", budgets=(0.3,), model=str(other))
    with pytest.raises(VLLMValidationError, match="made by the vision weights of 'other'"):
        engine.ask(QUESTIONS[0], address(tmp_path / "store", "hard-cuts"))


def test_a_damaged_shard_is_one_line_and_the_next_prompt_is_answered(
    engine: Engine, stores: Path, tmp_path: Path
) -> None:
    copied = tmp_path / "store"
    shutil.copytree(stores / "vcast-0.3", copied)
    (shard,) = copied.glob("shard-*")
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(VLLMValidationError, match="is damaged"):
        engine.ask(QUESTIONS[0], address(copied, "hard-cuts"))
    record = open_store(stores / "vcast-0.3")["hard-cuts"]
    found = engine.ask(QUESTIONS[0], address(stores / "vcast-0.3", "hard-cuts"))
    assert_same(found, engine.expected(QUESTIONS[0], record))


def test_another_release_of_vllm_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    from vllm import plugins

    monkeypatch.setattr("evscli.serving.vllm.KNOWN", ("9.9",))
    monkeypatch.setattr(plugins, "plugins_loaded", False)
    with pytest.raises(ModelError, match=r"evs serves with 9\.9\.\*: run pip install"):
        plugins.load_general_plugins()
