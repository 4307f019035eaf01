"""The windows inside an encoder that changed most since the frame before: a heuristic of evs.

It ranks by the number that STTS trains its scorer to predict, `1 - cos` of a window's patches and
those of the frame before (arXiv 2603.18004), without any training. Frame 0 is always kept. torch
is imported only when it runs.
"""

from __future__ import annotations

from evscli.budget import first_frame_count, first_frame_notes
from evscli.pruners.method import Pruner
from evscli.records import KeptTokens, PruneInputs, VideoWindows, WindowChoice


def window_diff(windows: VideoWindows, inputs: PruneInputs, budget: float) -> WindowChoice:
    """Keep the windows that are least like those of the frame before."""
    from evscli.pruners.ops.frame_change import embedding_change
    from evscli.pruners.ops.ranking import keep_highest

    t, h, w = windows.grid_thw
    count = first_frame_count(t, h * w, budget)
    scores = embedding_change(windows.states.flatten(-2))
    mask = keep_highest(scores, count)
    notes = first_frame_notes(t, h * w, budget)
    return WindowChoice(kept=KeptTokens(mask=mask, scores=scores, expected=count, notes=notes))


PRUNER = Pruner(
    name="window-diff",
    summary="goes on with the windows that changed most, inside the encoder",
    paper="heuristic of evs, by the training target of STTS",
    order=10,
    function=window_diff,
    expected_count=first_frame_count,
    inside=3,
)
