"""Batches of procedural videos, which follow from a seed and the number of a step.

The form of the videos, their number and their contents do not depend on earlier steps, so that
training can go on exactly where it stopped, in any number of processes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerBase

from evscli.mini.form import MAX_CELLS, MAX_FRAMES
from evscli.mini.training.labels import CLASSES, label
from evscli.mini.training.plan import TrainingPlan
from evscli.mini.training.prompts import Asked, ask_all
from evscli.mini.world.film import Film, make_film
from evscli.mini.world.questions import Question
from evscli.mini.world.scene import TEMPORAL_PATCH, Form
from evscli.mini.world.views import WHOLE, view_frames

MOST_VIDEOS = 20
MOST_LOOKS = 96
"""The most videos in a batch of single moments."""
LOOK_SHARE = 0.6
"""The visual tokens of such a batch against others: many small pictures take long to draw."""
MOST_QUESTIONS = 8

SMALLEST, SMALL, LARGEST = 16, 26, MAX_CELLS
"""The numbers of cells of a frame: the least, the most of a small one, the most of all."""
SMALL_UNTIL = 0.2
"""The share of the training in which all frames are small, so that it begins with fast steps."""
SMALL_SHARE = 0.4
"""The share of the batches with small frames after that."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """B videos of one form, their questions, and the labels of every visual token."""

    form: Form
    frames: Tensor
    """[B, F, 3, H, W] uint8 frames."""
    asked: Asked
    labels: dict[str, Tensor]
    """[B, K] int64 classes by name of the label. `IGNORED` marks tokens without one."""


class FilmBatches(Dataset[Batch]):
    """Batches of new videos, by the number of the step."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, plan: TrainingPlan) -> None:
        self.tokenizer = tokenizer
        self.plan = plan

    def __len__(self) -> int:
        return self.plan.total

    def __getitem__(self, step: int) -> Batch:
        plan = self.plan
        rng = np.random.default_rng([plan.seed, 2, step])
        if step < plan.looks:
            form = Form(frames=TEMPORAL_PATCH, cells=any_cells(rng, LARGEST))
            tokens, most = LOOK_SHARE * plan.tokens, MOST_LOOKS
        else:
            form = form_at(rng, (step - plan.looks) / (plan.steps - plan.looks))
            tokens, most = plan.tokens, MOST_VIDEOS
        t, h, w = form.grid_thw
        count = int(np.clip(round(tokens / (t * h * w)), 2, most))
        films = [
            make_film(form, seed=plan.seed, number=MOST_LOOKS * step + i) for i in range(count)
        ]
        return make_batch(self.tokenizer, form, films, rng, view=plan.view)


def form_at(rng: Generator, progress: float) -> Form:
    """Draw the form of a batch: small at first, later up to what `mini`'s processor allows."""
    if progress < SMALL_UNTIL or rng.random() < SMALL_SHARE:
        frames, cells = int(rng.choice([8, 12, 16, 24, 32])), any_cells(rng, SMALL)
    else:
        frames, cells = any_frames(rng), any_cells(rng, LARGEST)
    interval = 0.25 if rng.random() < 0.7 else float(np.exp(rng.uniform(np.log(0.1), np.log(8))))
    return Form(frames=frames, cells=cells, interval=interval)


def any_frames(rng: Generator) -> int:
    """Draw an even number of frames from 8 to the processor's most, evenly over the logarithm."""
    return int(2 * round(np.exp(rng.uniform(np.log(4), np.log(MAX_FRAMES / 2)))))


def any_cells(rng: Generator, most: int) -> tuple[int, int]:
    """Draw (h, w) with 16 to `most` cells, evenly over the logarithm; sides about 1:2 to 2:1."""
    area = np.exp(rng.uniform(np.log(SMALLEST), np.log(most)))
    h = int(np.clip(round(np.sqrt(area * np.exp(rng.uniform(-0.6, 0.6)))), 3, 16))
    return h, int(np.clip(round(area / h), 3, most // h))


def make_batch(
    tokenizer: PreTrainedTokenizerBase,
    form: Form,
    films: list[Film],
    rng: Generator,
    *,
    view: str = WHOLE,
) -> Batch:
    """Make a batch of films of one form. Questions are in random order; a moment has none."""
    asked: list[list[Question]] = [[] for _ in films]
    if form.frames > TEMPORAL_PATCH:
        asked = [[f.questions[i] for i in rng.permutation(len(f.questions))] for f in films]
    frames = np.stack([view_frames(film.frames, view, rng) for film in films])
    labels = [label(film) for film in films]
    return Batch(
        form=form,
        frames=torch.from_numpy(frames).permute(0, 1, 4, 2, 3),
        asked=ask_all(tokenizer, asked, most=MOST_QUESTIONS),
        labels={name: torch.stack([each[name] for each in labels]) for name in CLASSES},
    )
