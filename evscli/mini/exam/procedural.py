"""Questions about held-out procedural videos, asked of `mini` after every kind of pruning.

Every video is drawn and encoded once, by the encoder that `evs prune` uses. All questions of a
selection run side by side through the language model's own weights, each attending to the video
and itself only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear

from evscli.encoders import VideoEncoder
from evscli.encoders.files import ModelFiles, read_json
from evscli.errors import UsageError
from evscli.evaluation.metrics import diagnose
from evscli.evaluation.questions.multiple_choice import LoadedCheckpoint, load_both
from evscli.evaluation.questions.selecting import SelectedVideo, Selecting
from evscli.evaluation.selections import UNPRUNED
from evscli.evaluation.statistics.results import (
    Answered,
    Evaluation,
    Numbers,
    TalliedSelection,
    Tally,
    tally,
)
from evscli.job import Encoding
from evscli.language.words import check_texts
from evscli.mini.form import MAX_CELLS
from evscli.mini.training.batches import any_cells, any_frames
from evscli.mini.training.forward import Seen, read
from evscli.mini.training.prompts import VideoPrompt, ask_all, prompt_times, tokens_of, video_prompt
from evscli.mini.world.draw import LAMP
from evscli.mini.world.film import Film, make_film
from evscli.mini.world.questions import Question
from evscli.mini.world.scene import TEMPORAL_PATCH, Form, spans_of
from evscli.mini.world.views import QUESTION_ONLY, VIEWS, WHOLE, view_frames
from evscli.models.contract import SamplingRules
from evscli.pipeline import PlannedVideo
from evscli.pruners import check_selection
from evscli.pruners.seeds import video_seed
from evscli.records import FrameChunk, FramePlan, PrunedVideo, SourceInfo, VideoInput
from evscli.train.learner import on_device
from evscli.video import VideoIndex


def evaluate_films(
    checkpoint: LoadedCheckpoint,
    selecting: Selecting,
    *,
    videos: int,
    num_frames: int | None = None,
    diagnostics: bool = False,
    advance: Callable[[int], None] = lambda _: None,
) -> Evaluation:
    """Ask every question about `videos` held-out videos of every selection.

    The likeliest of a question's options is the answer. `num_frames` are sampled of each, as the
    encoder does, by default all. `advance` is called after every video. Raises UsageError for a
    selection behind a block that the encoder does not have.
    """
    selecting.check(checkpoint.encoder)
    answered: list[Answered] = []
    numbers: dict[TalliedSelection, dict[str, Numbers]] = defaultdict(dict)
    for name, film in held_out_films(videos, seed=selecting.seed):
        examiner = Examiner.of(checkpoint, film, num_frames=num_frames)
        selected = examiner.selected(name, selecting)
        events = event_masks(film)
        answers: list[tuple[int, Answered]] = []
        for one in selected.selections([question.text for question in film.questions]):
            own = examiner.answer(one.record, one.questions)
            answers += [(one.number, answer) for answer in own]
            if diagnostics and own:
                found = diagnose(selected.whole.tokens, one.record.keep_mask, events=events)
                numbers[own[0].selection][name] = asdict(found)
        answered += [answer for _, answer in sorted(answers, key=itemgetter(0))]
        advance(1)
    return Evaluation(answered=tuple(answered), diagnostics=numbers)


def evaluate_views(
    checkpoint: LoadedCheckpoint,
    *,
    videos: int,
    seed: int = 0,
    advance: Callable[[int], None] = lambda _: None,
) -> tuple[Answered, ...]:
    """Ask the same questions as `evaluate_films` about reduced views, to measure guessing.

    The method of an answer is the name of its view.
    """
    selecting = Selecting(requests=[check_selection(UNPRUNED)], seed=seed)
    answered: list[Answered] = []
    for name, film in held_out_films(videos, seed=seed):
        examiner = Examiner.of(checkpoint, film)
        for view in VIEWS:
            (seen,) = examiner.selected(name, selecting, view=view).selections([""])
            record = without_tokens(seen.record) if view == QUESTION_ONLY else seen.record
            answers = examiner.answer(record, range(len(film.questions)))
            answered += [replace(answer, method=view) for answer in answers]
        advance(1)
    return tuple(answered)


def held_out_tallies(
    model: Path, *, videos: int, seed: int, advance: Callable[[int], None] = lambda _: None
) -> list[Tally]:
    """Return the accuracy by kind of the checkpoint in `model`: of whole videos, and of each view.

    The method of a tally is the name of its view. Nothing is pruned. `advance` is called after
    every video, and again for every video after the questions about its views.
    """
    checkpoint = load_both(Encoding(model=str(model.resolve()), device="cpu"))
    selecting = Selecting(requests=[check_selection(UNPRUNED)], seed=seed)
    whole = evaluate_films(checkpoint, selecting, videos=videos, advance=advance).answered
    parts = evaluate_views(checkpoint, videos=videos, seed=seed, advance=advance)
    return tally([*(replace(answer, method=WHOLE) for answer in whole), *parts])


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
        return [
            Answered(
                video=record.id,
                kind=question.kind,
                method=record.info.method,
                options=record.info.options,
                budget=record.info.named_budget,
                fraction=record.info.budget,
                correct=self.choose(row, question) == question.answer,
                chance=1 / len(question.options),
                kept=len(record.embeds),
                total=record.info.tokens,
                num_frames=self.num_frames,
            )
            for question, row in zip(questions, self.scores(record, questions), strict=True)
        ]

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


def held_out_films(count: int, *, seed: int) -> Iterator[tuple[str, Film]]:
    """Yield the first `count` held-out videos of a seed with their names, of all sizes and lengths.

    Frames and area are even over their logarithms, width to height is from 1:2 to 2:1, about. The
    videos have four frames a second. `seed` is below 2**32, as for all procedural videos.
    """
    for number in range(count):
        rng = np.random.default_rng([seed, 3, number])
        form = Form(frames=any_frames(rng), cells=any_cells(rng, MAX_CELLS))
        film = make_film(form, seed=seed, number=number, split="held-out")
        yield f"film-{number:05d}", film


def frames_of(film: Film, view: str, *, seed: int) -> Tensor:
    """Return [F, 3, H, W] uint8 frames of a view; `seed` shuffles."""
    frames = view_frames(film.frames, view, np.random.default_rng(seed))
    return torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)))


def film_plan(film: Film, rules: SamplingRules, num_frames: int | None) -> FramePlan:
    """Return the plan of a video at its own size, of all frames or of some that `rules` choose.

    `rules` are those of an encoder that samples `num_frames` frames, where that is not None.
    """
    form, numbers = film.scene.form, np.arange(film.scene.form.frames)
    times = prompt_times(form)
    if num_frames is not None and num_frames < form.frames:
        numbers = rules.sample(form.frames, 1 / form.interval)
        times = rules.prompt_times(numbers, 1 / form.interval).tolist()
    return FramePlan(
        source_index=numbers,
        frame_times=form.interval * numbers.astype(np.float64),
        prompt_times=np.array(times),
        source_fps=1 / form.interval,
        source_frames=form.frames,
        duration=form.interval * form.frames,
        source_size=form.size,
        rotation=0,
        resized_size=form.size,
        grid_thw=(len(times), *form.cells),
    )


def film_planned(name: str, film: Film, plan: FramePlan, encoder: VideoEncoder) -> PlannedVideo:
    """Return a procedural video as if its frames were those of a file."""
    form, no_places = film.scene.form, np.zeros(0, dtype=np.int64)
    interval = Fraction(form.interval)
    return PlannedVideo(
        video=VideoInput(id=name, path=Path(name), root=Path()),
        source=SourceInfo(path=name, size=0, sha256=""),
        model=encoder.info,
        index=VideoIndex(
            path=Path(name),
            pts=np.arange(form.frames),
            places=no_places,
            keyframe_pts=no_places,
            keyframe_pos=no_places,
            time_base=interval,
            last_seconds=interval,
            stated_rate=1 / interval,
            duration=form.interval * form.frames,
            coded_size=form.size,
            rotation=0,
            mirrored=False,
        ),
        plan=plan,
    )


def film_chunks(frames: Tensor) -> Generator[FrameChunk]:
    """Yield all frames as one chunk."""
    yield FrameChunk(start=0, pixels=frames)


def event_masks(film: Film) -> list[Tensor]:
    """Return [T, h, w] bool masks of the cells of each brief event: pops and flashes."""
    owner = torch.from_numpy(film.drawing.owner)
    brief = [index for index, thing in enumerate(film.scene.things) if thing.role == "pop"]
    masks = [owner == index for index in brief]
    light = film.scene.light
    for flash in spans_of(light.starts, film.scene.form.frames)[1:] if light is not None else []:
        shines = torch.zeros(owner.shape, dtype=torch.bool)
        shines[flash.start // TEMPORAL_PATCH : flash.stop // TEMPORAL_PATCH] = True
        masks.append((owner == LAMP) & shines)
    return [mask for mask in masks if mask.any()]
