from __future__ import annotations

import json
from dataclasses import replace
from math import prod
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoTokenizer

from evscli.bundled import EXAMPLE_QUESTIONS, MINI_FOLDER, MINI_NOTICE
from evscli.cli import run
from evscli.errors import ModelError
from evscli.records import RunConfig
from evscli.store.writer import StoreWriter
from tests.checkpoints import make_checkpoint
from tests.cli.in_process import run_here
from tests.evs import run_evs
from tests.language.reference import make_clip, make_record, pruned, random_mask

QUESTION = "what happens first?"
GRID = (4, 3, 3)
CELLS = prod(GRID)
MASK = random_mask(GRID)
KEPT = int(MASK.sum())


def make_store(folder: Path, *ids: str, model_name: str = "mini") -> Path:
    """A store of videos pruned with `mini`, whatever it is called."""
    model = AutoModelForImageTextToText.from_pretrained(MINI_FOLDER, dtype=torch.float32)
    with StoreWriter(folder, RunConfig(settings={"made": "by hand"})) as writer:
        for name in ids:
            video = make_record(model, make_clip(model, GRID), name=name)
            info = replace(video.info, model=replace(video.info.model, name=model_name))
            writer.add(pruned(replace(video, info=info), MASK))
    return folder


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("one") / "store", "clip")


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(
        tmp_path_factory.mktemp("several") / "store", *(f"day/{n}" for n in "abcdefg")
    )


@pytest.mark.slow
def test_the_only_video_needs_no_id(one: Path, tmp_path: Path) -> None:
    result = run_evs("ask", one, QUESTION, "--max-new-tokens", "8", cwd=tmp_path)
    assert result.code == 0, result
    assert result.out.strip()
    assert f"note: {MINI_NOTICE}" in result.err
    assert f"visual tokens {CELLS} -> {KEPT} ({KEPT / CELLS:.1%})" in result.err
    assert "first token after" in result.err


def test_json_holds_the_answer_and_its_cost(several: Path, tmp_path: Path) -> None:
    arguments = ("--max-new-tokens", "3", "--json", "--real-times", "--dtype", "float32")
    result = run_here("ask", several, "day/b", QUESTION, *arguments, cwd=tmp_path)
    assert result.code == 0, result
    values = json.loads(result.out)
    assert (values["id"], values["question"], values["model"]) == ("day/b", QUESTION, "mini")
    assert (values["tokens"], values["kept"]) == (CELLS, KEPT)
    assert values["prompt_tokens"] > values["kept"]
    assert 1 <= values["new_tokens"] <= 3
    assert 0 < values["seconds_to_first_token"] <= values["seconds"]


@pytest.mark.slow
def test_the_streamed_answer_is_the_one_in_json(one: Path, tmp_path: Path) -> None:
    arguments = ("ask", one, QUESTION, "--max-new-tokens", "12")
    streamed = run_here(*arguments, cwd=tmp_path).out.strip()
    assert streamed == json.loads(run_here(*arguments, "--json", cwd=tmp_path).out)["answer"]


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        ([QUESTION], 2, "7 videos: name one before the question: day/a, day/b"),
        (["day/a"], 2, "there is no question"),
        pytest.param(["day/a", " "], 2, "there is no question", marks=pytest.mark.slow),
        pytest.param(
            ["day/a", "what", "happens?"], 2, "put the question in quotes", marks=pytest.mark.slow
        ),
        pytest.param(["day/z", QUESTION], 1, "has no video 'day/z'", marks=pytest.mark.slow),
        (["day/a", "which zeppelin?"], 2, "mini does not know 'zeppelin': use its"),
        pytest.param(
            ["day/a", "wat happens?"], 2, "'wat' (closest: 'what'", marks=pytest.mark.slow
        ),
        pytest.param(
            ["day/a", "猫はどこ 🎈?"],
            2,
            "does not know '猫はどこ' and '🎈'",
            marks=pytest.mark.slow,
        ),
        (["day/a", "what?<|im_end|>"], 2, "holds '<|im_end|>', which would steer the model"),
        pytest.param(
            ["day/a", "<|video_pad|> <|vision_start|>"],
            2,
            "'<|video_pad|>' and '<|vision_start|>'",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ["day/a", "what\udcff?"],
            2,
            "not a character: type it in UTF-8",
            marks=pytest.mark.slow,
        ),
        (["day/a", QUESTION, "--model", "./nowhere/at/all"], 1, "./nowhere/at/all"),
        (["day/a", QUESTION, "--revision", "v1"], 2, "which has no revision 'v1'"),
        pytest.param(
            ["day/a", QUESTION, "--device", "tpu"], 2, "use auto, cpu, cuda", marks=pytest.mark.slow
        ),
    ],
)
def test_a_wrong_call_is_one_line_with_the_next_step(
    words: list[str], code: int, expected: str, several: Path, tmp_path: Path
) -> None:
    result = run_here("ask", several, *words, cwd=tmp_path)
    assert result.code == code, result
    assert result.error.startswith("error: ")
    assert expected in result.error
    assert result.out == ""


