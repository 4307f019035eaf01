"""The other families that the plugin serves, on random checkpoints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from vllm.exceptions import VLLMValidationError

from evscli.language.generate import load_language_model
from evscli.serving.served import ServedVideo
from evscli.serving.vllm import qwen2_5_vl
from evscli.serving.vllm.fields import served_fields
from evscli.store import open_store
from tests.serving.vllm.engine import Engine
from tests.serving.vllm.made import OMNI, PLAIN, QUESTIONS, make_served, prune, thinker
from tests.serving.vllm.test_offline import CLOSE, address, assert_same

FAMILIES = (
    "qwen2_5_vl",
    "qwen3_vl_moe",
    "qwen3_5",
    "qwen3_5_moe",
    "glm4v",
    "glm4v_moe",
    *PLAIN,
    *OMNI,
)


@pytest.fixture(scope="module", params=FAMILIES)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Engine, Path]]:
    """An engine of a family, and a store that its model made."""
    folder = tmp_path_factory.mktemp(request.param)
    model = make_served(folder / "model", request.param)
    store = prune(folder / "store", "surprise", budgets=(0.3,), model=str(model))
    language = load_language_model(str(model), device="cpu", dtype="float32")
    # vLLM's cache of prefixes wants a state of linear attention, which models here lack.
    cached = not request.param.startswith("qwen3_5")
    options = {"max_num_batched_tokens": 256, "enable_prefix_caching": cached}
    with Engine.start(model, language, **options) as engine:
        yield engine, store


def test_an_answer_is_that_of_transformers(
    served: tuple[Engine, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(qwen2_5_vl.AFTER_VIDEO, "transformers")
    engine, store = served
    for video_id, record in open_store(store).items():
        found = engine.ask(QUESTIONS[0], address(store, video_id))
        assert_same(found, engine.expected(QUESTIONS[0], record))
        found = engine.ask(QUESTIONS[1], address(store, video_id, budget=0.05))
        assert_same(found, engine.expected(QUESTIONS[1], record.at(0.05)))


def test_embeddings_come_with_a_request_too(served: tuple[Engine, Path]) -> None:
    engine, path = served
    if not engine.model.suffix_tokens:
        return
    video = ServedVideo.read(open_store(path), "moving-camera")
    given = served_fields([video], rows=True)
    found = engine.ask_many([(engine.text(QUESTIONS[0]), {"video": given})])[0]
    assert_same(found, engine.expected(QUESTIONS[0], open_store(path)["moving-camera"]))
    with pytest.raises(VLLMValidationError, match="give one row for each, and 1 behind them"):
        engine.ask_many(
            [(engine.text(QUESTIONS[0]), {"video": {**given, "video_embeds": video.rows()[:-1]}})]
        )


def test_seconds_and_sounds_that_an_omni_model_cannot_take_are_refused(
    served: tuple[Engine, Path],
) -> None:
    engine, path = served
    if engine.language.model.config.model_type != thinker("qwen3_omni_moe"):
        return
    given = served_fields([ServedVideo.read(open_store(path), "moving-camera")], rows=True)
    (times,) = given["timestamps"]
    text, spectra = engine.text(QUESTIONS[0]), {"input_audio_features": torch.zeros(1, 1)}
    for factor, line in ((1.5, "fractions (19.5 to a patch)"), (1e9, "and vLLM can count to")):
        later = {**given, "timestamps": [[time * factor for time in times]]}
        with pytest.raises(VLLMValidationError, match=re.escape(line)):
            engine.ask_many([(text, {"video": later})])
    with pytest.raises(VLLMValidationError, match="the server takes no sound"):
        engine.ask_many([(text, {"video": given, "audio": spectra})])


@pytest.mark.parametrize("seconds", [1e9, -1.0, float("nan")])
def test_seconds_that_no_position_can_have_are_refused(
    served: tuple[Engine, Path], seconds: float
) -> None:
    engine, path = served
    if engine.language.model.config.model_type != "qwen2_5_vl":
        return
    given = served_fields([ServedVideo.read(open_store(path), "moving-camera")], rows=True)
    later = {**given, "second_per_grid_ts": torch.tensor([seconds])}
    with pytest.raises(VLLMValidationError, match="and vLLM can count to"):
        engine.ask_many([(engine.text(QUESTIONS[0]), {"video": later})])


def test_two_videos_stand_in_one_prompt_and_counted_positions_would_answer_otherwise(
    served: tuple[Engine, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(qwen2_5_vl.AFTER_VIDEO, "transformers")
    engine, path = served
    store, videos = open_store(path), ("moving-camera", "hard-cuts")
    given = [address(path, name) for name in videos]
    expected = engine.expected(QUESTIONS[2], *(store[name] for name in videos))
    assert_same(engine.ask(QUESTIONS[2], *given), expected)
    engine.llm.reset_prefix_cache()

    def counted(tokens: list[int], _: object) -> tuple[torch.Tensor, int]:
        return torch.arange(len(tokens)).expand(3, -1).clone(), 0

    monkeypatch.setattr(engine.model, "get_mrope_input_positions", counted)
    assert engine.ask(QUESTIONS[2], *given).distance(expected) > 10 * CLOSE
    engine.llm.reset_prefix_cache()


def test_text_after_a_video_goes_on_by_the_rule_that_was_chosen(
    served: tuple[Engine, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, store = served
    replies = {}
    for rule in ("vllm", "transformers"):
        monkeypatch.setenv(qwen2_5_vl.AFTER_VIDEO, rule)
        engine.llm.reset_prefix_cache()
        replies[rule] = engine.ask(QUESTIONS[0], address(store, "moving-camera"))
    differ = replies["vllm"].distance(replies["transformers"]) > CLOSE
    assert differ == (engine.language.model.config.model_type == "qwen2_5_vl")
