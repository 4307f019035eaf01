"""Procedural videos are encoded, pruned and asked about as any other video would be."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evscli.bundled import MINI
from evscli.encoders.files import find_model
from evscli.errors import UsageError
from evscli.evaluation.metrics import diagnose
from evscli.evaluation.questions.multiple_choice import LoadedCheckpoint, load_both
from evscli.evaluation.questions.options import best_option, score_options
from evscli.evaluation.questions.selecting import Selecting
from evscli.evaluation.statistics.results import Evaluation
from evscli.job import Encoding
from evscli.job.loading import make_encoder
from evscli.language.prefill import prefill
from evscli.language.query import QueryEmbedder
from evscli.mini.exam.films import event_masks, frames_of, held_out_film, held_out_films
from evscli.mini.exam.procedural import Examiner, ask_film, ask_views, refuse_others
from evscli.mini.world.draw import LAMP, Drawing
from evscli.mini.world.film import Film, make_film
from evscli.mini.world.scene import Form, Light, Scene, Thing
from evscli.mini.world.views import VIEWS, WHOLE
from evscli.records import Sampling
from tests.checkpoints import build_mini, make_checkpoint
from tests.evaluation.answers import choosing


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> LoadedCheckpoint:
    """Seeded weights answer as well as trained ones, as far as these tests go."""
    folder = tmp_path_factory.mktemp("mini")
    build_mini(folder)
    return load_both(encoding_of(folder))


def encoding_of(folder: Path) -> Encoding:
    return Encoding(model=str(folder), dtype="float32")


@pytest.fixture(scope="module")
def film() -> Film:
    film = make_film(Form(frames=12, cells=(4, 5)), seed=9, number=0, split="held-out")
    assert len(film.questions) >= 4
    return film


@pytest.mark.parametrize("budget", ["0.4", pytest.param("1", marks=pytest.mark.slow)])
def test_answers_are_those_of_a_prefill_from_a_shard(
    checkpoint: LoadedCheckpoint, film: Film, budget: str
) -> None:
    examiner = Examiner.of(checkpoint, film)
    selected = examiner.selected("film", choosing(["evs"], [float(budget)]))
    record = [one.record for one in selected.selections([""])][1]
    ours = examiner.scores(record, film.questions)
    language = checkpoint.language
    for question, scores in zip(film.questions, ours, strict=True):
        inputs = prefill(record, language.tokenizer, question.text, model=language.model)
        with torch.inference_mode():
            logits = language.model(**inputs).logits[0, -1]
        torch.testing.assert_close(scores, logits, rtol=0, atol=1e-4)
        ids = [[i] for i in language.tokenizer.convert_tokens_to_ids(list(question.options))]
        chosen = best_option(score_options(language.model, inputs, ids), ids, per_token=False)
        assert examiner.choose(scores, question) == question.options[chosen]


def films(
    checkpoint: LoadedCheckpoint, selecting: Selecting, *, diagnostics: bool = False
) -> Evaluation:
    """The evaluation of two films."""
    return Evaluation.joined(
        [ask_film(checkpoint, selecting, number, diagnostics=diagnostics) for number in range(2)]
    )


@pytest.mark.slow
def test_every_selection_is_asked_every_question_the_same_twice(
    checkpoint: LoadedCheckpoint,
) -> None:
    selecting = choosing(["evs"], [0.25], seed=108)
    one, two = (films(checkpoint, selecting) for _ in range(2))
    assert one == two
    questions = sum(len(film.questions) for _, film in held_out_films(2, seed=108))
    assert len(one.answered) == questions * len(selecting.requests)
    assert {answer.method for answer in one.answered} == {"none", "evs", "random"}
    kept = {a.method: a.kept for a in one.answered if a.video == "film-00000"}
    assert kept["evs"] < kept["none"] == next(iter(one.answered)).total


def test_another_seed_asks_about_other_videos() -> None:
    (_, one), (_, two) = (next(held_out_films(1, seed=seed)) for seed in (1, 2))
    assert one.scene.form != two.scene.form or (one.frames != two.frames).any()


@pytest.mark.slow
def test_diagnostics_come_for_every_video_and_selection(checkpoint: LoadedCheckpoint) -> None:
    selecting = choosing(["evs"], [0.5], seed=108)
    found = films(checkpoint, selecting, diagnostics=True).diagnostics
    assert {method for (method, _), _ in found} == {"none", "evs", "random"}
    for ((method, _), _), rows in found.items():
        assert len(rows) == 2
        if method == "none":
            assert all(row["facility_location"] == pytest.approx(1) for row in rows.values())


@pytest.mark.slow
def test_the_mask_of_the_first_question_is_diagnosed(checkpoint: LoadedCheckpoint) -> None:
    queries = QueryEmbedder("mini")
    selecting = replace(choosing(["cdpruner"], [0.25], seed=108), queries=queries)
    evaluation = ask_film(checkpoint, selecting, 0, diagnostics=True)
    name, film = held_out_film(0, seed=108)
    examiner = Examiner.of(checkpoint, film)
    selected = examiner.selected(name, selecting)
    records = [one.record for one in selected.selections([film.questions[0].text])]
    events = event_masks(film, examiner.plan.source_index)
    for record, rows in zip(records, evaluation.diagnostics.values(), strict=True):
        found = diagnose(selected.whole.tokens, record.keep_mask, events=events)
        assert rows == {name: asdict(found)}


def test_views_take_away_what_they_say(film: Film) -> None:
    whole = frames_of(film, WHOLE, seed=0)
    first = frames_of(film, "first-frame", seed=0)
    shuffled = frames_of(film, "shuffled-frames", seed=0)
    assert (first == whole[:1]).all()
    assert len(shuffled) == len(whole)
    assert not torch.equal(shuffled, whole)
    order = torch.cdist(shuffled.flatten(1).float(), whole.flatten(1).float()).argmin(1)
    torch.testing.assert_close(shuffled, whole[order])


@pytest.mark.slow
def test_question_only_hides_every_visual_token(checkpoint: LoadedCheckpoint) -> None:
    answered = [one for number in range(2) for one in ask_views(checkpoint, number, seed=108)]
    assert {answer.method for answer in answered} == set(VIEWS)
    for answer in answered:
        assert answer.kept == (0 if answer.method == "question-only" else answer.total)


def test_every_thing_that_pops_up_and_every_flash_is_an_event_of_its_own() -> None:
    form = Form(frames=12, cells=(1, 2))
    shown = np.ones(form.frames, bool)
    lit = np.isin(np.arange(form.frames), (3, 4, 9))
    still = Thing(
        shape="star",
        color="red",
        role="still",
        radius=7.0,
        turn=0.0,
        path=np.zeros((form.frames, 2), np.float32),
        shown=shown,
    )
    light = Light(centre=(8, 8), radius=4, shown=shown, lit=lit, starts=(3, 9))
    scene = Scene(
        form=form,
        cuts=(),
        camera=np.zeros((form.frames, 2), np.int64),
        things=(still, replace(still, role="pop", shown=np.arange(form.frames) == 6)),
        light=light,
    )
    owner = np.full(form.grid_thw, -2, np.int8)
    owner[:, 0, 0] = 0
    owner[3, 0, 0] = 1
    owner[[1, 2, 4], 0, 1] = LAMP
    film = Film(scene=scene, drawing=Drawing(frames=np.empty(0), owner=owner), questions=())

    def cells(*sampled: int) -> list[list[list[int]]]:
        return [mask.nonzero().tolist() for mask in event_masks(film, np.array(sampled))]

    assert cells(*range(12)) == [[[3, 0, 0]], [[1, 0, 1], [2, 0, 1]], [[4, 0, 1]]]
    assert cells(0, 3, 7, 8) == [[[1, 0, 0]], [[0, 0, 1]], [[1, 0, 1]]]
    assert cells(0, 1, 9) == [[[1, 0, 1]]]


def test_a_film_is_sampled_as_its_file_would_be(
    checkpoint: LoadedCheckpoint, film: Film, tmp_path: Path
) -> None:
    build_mini(tmp_path)
    whole = Examiner.of(checkpoint, film)
    assert whole.plan.source_index.tolist() == [*range(12)]
    four = make_encoder(encoding_of(tmp_path), Sampling(num_frames=4), "cpu")
    few = Examiner.of(replace(checkpoint, encoder=four), film, num_frames=4)
    chosen = four.rules.sample(12, 4.0)
    assert few.plan.source_index.tolist() == chosen.tolist() == [0, 4, 7, 11]
    assert few.plan.prompt_times.tolist() == four.rules.prompt_times(chosen, 4.0).tolist()
    assert few.plan.grid_thw == (2, 4, 5)
    selected = few.selected("film", choosing(["evs"], [0.5]))
    (chunk,) = selected.frames()
    frames = frames_of(film, WHOLE, seed=0)
    assert torch.equal(chunk.pixels, frames[torch.from_numpy(chosen)])
    (_, pruned, _) = selected.selections([""])
    answers = few.answer(pruned.record, range(len(film.questions)))
    assert {(answer.num_frames, answer.total) for answer in answers} == {(4, 40)}
    more = Examiner.of(replace(checkpoint, encoder=four), film, num_frames=50)
    assert more.plan.grid_thw == whole.plan.grid_thw


def test_only_models_trained_on_such_videos_are_asked(tmp_path: Any) -> None:
    refuse_others(find_model(MINI))
    other = make_checkpoint(tmp_path / "tiny", "qwen3_vl")
    with pytest.raises(UsageError, match="give your own questions with --questions"):
        refuse_others(find_model(str(other)))


def test_a_tie_is_no_answer(checkpoint: LoadedCheckpoint, film: Film) -> None:
    examiner = Examiner.of(checkpoint, film)
    scores = torch.zeros(len(checkpoint.language.tokenizer))
    question = replace(film.questions[0], options=("red", "blue"))
    assert examiner.choose(scores, question) is None


def test_a_question_that_the_tokenizer_does_not_know_is_refused(
    checkpoint: LoadedCheckpoint, film: Film
) -> None:
    asked = replace(film.questions[0], text="which zeppelin?")
    with pytest.raises(UsageError, match="zeppelin"):
        Examiner.of(checkpoint, replace(film, questions=(asked,)))
