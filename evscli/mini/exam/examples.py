"""Procedural videos with their questions as examples to uptrain `mini` by.

They are of a split of their own, which neither the training of `mini` nor its exam has.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from evscli.encoders import VideoEncoder
from evscli.encoders.digest import json_digest
from evscli.job import Encoding
from evscli.job.loading import make_encoder
from evscli.mini.exam.films import film_chunks, film_plan, film_planned, frames_of
from evscli.mini.form import MAX_CELLS
from evscli.mini.training.batches import any_cells, any_frames
from evscli.mini.world.film import Film, make_film
from evscli.mini.world.scene import Form
from evscli.mini.world.views import WHOLE
from evscli.pipeline import encode
from evscli.pruners import check_selection
from evscli.records import PrunedVideo, Sampling
from evscli.train.tuning.conversations import Messages
from evscli.train.uptrain.batches import Taken

QUESTIONS = 8
"""The most questions about one video in a batch, which is encoded once for all of them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FilmExamples:
    """Questions about new videos in every step. Each process loads the encoder that it needs."""

    encoding: Encoding
    seed: int

    @cached_property
    def encoder(self) -> VideoEncoder:
        """The encoder, on one thread, as suits a process that draws beside the training."""
        return make_encoder(self.encoding, Sampling(), "cpu")

    @property
    def digest(self) -> str:
        """The digest of the encoder's weights and settings."""
        return json_digest(dict(self.encoder.settings))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "encoder"}

    def take(self, step: int, count: int) -> Taken:
        """Return the examples of a step."""
        found: list[tuple[PrunedVideo, Messages]] = []
        number = step * count
        while len(found) < count:
            found += self.about(number, most=min(QUESTIONS, count - len(found)))
            number += 1
        return Taken(examples=found)

    def about(self, number: int, *, most: int) -> list[tuple[PrunedVideo, Messages]]:
        """Return one video with at most `most` of its questions."""
        rng = np.random.default_rng([self.seed, 6, number])
        form = Form(frames=any_frames(rng), cells=any_cells(rng, MAX_CELLS))
        film = make_film(form, seed=self.seed, number=number, split="uptraining")
        chosen = rng.permutation(len(film.questions))[:most]
        if not len(chosen):
            return []
        record = self.encoded(f"film-{number}", film)
        return [(record, conversation(film, index)) for index in chosen]

    def encoded(self, name: str, film: Film) -> PrunedVideo:
        """Return all tokens of a video."""
        plan = film_plan(film, self.encoder.rules, None)
        frames = frames_of(film, WHOLE, seed=0)[torch.from_numpy(plan.source_index)]
        planned = film_planned(name, film, plan, self.encoder)
        run = encode(planned, self.encoder, frames=lambda: film_chunks(frames))
        return run.prune(check_selection("none"))


def conversation(film: Film, index: int) -> Messages:
    """Return one question about a video and its answer, as chat messages."""
    question = film.questions[index]
    return (
        {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": question.text}]},
        {"role": "assistant", "content": question.answer},
    )
