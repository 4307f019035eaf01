"""Procedural videos with their questions, to uptrain `mini` by or to train a scorer for it.

They are of a split of their own, which neither the training of `mini` nor its exam has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evscli.encoders import VideoEncoder
from evscli.encoders.digest import json_digest
from evscli.errors import UsageError
from evscli.job import Encoding
from evscli.job.loading import make_encoder
from evscli.mini.exam.films import film_chunks, film_plan, film_planned, frames_of
from evscli.mini.form import MAX_CELLS
from evscli.mini.training.batches import any_cells, any_frames
from evscli.mini.world.film import Film, make_film
from evscli.mini.world.scene import CELL, TEMPORAL_PATCH, Form
from evscli.mini.world.views import WHOLE
from evscli.pipeline import PlannedVideo, encode
from evscli.pruners import check_selection
from evscli.records import ModelInfo, PrunedVideo, Sampling
from evscli.train.scorer.batches import PatchedVideo
from evscli.train.tuning.conversations import Messages
from evscli.train.tuning.order import Taken
from evscli.train.uptrain.batches import Example

QUESTIONS = 8
"""The most questions about one video in a batch, which is encoded once for all of them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Films:
    """New procedural videos in every step. Each process loads the encoder that it needs."""

    encoding: Encoding
    seed: int

    @cached_property
    def encoder(self) -> VideoEncoder:
        """The encoder, on one thread, as suits a process that draws beside the training.

        Raises UsageError for one that sees cells of another size than the videos are drawn in.
        """
        encoder = make_encoder(self.encoding, Sampling(), "cpu")
        refuse_other_cells(encoder.info)
        return encoder

    @property
    def digest(self) -> str:
        """The digest of the encoder's weights and settings."""
        return json_digest(dict(self.encoder.settings))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "encoder"}

    def drawn(self, step: int, count: int) -> Iterator[tuple[str, Film, list[Messages]]]:
        """Yield the videos of a step by name, with `count` conversations about all of them."""
        number = step * count
        while count:
            film = self.film(number)
            rng = np.random.default_rng([self.seed, 7, number])
            chosen = rng.permutation(len(film.questions))[: min(QUESTIONS, count)]
            if len(chosen):
                yield f"film-{number}", film, [conversation(film, index) for index in chosen]
            count -= len(chosen)
            number += 1

    def film(self, number: int) -> Film:
        """Return a video by its number."""
        rng = np.random.default_rng([self.seed, 6, number])
        form = Form(frames=any_frames(rng), cells=any_cells(rng, MAX_CELLS))
        return make_film(form, seed=self.seed, number=number, split="uptraining")

    def planned(self, name: str, film: Film) -> tuple[PlannedVideo, Tensor]:
        """Return the plan of a video, and its frames [F, 3, H, W] uint8."""
        plan = film_plan(film, self.encoder.rules, None)
        frames = frames_of(film, WHOLE, seed=0)[torch.from_numpy(plan.source_index)]
        return film_planned(name, film, plan, self.encoder), frames


class FilmExamples(Films):
    """Questions about the videos, with all of their tokens."""

    def take(self, step: int, count: int) -> Taken[Example]:
        """Return the examples of a step."""
        found: list[Example] = []
        for name, film, conversations in self.drawn(step, count):
            record = self.encoded(name, film)
            found += [(record, messages) for messages in conversations]
        return Taken(examples=found)

    def encoded(self, name: str, film: Film) -> PrunedVideo:
        """Return all tokens of a video."""
        planned, frames = self.planned(name, film)
        run = encode(planned, self.encoder, frames=lambda: film_chunks(frames))
        return run.prune(check_selection("none"))


@dataclass(frozen=True, kw_only=True, eq=False)
class FilmVideos(Films):
    """The videos as patches, with their questions, or without for a scorer that learns alone."""

    talks: bool = True

    def take(self, step: int, count: int) -> Taken[PatchedVideo]:
        """Return the videos of a step."""
        if self.talks:
            return Taken(examples=[self.patched(*each) for each in self.drawn(step, count)])
        numbers = range(step * count, (step + 1) * count)
        return Taken(
            examples=[self.patched(f"film-{number}", self.film(number), []) for number in numbers]
        )

    def patched(self, name: str, film: Film, conversations: list[Messages]) -> PatchedVideo:
        """Return a video as patches."""
        planned, frames = self.planned(name, film)
        patches = self.encoder.form.patchify(frames)
        return PatchedVideo(planned=planned, patches=patches, conversations=conversations)


def refuse_other_cells(model: ModelInfo) -> None:
    """Raise UsageError for a model whose tokens are not those that the videos are drawn for."""
    cell, frames = model.patch_size * model.merge_size, model.temporal_patch_size
    if (cell, frames) != (CELL, TEMPORAL_PATCH):
        raise UsageError(
            f"procedural videos are drawn for mini, {CELL} pixels and {TEMPORAL_PATCH} frames to a "
            f"token, and {model.name} takes {cell} pixels and {frames} frames: give videos of your "
            "own, with --conversations where answers are learned"
        )


def conversation(film: Film, index: int) -> Messages:
    """Return one question about a video and its answer, as chat messages."""
    question = film.questions[index]
    return (
        {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": question.text}]},
        {"role": "assistant", "content": question.answer},
    )
