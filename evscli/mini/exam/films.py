"""Held-out procedural videos, as an encoder and an examiner take them."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from evscli.encoders import VideoEncoder
from evscli.mini.form import MAX_CELLS
from evscli.mini.training.batches import any_cells, any_frames
from evscli.mini.training.prompts import prompt_times
from evscli.mini.world.draw import LAMP
from evscli.mini.world.film import Film, make_film
from evscli.mini.world.scene import TEMPORAL_PATCH, Form, spans_of
from evscli.mini.world.views import view_frames
from evscli.models.contract import SamplingRules
from evscli.pipeline import PlannedVideo
from evscli.records import FrameChunk, FramePlan, IntArray, SourceInfo, VideoInput
from evscli.video import VideoIndex


def held_out_films(count: int, *, seed: int) -> Iterator[tuple[str, Film]]:
    """Yield the first `count` held-out videos of a seed with their names, of all sizes and lengths.

    Frames and area are even over their logarithms, width to height is from 1:2 to 2:1, about. The
    videos have four frames a second. `seed` is below 2**32, as for all procedural videos.
    """
    for number in range(count):
        yield held_out_film(number, seed=seed)


def held_out_film(number: int, *, seed: int) -> tuple[str, Film]:
    """Return one of the held-out videos of a seed with its name."""
    rng = np.random.default_rng([seed, 3, number])
    form = Form(frames=any_frames(rng), cells=any_cells(rng, MAX_CELLS))
    return f"film-{number:05d}", make_film(form, seed=seed, number=number, split="held-out")


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


def event_masks(film: Film, source_index: IntArray) -> list[Tensor]:
    """Return [T, h, w] bool masks of the cells of each brief event: pops and flashes.

    T are the temporal patches of the sampled frames `source_index [F]`, the last one filled with
    its own frame. An event of which no frame is sampled has no mask.
    """
    patches = torch.from_numpy(source_index) // TEMPORAL_PATCH
    odd = len(patches) % TEMPORAL_PATCH
    pairs = torch.cat([patches, patches[len(patches) - odd :]]).view(-1, TEMPORAL_PATCH)
    masks = (mask[pairs].any(dim=1) for mask in _whole_masks(film))
    return [mask for mask in masks if mask.any()]


def _whole_masks(film: Film) -> list[Tensor]:
    """Return the masks of all events over the patches of all frames."""
    owner = torch.from_numpy(film.drawing.owner)
    brief = [index for index, thing in enumerate(film.scene.things) if thing.role == "pop"]
    masks = [owner == index for index in brief]
    light = film.scene.light
    for flash in spans_of(light.starts, film.scene.form.frames)[1:] if light is not None else []:
        shines = torch.zeros(owner.shape, dtype=torch.bool)
        shines[flash.start // TEMPORAL_PATCH : flash.stop // TEMPORAL_PATCH] = True
        masks.append((owner == LAMP) & shines)
    return masks
