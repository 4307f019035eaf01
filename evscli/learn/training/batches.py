"""Batches of procedural videos: batch `step` of a seed is always the same.

The form of the videos, their number and their contents all follow from the step, so that
training can go on exactly where it stopped, in any number of processes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerBase

from evscli.learn.mini import MAX_CELLS, MAX_FRAMES
from evscli.learn.training.plan import TrainingPlan
from evscli.learn.training.prompts import IGNORED, Asked, ask_all
from evscli.learn.world.film import Film, make_film
from evscli.learn.world.questions import Question
from evscli.learn.world.scene import (
    CELL,
    COLORS,
    SHAPES,
    TEMPORAL_PATCH,
    Form,
    displacement,
)
from evscli.learn.world.views import WHOLE, view_frames

MOST_VIDEOS = 20
MOST_LOOKS = 96
"""Videos in a batch of single moments."""
LOOK_SHARE = 0.6
"""Visual tokens in such a batch against others: many small pictures take long to draw."""
MOST_QUESTIONS = 8

SMALLEST, SMALL, LARGEST = 16, 26, MAX_CELLS
"""Cells of a frame."""
SMALL_UNTIL = 0.2
"""Share of the training in which all frames are small, to begin with what is quickly done."""
SMALL_SHARE = 0.4
"""Share of the batches with small frames after that."""

NOTHING, LIT = 0, len(SHAPES) + 1
STILL, LEFT, RIGHT, UP, DOWN, POP, FLASH = range(1, 8)
MOST_ALIKE = 5
CLASSES = {
    "shape": len(SHAPES) + 2,
    "color": len(COLORS) + 1,
    "centre": 2,
    "motion": FLASH + 1,
    "scene": 4,
    "flash": 5,
    "popped": 3,
    "alike": MOST_ALIKE + 1,
}
"""Number of classes of what is asked of every visual token."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """B videos of one form with their questions and what is on each visual token."""

    form: Form
    frames: Tensor
    """[B, F, 3, H, W] uint8"""
    asked: Asked
    labels: dict[str, Tensor]
    """Each [B, K] int64; `IGNORED` where nothing is asked."""

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        asked = self.asked
        return Batch(
            form=self.form,
            frames=self.frames.to(device),
            asked=Asked(
                ids=asked.ids.to(device), targets=asked.targets.to(device), kinds=asked.kinds
            ),
            labels={name: labels.to(device) for name, labels in self.labels.items()},
        )


class FilmBatches(Dataset[Batch]):
    """Batch after batch of new videos."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, plan: TrainingPlan) -> None:
        self.tokenizer = tokenizer
        self.plan = plan

    def __len__(self) -> int:
        return self.plan.steps

    def __getitem__(self, step: int) -> Batch:
        plan = self.plan
        rng = np.random.default_rng([plan.seed, 2, step])
        if step < plan.looks:
            form, tokens, most = look_at(rng), LOOK_SHARE * plan.tokens, MOST_LOOKS
        else:
            form = form_at(rng, (step - plan.looks) / (plan.steps - plan.looks))
            tokens, most = plan.tokens, MOST_VIDEOS
        t, h, w = form.grid_thw
        count = int(np.clip(round(tokens / (t * h * w)), 2, most))
        films = [
            make_film(form, seed=plan.seed, number=MOST_LOOKS * step + i) for i in range(count)
        ]
        return make_batch(self.tokenizer, form, films, rng, view=plan.view)


def look_at(rng: Generator) -> Form:
    """The form of a batch of single temporal patches."""
    return Form(frames=TEMPORAL_PATCH, cells=any_cells(rng, LARGEST))


def form_at(rng: Generator, progress: float) -> Form:
    """The form of a batch: small ones first, later all that the processor of `mini` allows."""
    if progress < SMALL_UNTIL or rng.random() < SMALL_SHARE:
        frames, cells = int(rng.choice([8, 12, 16, 24, 32])), any_cells(rng, SMALL)
    else:
        frames, cells = any_frames(rng), any_cells(rng, LARGEST)
    interval = 0.25 if rng.random() < 0.7 else float(np.exp(rng.uniform(np.log(0.1), np.log(8))))
    return Form(frames=frames, cells=cells, interval=interval)


def any_frames(rng: Generator) -> int:
    """An even number from 8 to what the processor of `mini` allows, evenly over the logarithm."""
    return int(2 * round(np.exp(rng.uniform(np.log(4), np.log(MAX_FRAMES / 2)))))


