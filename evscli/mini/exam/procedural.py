"""Questions about held-out procedural videos, asked of `mini` after every kind of pruning.

Every video is drawn and encoded once, by the encoder that `evs prune` uses. All questions of a
selection run side by side through the language model's own weights, each attending to the video
and itself only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from operator import itemgetter
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from evscli.encoders.files import ModelFiles, read_json
from evscli.errors import UsageError
from evscli.evaluation.metrics import diagnose
from evscli.evaluation.questions.multiple_choice import LoadedCheckpoint, load_both
from evscli.evaluation.questions.selecting import SelectedVideo, Selecting
from evscli.evaluation.selections import UNPRUNED
from evscli.evaluation.statistics.results import Answered, Evaluation, Numbers, TalliedSelection
from evscli.evaluation.statistics.tallies import Tally, tally
from evscli.job import Encoding
from evscli.language.words import check_texts
from evscli.mini.exam.films import (
    event_masks,
    film_chunks,
    film_plan,
    film_planned,
    frames_of,
    held_out_film,
)
from evscli.mini.training.forward import Seen, read
from evscli.mini.training.prompts import VideoPrompt, ask_all, tokens_of, video_prompt
from evscli.mini.world.film import Film
from evscli.mini.world.questions import Question
from evscli.mini.world.views import QUESTION_ONLY, VIEWS, WHOLE
from evscli.pruners import check_selection
from evscli.pruners.seeds import video_seed
from evscli.records import FramePlan, PrunedVideo
from evscli.train.learner import on_device


def ask_film(
    checkpoint: LoadedCheckpoint,
    selecting: Selecting,
    number: int,
    *,
    num_frames: int | None = None,
    diagnostics: bool = False,
) -> Evaluation:
    """Ask every question about one held-out video, of every selection.

    The likeliest of a question's options is the answer. `num_frames` are sampled, as the encoder
    does, by default all. The mask that a method chose for the first question is diagnosed.
    """
    name, film = held_out_film(number, seed=selecting.seed)
    examiner = Examiner.of(checkpoint, film, num_frames=num_frames)
    selected = examiner.selected(name, selecting)
    events = event_masks(film, examiner.plan.source_index)
    answers: list[tuple[int, Answered]] = []
    numbers: dict[TalliedSelection, dict[str, Numbers]] = {}
    for one in selected.selections([question.text for question in film.questions]):
        own = examiner.answer(one.record, one.questions)
        answers += [(one.number, answer) for answer in own]
        if diagnostics and own and own[0].selection not in numbers:
            found = diagnose(selected.whole.tokens, one.record.keep_mask, events=events)
            numbers[own[0].selection] = {name: asdict(found)}
    answered = tuple(answer for _, answer in sorted(answers, key=itemgetter(0)))
    return Evaluation(answered=answered, diagnostics=numbers)


def ask_views(checkpoint: LoadedCheckpoint, number: int, *, seed: int) -> list[Answered]:
    """Ask every question about the reduced views of one held-out video, to measure guessing.

    The method of an answer is the name of its view.
    """
    selecting = Selecting(requests=[check_selection(UNPRUNED)], seed=seed)
    name, film = held_out_film(number, seed=seed)
    examiner = Examiner.of(checkpoint, film)
    answered: list[Answered] = []
    for view in VIEWS:
        (seen,) = examiner.selected(name, selecting, view=view).selections([""])
        record = without_tokens(seen.record) if view == QUESTION_ONLY else seen.record
        answers = examiner.answer(record, range(len(film.questions)))
        answered += [replace(answer, method=view) for answer in answers]
    return answered


def held_out_tallies(
    model: Path, *, videos: int, seed: int, advance: Callable[[int], None] = lambda _: None
) -> list[Tally]:
    """Return the accuracy by kind of the checkpoint in `model`: of whole videos, and of each view.

    The method of a tally is the name of its view. Nothing is pruned. `advance` is called after
    every video.
    """
    checkpoint = load_both(Encoding(model=str(model.resolve()), device="cpu"))
    selecting = Selecting(requests=[check_selection(UNPRUNED)], seed=seed)
    answered: list[Answered] = []
    for number in range(videos):
        whole = ask_film(checkpoint, selecting, number).answered
        answered += [replace(answer, method=WHOLE) for answer in whole]
        answered += ask_views(checkpoint, number, seed=seed)
        advance(1)
    return tally(answered)


@dataclass(frozen=True, kw_only=True, eq=False)
class Examiner:
    """A checkpoint that is asked about one video."""

    checkpoint: LoadedCheckpoint
    film: Film
    plan: FramePlan
    prompt: VideoPrompt
    num_frames: int | None = None
    """The number of frames sampled. None is all."""

    @classmethod
    def of(
        cls, checkpoint: LoadedCheckpoint, film: Film, *, num_frames: int | None = None
    ) -> Examiner:
        """Return the examiner of a video, with the prompt that holds all of it.

        Raises UsageError where the tokenizer would not read the questions as typed, as that of a
        model with another vocabulary.
        """
        tokenizer = checkpoint.language.tokenizer
        texts = [text for asked in film.questions for text in (asked.text, *asked.options)]
        check_texts(tokenizer, texts)
        plan = film_plan(film, checkpoint.encoder.rules, num_frames)
        prompt = video_prompt(tokenizer, plan.prompt_times.tolist(), plan.grid_thw)
        return cls(
            checkpoint=checkpoint, film=film, plan=plan, prompt=prompt, num_frames=num_frames
        )

    def selected(self, name: str, selecting: Selecting, *, view: str = WHOLE) -> SelectedVideo:
        """Return the selections of a view of the video."""
        frames = frames_of(self.film, view, seed=video_seed(selecting.seed, name))
        return SelectedVideo(
            planned=film_planned(name, self.film, self.plan, self.checkpoint.encoder),
            encoder=self.checkpoint.encoder,
            selecting=selecting,
            frames=lambda: film_chunks(frames[torch.from_numpy(self.plan.source_index)]),
        )

    @torch.inference_mode()
    def answer(self, record: PrunedVideo, which: range) -> list[Answered]:
        """Ask some questions of the video, by their numbers, with the tokens of a record."""
        questions = [self.film.questions[number] for number in which]
        if not questions:
            return []
        scores = self.scores(record, questions)
        answers = [
            Answered.of(
                record,
                video=record.id,
                kind=question.kind,
                correct=self.choose(row, question) == question.answer,
                options=len(question.options),
            )
            for question, row in zip(questions, scores, strict=True)
        ]
        return [replace(answer, num_frames=self.num_frames) for answer in answers]

    def scores(self, record: PrunedVideo, questions: Sequence[Question]) -> Tensor:
        """Return logits [Q, V] of the first token of each answer, float32 on the CPU."""
        model, tokenizer = self.checkpoint.language.model, self.checkpoint.language.tokenizer
        device = model.device
        asked = on_device(ask_all(tokenizer, [questions], most=len(questions)), device)
        seen = on_device(kept_tokens(record), device)
        prompt = on_device(kept_prompt(self.prompt, record.keep_mask), device)
        states = read(model, prompt, seen, asked.ids, tap=0).questions[0]
        lengths = [tokens_of(tokenizer, q.text, q.answer)[1] for q in questions]
        last = states[torch.arange(len(questions)), torch.tensor(lengths) - 1]
        return linear(last.float(), model.lm_head.weight.float()).cpu()

    def choose(self, scores: Tensor, question: Question) -> str | None:
        """Return the likeliest option of a question, or None where two are as likely."""
        ids = self.checkpoint.language.tokenizer.convert_tokens_to_ids(list(question.options))
        own = scores[ids]
        best = (own == own.max()).nonzero().flatten()
        return question.options[int(best[0])] if len(best) == 1 else None


def kept_tokens(record: PrunedVideo) -> Seen:
    """Return the kept tokens as a batch of one video."""
    if record.deepstack is None:
        raise ValueError("mini's tokens come with DeepStack planes")
    return Seen(embeds=record.embeds[None], planes=record.deepstack[:, None])


def without_tokens(record: PrunedVideo) -> PrunedVideo:
    """Return a record that keeps no token."""
    planes = record.deepstack
    return replace(
        record,
        embeds=record.embeds[:0],
        keep_mask=torch.zeros_like(record.keep_mask),
        deepstack=None if planes is None else planes[:, :0],
    )


def kept_prompt(prompt: VideoPrompt, mask: Tensor) -> VideoPrompt:
    """Return the prompt without the dropped tokens. The others keep their positions."""
    keep = torch.ones(len(prompt.ids), dtype=torch.bool)
    keep[prompt.visual] = mask.flatten()
    return VideoPrompt(
        ids=prompt.ids[keep],
        positions=prompt.positions[:, keep],
        visual=prompt.visual[keep],
        end=prompt.end,
    )


def refuse_others(files: ModelFiles) -> None:
    """Raise UsageError for a checkpoint that is not of the form of `mini`."""
    config = files.get("config.json")
    if config is None or "evs_training" not in read_json(config, model=files.name):
        raise UsageError(
            f"the procedural videos are for mini and what `evs train mini` made, not {files.name}: "
            "give your own questions with --questions"
        )


def asked_about_films(videos: int) -> dict[str, Any]:
    """Return the questions and the way options were scored, as JSON values."""
    return {
        "questions": "held-out procedural videos",
        "videos": videos,
        "option_score": "likelihood of the option's one token",
    }
