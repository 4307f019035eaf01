"""Requests to SGLang: a prompt as token ids, and the videos as finished embeddings in their places.

SGLang takes positions and cache keys as they come with an item of the format `processor_output`, so
that no plugin is needed. Such items are for `sglang.Engine`, in the process that makes them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from evscli.errors import ModelError
from evscli.language.pairing import Prompt, Videos, pair_up
from evscli.language.prefill import PromptBatch
from evscli.records import PrunedVideo
from evscli.serving.served import side_by_side
from evscli.serving.weights import check_served

KEY_BYTES = 8
"""The bytes of a cache key of SGLang."""


def request(
    record: Videos,
    processor: Any,
    prompt: Prompt,
    *,
    model: str | None = None,
    budget: float | str | None = None,
    real_times: bool = False,
) -> dict[str, Any]:
    """Return keyword arguments of `sglang.Engine.generate` for one prompt.

    `record`, `processor`, `prompt`, `budget` and `real_times` are those of `prefill`: a video or
    several, the tokenizer, a question or chat messages. `model` is the served checkpoint, a hub id
    or a folder, whose vision weights must be those that made the tokens.

    The result has `input_ids`, with one placeholder for each kept token, and `video_data` with one
    item for all videos of the prompt: `precomputed_embeddings [K, D * (1 + L)]` (DeepStack planes
    beside their token), `video_grid_thw [n, 3]` in patches, `offsets` (first and last place of each
    run of placeholders), `mrope_positions [3, S]`, `mrope_position_delta` and `hash`.

    Raises UsageError as `prefill` does, ModelError for a model whose positions are not (t, h, w),
    WrongModelError for another model's tokens.
    """
    ((videos, turns),) = pair_up([record], [prompt])
    if budget is not None:
        videos = [video.at(budget) for video in videos]
    batch = PromptBatch.of([(videos, turns)], processor, real_times=real_times)
    made_by = videos[0].info.model
    if batch.builder.form.axes != 3:
        raise ModelError(
            f"{made_by.name!r} has plain positions, which SGLang counts by itself: ask it by evs "
            "ask, or prune with another model"
        )
    if model is not None:
        check_served(made_by, model)
    (row,) = batch.rows(add_generation_prompt=True)
    placeholder = row.ids == batch.builder.pad_id()
    item = {
        "format": "processor_output",
        "modality": "VIDEO",
        "precomputed_embeddings": torch.cat(
            [side_by_side(video.embeds, video.deepstack) for video in videos]
        ),
        "video_grid_thw": torch.tensor([patch_grid(video) for video in videos]),
        "offsets": runs(placeholder),
        "mrope_positions": row.positions,
        "mrope_position_delta": torch.tensor([[int(row.positions[0, -1]) + 1 - len(row.ids)]]),
        "hash": key_of(videos),
    }
    return {"input_ids": row.ids.tolist(), "video_data": [item]}


def patch_grid(video: PrunedVideo) -> tuple[int, int, int]:
    """Return the grid (T, height, width) in patches."""
    (t, h, w), merge = video.info.grid_thw, video.info.model.merge_size
    return t, h * merge, w * merge


def runs(placeholder: Tensor) -> list[tuple[int, int]]:
    """Return the first and the last place of each run of True in [S] bool."""
    edges = torch.nn.functional.pad(placeholder.int(), (1, 1)).diff().nonzero().flatten().tolist()
    return [(start, end - 1) for start, end in pairwise(edges)][::2]


def key_of(videos: Sequence[PrunedVideo]) -> int:
    """Return a cache key of the tokens of videos: equal for equal tokens in equal cells."""
    total = hashlib.sha256()
    for video in videos:
        for value in (video.keep_mask, side_by_side(video.embeds, video.deepstack)):
            raw = value.contiguous().view(torch.uint8).numpy()
            total.update(str((value.dtype, tuple(value.shape))).encode())
            total.update(raw.data)
    return int.from_bytes(total.digest()[:KEY_BYTES], "big")
