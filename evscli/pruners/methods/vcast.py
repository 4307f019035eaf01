"""V-CAST (arXiv 2603.27650): spend the budget on frames where the video bends, then on outliers.

The frames' mean embeddings trace a curve; its curvature shares the budget out over frames, and
within a frame the tokens unlike its mean, and those of large norm, are kept. This file states the
rule and its counts; trajectory.py computes the frames' weights, allocation.py their budgets and
spatial.py the scores. Imports torch only when it runs.
"""

from __future__ import annotations

from evscli.errors import UsageError
from evscli.pruners.budget import round_count
from evscli.records import KeptTokens, PruneInputs, VideoTokens


def vcast(
    tokens: VideoTokens,
    inputs: PruneInputs,
    budget: float,
    *,
    tau: float = 0.7,
    min_k: int = 1,
    largest_remainder: bool = False,
) -> KeptTokens:
    """Keep the top tokens of each frame, more of them where the video changes direction.

    `tau` is the temperature of the softmax over curvatures, `min_k` the least kept of a frame.
    Tokens that rounding down leaves over go to one frame until it is full, as in the authors'
    code; `largest_remainder` deals them out one a frame instead.
    """
    del inputs
    t, h, w = tokens.grid_thw
    total = vcast_count(t, h * w, budget, tau=tau, min_k=min_k, largest_remainder=largest_remainder)
    from evscli.pruners.methods.spatial import frame_directions_and_scores
    from evscli.pruners.methods.trajectory import curvature, frame_weights
    from evscli.pruners.ops.allocation import frame_budgets
    from evscli.pruners.ops.ranking import keep_highest_per_frame

    directions, scores = frame_directions_and_scores(tokens.embeds)
    budgets = frame_budgets(
        frame_weights(curvature(directions), tau),
        cells=h * w,
        total=total,
        min_k=min(min_k, h * w),
        largest_remainder=largest_remainder,
    )
    return KeptTokens(
        mask=keep_highest_per_frame(scores, budgets).view(t, h, w),
        scores=scores.view(t, h, w),
        expected=total,
        notes=_single_frame_note(t, budget) + _least_note(t, h * w, budget, min_k),
    )


def vcast_count(
    frames: int,
    cells: int,
    budget: float,
    *,
    tau: float = 0.7,
    min_k: int = 1,
    largest_remainder: bool = False,
) -> int:
    """Tokens kept of `frames` temporal patches of `cells` tokens: all of a single frame.

    Raises UsageError for a `tau` or `min_k` that means nothing.
    """
    del largest_remainder
    if not tau > 0:
        raise UsageError(f"option tau of vcast must be above 0, got {tau:g}: the paper uses 0.7")
    if min_k < 1:
        raise UsageError(f"option min_k of vcast must be at least 1, got {min_k}: give 1 or more")
    if frames <= 1:
        return frames * cells
    return max(round_count(frames * cells, budget), frames * min(min_k, cells))


def _single_frame_note(frames: int, budget: float) -> tuple[str, ...]:
    if frames > 1 or budget == 1:
        return ()
    return (
        f"V-CAST prunes nothing of a single temporal patch, so budget {budget:g} keeps all of it; "
        "sample more frames, or choose another method, to keep less.",
    )


def _least_note(frames: int, cells: int, budget: float, min_k: int) -> tuple[str, ...]:
    least, asked = frames * min(min_k, cells), round_count(frames * cells, budget)
    if frames == 1 or least <= asked:
        return ()
    way_out = "lower min_k" if min_k > 1 else "sample fewer frames, or choose another method,"
    return (
        f"V-CAST keeps at least {min(min_k, cells)} of {cells} tokens of each frame here (min_k is "
        f"{min_k}), so {least} of {frames * cells} tokens are kept where a budget of {budget:g} "
        f"asks for {asked}; {way_out} to keep less.",
    )
