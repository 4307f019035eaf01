"""The record of a pruned video, put together as a shard holds it."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from evscli.errors import VideoError
from evscli.pipeline.planned import PlannedVideo
from evscli.pruners import PruneRequest
from evscli.pruners.positions import position_ids
from evscli.records import KeptTokens, PrunedVideo, VideoInfo, VideoInput

STORED_SCORES = torch.float16


def pruned_video(
    planned: PlannedVideo,
    request: PruneRequest,
    kept: KeptTokens,
    embeds: Tensor,
    deepstack: Tensor | None,
    *,
    store_scores: bool,
    query: str | None = None,
) -> PrunedVideo:
    """Make the record of kept tokens: embeds [K, D], deepstack [L, K, D] and their cells."""
    plan, scores = planned.plan, kept.scores if store_scores else None
    info = video_info(planned, request, kept, query=query)
    order = None
    if info.count_rule is not None:
        assert kept.order is not None, "select_tokens has checked it"
        order = kept.order[kept.mask]
    return PrunedVideo(
        info=info,
        embeds=embeds,
        position_ids=position_ids(kept.mask),
        keep_mask=kept.mask,
        source_index=torch.from_numpy(plan.source_index),
        frame_times=torch.from_numpy(plan.frame_times),
        prompt_times=torch.from_numpy(plan.prompt_times),
        deepstack=deepstack,
        suffix=planned.suffix,
        scores=None if scores is None else scores.to(STORED_SCORES),
        order=order,
    )


def video_info(
    planned: PlannedVideo, request: PruneRequest, kept: KeptTokens, *, query: str | None
) -> VideoInfo:
    """Return everything that a shard holds about a pruned video beside its tensors."""
    plan = planned.plan
    return VideoInfo(
        id=planned.video.id,
        source=planned.source,
        source_fps=plan.source_fps,
        source_frames=plan.source_frames,
        duration=plan.duration,
        source_size=plan.source_size,
        rotation=plan.rotation,
        resized_size=plan.resized_size,
        grid_thw=plan.grid_thw,
        model=planned.model,
        method=request.pruner.name,
        options=request.options,
        budget=request.fraction,
        expected=kept.expected,
        kept=kept.count,
        notes=plan.notes + kept.notes,
        query=query,
        prune_at=request.prune_at,
        budget_rule=None if request.rule is None else str(request.rule),
        part=plan.part,
        damaged_frames=plan.damaged_frames or None,
        count_rule=request.count_rule(plan.grid_thw[1] * plan.grid_thw[2]),
    )


def refuse_infinite(tokens: Iterable[Tensor | None], video: VideoInput) -> None:
    """Raise VideoError where a value is NaN or infinite, as overflow in float16 makes them."""
    for planes in tokens:
        if planes is not None and not _is_finite(planes):
            dtype = str(planes.dtype).removeprefix("torch.")
            raise VideoError(
                f"{video.name}: the encoder gave values that are not finite in {dtype}; "
                "try --dtype float32, and check the checkpoint's weights",
                stage="encode",
            )


def _is_finite(tokens: Tensor) -> bool:
    """Return whether no value is NaN or infinite, without a copy of tokens that may be in a file.

    Such a value makes the smallest or the largest one not finite. A sum would show it too, and copy
    all tokens into the wider dtype that it needs.
    """
    return not tokens.numel() or bool(torch.stack(tokens.aminmax()).isfinite().all())
