"""Held-out procedural videos as inputs of the encoder, the pruners and the diagnostics."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from evscli.mini.form import MAX_CELLS
from evscli.mini.training.batches import any_cells, any_frames
from evscli.mini.training.prompts import prompt_times
from evscli.mini.world.draw import LAMP
from evscli.mini.world.film import Film, make_film
from evscli.mini.world.scene import TEMPORAL_PATCH, Form, spans_of
from evscli.mini.world.views import view_frames
from evscli.records import FrameChunk, FramePlan


def held_out_films(count: int, *, seed: int) -> Iterator[tuple[str, Film]]:
    """Yield the first `count` held-out videos of a seed with their names, of all sizes and lengths.

    The videos have four frames a second. `seed` is below 2**32, as for all procedural videos.
    """
    for number in range(count):
        rng = np.random.default_rng([seed, 3, number])
        film = make_film(any_form(rng), seed=seed, number=number, split="held-out")
        yield f"film-{number:05d}", film


def any_form(rng: np.random.Generator) -> Form:
    """Draw frames and area evenly over their logarithms; width to height from 1:2 to 2:1, about."""
    return Form(frames=any_frames(rng), cells=any_cells(rng, MAX_CELLS))


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
