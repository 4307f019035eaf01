"""Query-aware selection in the style of SemVID: frames by relevance and motion, then tokens.

A frame's budget follows how near its tokens are to the question and how much it moves. Of each
frame a prototype is kept, then tokens near the question that are unlike each other, then tokens
that move. The segments that the authors cut a video into first are left out. Imports torch only
when it runs.
"""

from __future__ import annotations

from evscli.pruners.budget import round_count
from evscli.records import KeptTokens, PruneInputs, VideoTokens

RELEVANT = 0.6
"""Share of a frame's tokens, beside its prototype, that are chosen for the question."""


def semvid(tokens: VideoTokens, inputs: PruneInputs, budget: float) -> KeptTokens:
    """Keep tokens near `inputs.query` and tokens that move, at least one of every frame."""
    from evscli.pruners.methods.semantic import choose, frame_weights, motion
    from evscli.pruners.ops.allocation import frame_budgets
    from evscli.pruners.ops.query import relevance, unit_query

    t, h, w = tokens.grid_thw
    count = semvid_count(t, h * w, budget)
    near = relevance(tokens.embeds, unit_query(inputs, tokens.embeds))
    before, around = motion(tokens.embeds)
    budgets = frame_budgets(
        frame_weights(near, before), cells=h * w, total=count, min_k=1, largest_remainder=True
    )
    mask = choose(tokens.embeds, near, around, budgets, relevant=RELEVANT)
    return KeptTokens(
        mask=mask.view(t, h, w),
        scores=near.view(t, h, w),
        expected=count,
        notes=_least_note(t, h * w, budget),
    )


def _least_note(frames: int, cells: int, budget: float) -> tuple[str, ...]:
    asked = round_count(frames * cells, budget)
    if frames <= asked:
        return ()
    return (
        f"semvid keeps a token of every frame, so {frames} are kept where a budget of {budget:g} "
        f"asks for {asked}; sample fewer frames to keep less.",
    )


def semvid_count(frames: int, cells: int, budget: float) -> int:
    """Tokens kept of `frames` temporal patches of `cells` tokens: at least one of every frame."""
    return max(frames, round_count(frames * cells, budget))
