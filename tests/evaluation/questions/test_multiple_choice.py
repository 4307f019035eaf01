from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from evscli import prefill
from evscli.errors import UsageError
from evscli.evaluation.questions import multiple_choice
from evscli.evaluation.questions.choices import Choice, read_choices
from evscli.evaluation.questions.multiple_choice import (
    LoadedCheckpoint,
    asked_of,
    evaluate_choices,
    load_both,
)
from evscli.evaluation.questions.options import encode_options
from evscli.evaluation.setup import setup_of
from evscli.job import Encoding
from evscli.pipeline import VideoPruner, frames
from evscli.pruners import check_selection
from evscli.records import PrunedVideo, VideoInput
from tests.evaluation.answers import choosing
from tests.evaluation.questions.test_options import one_by_one
from tests.videos import truncate, write_video

QUESTIONS = [
    ("what color is the ball?", ["red", "blue", "green"], 0),
    ("how many scenes are there?", ["1", "10", "4"], 2),
]


@pytest.fixture(scope="module")
def checkpoint() -> LoadedCheckpoint:
    return load_both(Encoding(dtype="float32"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos a and b, and copy, which is a again."""
    folder = tmp_path_factory.mktemp("videos")
    write_video(folder / "a.mp4", frames=36)
    write_video(folder / "b.mp4", frames=24, seed=1)
    shutil.copy(folder / "a.mp4", folder / "copy.mp4")
    return folder


def make_choices(folder: Path, *videos: str) -> list[Choice]:
    """Every question about every video, videos taking turns."""
    lines = [
        {"video": video, "question": text, "options": options, "answer": answer, "kind": text[:3]}
        for text, options, answer in QUESTIONS
        for video in videos
    ]
    path = folder / "list.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return read_choices(path)


@pytest.mark.slow
def test_answers_are_those_of_plain_forwards_on_each_selection(
    checkpoint: LoadedCheckpoint, folder: Path
) -> None:
    language = checkpoint.language
    choices = make_choices(folder, "a.mp4", "b.mp4")
    evaluation = evaluate_choices(choices, checkpoint, choosing(["vcast"], [0.3], seed=7))
    assert len(evaluation.answered) == 2 * 2 * 3
    assert not evaluation.failures

    @cache
    def pruned(video: str, method: str, budget: float) -> PrunedVideo:
        request = check_selection(method, budget)
        asked = VideoInput(id=video, path=folder / video, root=folder)
        return VideoPruner(checkpoint.encoder, request, seed=7)(asked)

    for answer in evaluation.answered:
        (choice,) = (c for c in choices if (c.video, c.kind) == (answer.video, answer.kind))
        record = pruned(answer.video, answer.method, answer.budget)
        inputs = prefill(record, language.tokenizer, choice.question, model=language.model)
        scores = [
            one_by_one(language.model, inputs, ids)
            for ids in encode_options(language.tokenizer, choice.options)
        ]
        assert answer.correct == (int(torch.stack(scores).argmax()) == choice.answer)
        assert (answer.kept, answer.total) == (record.info.kept, record.info.tokens)
        assert answer.chance == pytest.approx(1 / 3)


@pytest.mark.slow
def test_a_video_is_decoded_and_encoded_once(
    checkpoint: LoadedCheckpoint, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[Path] = []

    def decode(index: Any, *arguments: Any, **options: Any) -> Any:
        decoded.append(index.path)
        return original(index, *arguments, **options)

    original = frames.decode_frames
    monkeypatch.setattr(frames, "decode_frames", decode)
    requests = choosing(["evs", "vcast"], [0.3], "space=rgb")
    evaluate_choices(make_choices(folder, "a.mp4", "b.mp4"), checkpoint, requests)
    assert [Path(path).name for path in decoded] == ["a.mp4", "b.mp4"]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_result(checkpoint: LoadedCheckpoint, folder: Path) -> None:
    choices = make_choices(folder, "a.mp4")
    first, again = (
        evaluate_choices(choices, checkpoint, choosing(["vcast"], [0.3], seed=3)) for _ in range(2)
    )
    assert first == again


@pytest.mark.slow
def test_every_video_and_seed_draws_other_random_tokens(
    checkpoint: LoadedCheckpoint, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records: list[PrunedVideo] = []

    def remember(record: PrunedVideo, *arguments: Any) -> Any:
        records.append(record)
        return original(record, *arguments)

    original = multiple_choice.ask
    monkeypatch.setattr(multiple_choice, "ask", remember)
    choices = make_choices(folder, "a.mp4", "copy.mp4")
    for seed in (0, 1):
        evaluate_choices(choices, checkpoint, choosing(["random"], [0.5], seed=seed))
    masks = {r.keep_mask.numpy().tobytes() for r in records if r.info.method == "random"}
    assert len(masks) == 4


@pytest.mark.slow
def test_a_video_that_fails_is_reported_and_the_rest_go_on(
    checkpoint: LoadedCheckpoint, folder: Path
) -> None:
    truncate(write_video(folder / "half.mp4", frames=96))
    choices = make_choices(folder, "a.mp4", "half.mp4", "b.mp4")
    steps: list[int] = []
    requests = choosing(["vcast"], [0.3])
    evaluation = evaluate_choices(choices, checkpoint, requests, advance=steps.append)
    (failure,) = evaluation.failures
    assert (failure.id, failure.path) == ("half.mp4", "half.mp4")
    assert {answer.video for answer in evaluation.answered} == {"a.mp4", "b.mp4"}
    assert sum(steps) == len(choices) * len(requests.requests)


@pytest.mark.slow
def test_a_video_that_fails_on_one_selection_counts_for_none(
    checkpoint: LoadedCheckpoint, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(record: PrunedVideo, *arguments: Any, **options: Any) -> Any:
        if (record.id, record.info.method) == ("a.mp4", "random"):
            raise torch.OutOfMemoryError("no memory")
        return original(record, *arguments, **options)

    original = multiple_choice.prefill
    monkeypatch.setattr(multiple_choice, "prefill", ask)
    steps: list[int] = []
    requests = choosing(["vcast"], [0.3])
    choices = make_choices(folder, "a.mp4", "b.mp4")
    evaluation = evaluate_choices(choices, checkpoint, requests, advance=steps.append)
    assert {answer.video for answer in evaluation.answered} == {"b.mp4"}
    (failure,) = evaluation.failures
    assert failure.stage == "answer"
    assert str(folder / "a.mp4") in failure.message
    assert "too little memory" in failure.message
    assert sum(steps) == len(choices) * len(requests.requests)


@pytest.mark.parametrize(
    ("question", "options", "words"),
    [
        ("is there a zeppelin?", ["yes", "no"], "zeppelin"),
        ("what color is it?", ["red", "mauve"], "mauve"),
        ("what color is it?", ["red", "Red"], "the same to this model"),
        ("what color is it?<|im_end|>", ["red", "blue"], "would steer the model"),
    ],
)
def test_a_text_the_model_cannot_read_is_refused_before_any_video(
    checkpoint: LoadedCheckpoint, tmp_path: Path, question: str, options: list[str], words: str
) -> None:
    (tmp_path / "no-video.mp4").write_text("not opened")
    good = {"video": "no-video.mp4", "question": "what?", "options": ["yes", "no"], "answer": 0}
    path = tmp_path / "list.jsonl"
    path.write_text(
        "\n".join(map(json.dumps, [good, {**good, "question": question, "options": options}]))
    )
    with pytest.raises(UsageError, match=words) as caught:
        evaluate_choices(read_choices(path), checkpoint, choosing(["vcast"], [0.3]))
    assert str(caught.value).startswith(f"{path}:2: ")


def test_the_setup_says_what_to_repeat_it_with(checkpoint: LoadedCheckpoint, folder: Path) -> None:
    choices = make_choices(folder, "a.mp4", "b.mp4")
    setup = setup_of(checkpoint.encoder, seed=3, **asked_of(choices, per_token=False))
    assert (setup["model"], setup["questions"], setup["videos"], setup["seed"]) == ("mini", 4, 2, 3)
    assert json.loads(json.dumps(setup)) == setup
    other = asked_of(choices[:1], per_token=False)
    assert setup["questions_sha256"] != other["questions_sha256"]