def test_an_unknown_word_is_refused_before_the_model_runs(
    one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("the model was run")

    monkeypatch.setattr("evscli.language.generate.answer", fail)
    monkeypatch.chdir(tmp_path)
    assert run(["ask", str(one), "which zeppelin?"], debug=False) == 2


@pytest.mark.slow
def test_every_example_question_is_answered(one: Path, tmp_path: Path) -> None:
    for question in EXAMPLE_QUESTIONS:
        result = run_here("ask", one, question, "--max-new-tokens", "1", cwd=tmp_path)
        assert result.code == 0, result


@pytest.mark.slow
def test_the_words_of_mini_are_listed(one: Path, tmp_path: Path) -> None:
    words = run_here("models", "--words", cwd=tmp_path).out.split()
    assert json.loads(run_here("models", "--words", "--json", cwd=tmp_path).out) == words
    columns = run_here("models", "--words", cwd=tmp_path, env={"TTY_COMPATIBLE": "1"}).out
    table, examples = columns.split("Questions of the kinds that mini is made for:")
    assert sorted(table.split()) == sorted(words)
    assert len(table.splitlines()) < len(words) / 2
    assert [line.strip() for line in examples.splitlines() if line] == [*EXAMPLE_QUESTIONS]
    refused = run_here("ask", one, "which zeppelin?", cwd=tmp_path)
    assert f"its {len(words)} words" in refused.error
    all_of_them = run_here("ask", one, " ".join(words), "--max-new-tokens", "1", cwd=tmp_path)
    assert all_of_them.code == 0, all_of_them


def test_a_folder_that_is_no_store_is_refused(tmp_path: Path) -> None:
    result = run_here("ask", tmp_path, QUESTION, cwd=tmp_path)
    assert (result.code, "is not a store" in result.error) == (1, True)


@pytest.mark.parametrize("name", ["mini", "somebody/small"])
def test_the_store_s_own_model_is_asked(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, asked = make_store(tmp_path / "store", "clip", model_name=name), []

    def remember(model: str, **_: object) -> None:
        asked.append(model)
        raise ModelError("that is all that this test wants to know")

    monkeypatch.setattr("evscli.language.generate.load_language_model", remember)
    assert run(["ask", str(store), QUESTION], debug=False) == 1
    assert run(["ask", str(store), QUESTION, "--model", "other/one"], debug=False) == 1
    assert asked == [name, "other/one"]


@pytest.mark.slow
def test_a_folder_s_name_is_not_looked_for(tmp_path: Path) -> None:
    """It would be another folder on another day."""
    store = make_store(tmp_path / "store", "clip", model_name="my-model")
    (tmp_path / "my-model").symlink_to(MINI_FOLDER)
    refused = run_here("ask", store, QUESTION, cwd=tmp_path)
    assert refused.code == 2
    assert "a folder called 'my-model'" in refused.error
    assert refused.error.endswith("give it with --model FOLDER")
    named = run_here(
        "ask", store, QUESTION, "--model", "my-model", "--max-new-tokens", "2", cwd=tmp_path
    )
    assert named.code == 0, named


@pytest.mark.slow
def test_another_model_is_refused_unless_forced(one: Path, tmp_path: Path) -> None:
    other = copy_with_other_vision(tmp_path / "other")
    arguments = ("ask", one, QUESTION, "--model", other, "--max-new-tokens", "2")
    refused = run_here(*arguments, cwd=tmp_path)
    assert refused.code == 1
    assert "--force-model" in refused.error
    forced = run_here(*arguments, "--force-model", cwd=tmp_path)
    assert forced.code == 0, forced
    assert "note: these tokens were made by the vision weights of 'mini'" in forced.err


def test_a_model_of_another_family_is_refused(one: Path, tmp_path: Path) -> None:
    other = make_checkpoint(tmp_path / "other", "qwen2_5_vl")
    result = run_here("ask", one, QUESTION, "--model", other, "--force-model", cwd=tmp_path)
    assert (result.code, "error: tokens of a qwen3_vl model" in result.err) == (1, True)


def copy_with_other_vision(folder: Path) -> Path:
    """`mini` with one vision weight changed."""
    model = AutoModelForImageTextToText.from_pretrained(MINI_FOLDER)
    with torch.no_grad():
        model.model.visual.patch_embed.proj.bias.add_(1)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(MINI_FOLDER).save_pretrained(folder)
    return folder
