"""Selections among the tokens of a stored video that holds all of them: the encoder is not run.

What comes out is what `evs prune` makes of the video with the same selection, but for the facts
about how tokens were rounded for the store.
"""

from __future__ import annotations

from dataclasses import replace

from evscli.errors import UsageError
from evscli.pruners import PruneRequest, select_tokens
from evscli.pruners.positions import gather_tokens, position_ids
from evscli.records import PrunedVideo, PruneInputs, VideoInfo, VideoTokens

NO_INPUTS = PruneInputs()


def check_whole(info: VideoInfo) -> None:
    """Raise UsageError for a stored video that lacks some of its tokens."""
    if info.kept < info.tokens:
        raise UsageError(
            f"the store holds {info.kept:,} of the {info.tokens:,} tokens of {info.id!r}, so no "
            "other selection can be made: prune with --budget 1, or with --method none"
        )


def all_tokens(record: PrunedVideo) -> VideoTokens:
    """Return the tokens of a stored video on its grid. Raises UsageError where some are missing."""
    info = record.info
    check_whole(info)
    embeds, planes = record.embeds, record.deepstack
    grid = (*info.grid_thw, embeds.shape[-1])
    return VideoTokens(
        embeds=embeds.view(grid),
        deepstack=None if planes is None else planes.view(len(planes), *grid),
    )


def pruned_again(
    record: PrunedVideo, request: PruneRequest, inputs: PruneInputs = NO_INPUTS
) -> PrunedVideo:
    """Return a stored video with another selection.

    Raises UsageError where the store does not hold all tokens, or for a method that needs pixels,
    or works inside an encoder, and MethodError as `select_tokens` does.
    """
    if request.prune_at is not None or "pixels" in request.needs:
        raise UsageError(
            f"method {request.name!r} needs the encoder or its pixels, which a store does not "
            "have: choose one that scores finished tokens"
        )
    settled = request.for_video(record.info.demand, seed=inputs.seed)
    tokens = all_tokens(record)
    kept = select_tokens(settled, tokens, inputs)
    embeds, deepstack = gather_tokens(tokens, kept.mask)
    rule = settled.count_rule(kept.mask[0].numel())
    return replace(
        record,
        info=replace(
            record.info,
            method=settled.pruner.name,
            options=settled.options,
            budget=settled.fraction,
            budget_rule=None if settled.rule is None else str(settled.rule),
            expected=kept.expected,
            kept=kept.count,
            notes=kept.notes,
            query=None,
            count_rule=rule,
            store_rms_error=None,
            store_max_error=None,
        ),
        embeds=embeds,
        deepstack=deepstack,
        position_ids=position_ids(kept.mask),
        keep_mask=kept.mask,
        scores=None,
        order=None if rule is None or kept.order is None else kept.order[kept.mask],
    )