def any_cells(rng: Generator, most: int) -> tuple[int, int]:
    """(h, w) with 16 to `most` cells, evenly over the logarithm; sides about 1:2 to 2:1."""
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
    """Films of one form as a batch, their questions in random order; none about single moments."""
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


def label(film: Film) -> dict[str, Tensor]:
    """What is on each visual token [K], and what has happened by its time."""
    owner = torch.from_numpy(film.drawing.owner.astype(np.int64))
    patches, h, w = owner.shape
    things = film.scene.things
    shape = torch.tensor([SHAPES.index(thing.shape) + 1 for thing in things] + [NOTHING, LIT])
    color = torch.tensor([list(COLORS).index(t.color) + 1 for t in things] + [NOTHING, IGNORED])
    moves = torch.stack([motion(film, index) for index in range(len(things))])
    lit = torch.full((1, patches), FLASH)
    motions = torch.cat([moves, torch.zeros_like(lit), lit])  # owners -2 and -1 count from the end
    when = torch.arange(patches)[:, None, None].expand(-1, h, w)
    last = TEMPORAL_PATCH * np.arange(1, patches + 1) - 1
    light = film.scene.light
    starts = light.starts if light is not None else ()
    pops = tuple(int(np.argmax(thing.shown)) for thing in things if thing.role == "pop")
    return {
        "shape": shape[owner].flatten(),
        "color": color[owner].flatten(),
        "centre": centres(film).flatten(),
        "motion": motions[owner, when].flatten(),
        "scene": so_far(film.scene.cuts, last)[when].flatten(),
        "flash": so_far(starts, last)[when].flatten(),
        "popped": so_far(pops, last)[when].flatten(),
        "alike": alike(film)[owner, when].flatten(),
    }


def so_far(starts: tuple[int, ...], last: np.ndarray) -> Tensor:
    """[T] how many of the frames `starts` have come by the last frame of each temporal patch."""
    return torch.from_numpy((np.array(starts, np.int64)[None] <= last[:, None]).sum(1))


def alike(film: Film) -> Tensor:
    """[things + 2, T] still things of its shape in its scene, by owner; nothing for all others.

    A token of a scene's first temporal patch cannot know what comes behind it.
    """
    things, patches = film.scene.things, film.scene.form.grid_thw[0]
    stills = [
        (index, thing.shape, int(np.argmax(thing.shown)) // TEMPORAL_PATCH)
        for index, thing in enumerate(things)
        if thing.role == "still"
    ]
    counts = torch.zeros(len(things) + 2, patches, dtype=torch.int64)
    groups = Counter((shape, begin) for _, shape, begin in stills)
    for index, shape, begin in stills:
        counts[index] = min(groups[shape, begin], MOST_ALIKE)
        counts[index, begin] = IGNORED
    return counts


def centres(film: Film) -> Tensor:
    """[T, h, w] 1 where the centre of a thing is, in either frame of the temporal patch."""
    scene = film.scene
    t, h, w = scene.form.grid_thw
    marks = torch.zeros(t, h, w, dtype=torch.int64)
    for thing in scene.things:
        frames = np.flatnonzero(thing.shown)
        cells = (thing.path[frames] - scene.camera[frames]) // CELL
        x, y = cells[:, 0].astype(np.int64), cells[:, 1].astype(np.int64)
        inside = (x >= 0) & (x < w) & (y >= 0) & (y < h)
        marks[frames[inside] // TEMPORAL_PATCH, y[inside], x[inside]] = 1
    return marks


def motion(film: Film, index: int) -> Tensor:
    """[T] how a thing moves, as far as that can be known by the end of each temporal patch."""
    thing = film.scene.things[index]
    patches = film.scene.form.grid_thw[0]
    if thing.role != "mover":
        return torch.full((patches,), POP if thing.role == "pop" else STILL)
    x, y = displacement(thing)
    axis = 0 if abs(x) > abs(y) else 1
    way = ((LEFT, RIGHT), (UP, DOWN))[axis][int((x, y)[axis] > 0)]
    begin = int(np.argmax(thing.shown))
    moved = np.abs(thing.path[:, axis] - thing.path[begin, axis])[1::TEMPORAL_PATCH]
    return torch.where(torch.from_numpy(moved >= 3), way, IGNORED)
