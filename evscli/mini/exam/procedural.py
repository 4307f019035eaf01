"""Questions about held-out procedural videos, asked of `mini` after every kind of pruning.

Every video is drawn and encoded once, by the encoder that `evs prune` uses. All questions of a
selection run side by side through the language model's own weights, each attending to the video
and itself only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear

from evscli.encoders.files import ModelFiles, read_json
from evscli.errors import UsageError
from evscli.evaluation.metrics import diagnose
from evscli.evaluation.questions.multiple_choice import LoadedCheckpoint, load_both
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
from evscli.pruners import PruneRequest, check_selection, select_tokens
from evscli.pruners.seeds import video_seed
from evscli.records import FrameChunk, FramePlan, PixelSource, PruneInputs, VideoTokens
from evscli.train.learner import on_device


def evaluate_films(
    checkpoint: LoadedCheckpoint,
    requests: Sequence[PruneRequest],
    *,
    videos: int,
    seed: int = 0,
    diagnostics: bool = False,
    advance: Callable[[int], None] = lambda _: None,
) -> Evaluation:
    """Ask every question about `videos` held-out videos of every selection.

    The likeliest of a question's options is the answer. `advance` is called after every video.
    """
    answered: list[Answered] = []
    numbers: dict[TalliedSelection, dict[str, Numbers]] = defaultdict(dict)
    for name, film in held_out_films(videos, seed=seed):
        examiner = Examiner.of(checkpoint, film)
        frames = frames_of(film, WHOLE, seed=seed)
        tokens = examiner.encode(frames)
        events = event_masks(film)
        for request in requests:
            mask = examiner.select(request, tokens, frames, seed=video_seed(seed, name))
            answers = examiner.answer(tokens, mask, name=name, request=request)
            answered += answers
            if diagnostics and answers:
                found = asdict(diagnose(tokens, mask, events=events))
                numbers[answers[0].selection][name] = found
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
    request = check_selection(UNPRUNED)
    answered: list[Answered] = []
    for name, film in held_out_films(videos, seed=seed):
        examiner = Examiner.of(checkpoint, film)
        for view in VIEWS:
            tokens = examiner.encode(frames_of(film, view, seed=video_seed(seed, name)))
            mask = torch.full(tokens.grid_thw, view != QUESTION_ONLY)
            answers = examiner.answer(tokens, mask, name=name, request=request)
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
    whole = evaluate_films(
        checkpoint, [check_selection(UNPRUNED)], videos=videos, seed=seed, advance=advance
    ).answered
    parts = evaluate_views(checkpoint, videos=videos, seed=seed, advance=advance)
    return tally([*(replace(answer, method=WHOLE) for answer in whole), *parts])


@dataclass(frozen=True, kw_only=True, eq=False)
class Examiner:
    """A checkpoint that is asked about one video."""

    checkpoint: LoadedCheckpoint
    film: Film
    prompt: VideoPrompt

    @classmethod
    def of(cls, checkpoint: LoadedCheckpoint, film: Film) -> Examiner:
        """Return the examiner of a video, with the prompt that holds all of it.

        Raises UsageError where the tokenizer would not read the questions as typed, as that of a
        model with another vocabulary.
        """
        tokenizer = checkpoint.language.tokenizer
        texts = [text for asked in film.questions for text in (asked.text, *asked.options)]
        check_texts(tokenizer, texts)
        prompt = video_prompt(tokenizer, film.scene.form)
        return cls(checkpoint=checkpoint, film=film, prompt=prompt)

    def encode(self, frames: Tensor) -> VideoTokens:
        """Return the visual tokens of [F, 3, H, W] uint8 frames."""
        return self.checkpoint.encoder.encode(film_chunks(frames), film_plan(self.film))

    def select(
        self, request: PruneRequest, tokens: VideoTokens, frames: Tensor, *, seed: int
    ) -> Tensor:
        """Return the mask [T, h, w] of a selection."""
        pixels = None
        if "pixels" in request.needs:
            size = self.checkpoint.encoder.form.temporal_patch_size
            pixels = PixelSource(chunks=lambda: iter([frames]), temporal_patch_size=size)
        return select_tokens(request, tokens, PruneInputs(pixels=pixels, seed=seed)).mask

    @torch.inference_mode()
    def answer(
        self, tokens: VideoTokens, mask: Tensor, *, name: str, request: PruneRequest
    ) -> list[Answered]:
        """Ask every question of the video with the kept tokens."""
        questions = self.film.questions
        if not questions:
            return []
        scores = self.scores(tokens, mask, questions)
        return [
            Answered(
                video=name,
                kind=question.kind,
                method=request.pruner.name,
                options=request.options,
                budget=request.fraction,
                correct=self.choose(row, question) == question.answer,
                chance=1 / len(question.options),
                kept=int(mask.sum()),
                total=mask.numel(),
            )
            for question, row in zip(questions, scores, strict=True)
        ]

    def scores(self, tokens: VideoTokens, mask: Tensor, questions: Sequence[Question]) -> Tensor:
        """Return logits [Q, V] of the first token of each answer, float32 on the CPU."""
        model, tokenizer = self.checkpoint.language.model, self.checkpoint.language.tokenizer
        device = model.device
        asked = on_device(ask_all(tokenizer, [questions], most=len(questions)), device)
        seen = on_device(kept_tokens(tokens, mask), device)
        prompt = on_device(kept_prompt(self.prompt, mask), device)
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


def kept_tokens(tokens: VideoTokens, mask: Tensor) -> Seen:
    """Return the kept tokens as a batch of one video."""
    if tokens.deepstack is None:
        raise ValueError("mini's tokens come with DeepStack planes")
    return Seen(embeds=tokens.embeds[mask][None], planes=tokens.deepstack[:, mask][:, None])


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


def film_plan(film: Film) -> FramePlan:
    """Return the plan of a video whose every frame is used at its own size."""
    form = film.scene.form
    times = form.interval * np.arange(form.frames, dtype=np.float64)
    return FramePlan(
        source_index=np.arange(form.frames),
        frame_times=times,
        prompt_times=np.array(prompt_times(form)),
        source_fps=1 / form.interval,
        source_frames=form.frames,
        duration=form.interval * form.frames,
        source_size=form.size,
        rotation=0,
        resized_size=form.size,
        grid_thw=form.grid_thw,
    )


def film_chunks(frames: Tensor) -> Iterator[FrameChunk]:
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
