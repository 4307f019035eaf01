"""STTS (arXiv 2603.18004): a learned scorer chooses the windows that the encoder goes on with.

Pure steps on the hidden states after one block of a vision tower: score its windows, choose, and
bias the next block's attention towards high scores. The tower is run elsewhere. Frame 0 is always
kept. The authors' heuristics, which need no scorer, are in `stts_heuristics`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp
from typing import TYPE_CHECKING, Annotated, Literal

from evscli.budget import first_frame_notes
from evscli.errors import UsageError
from evscli.option import Option
from evscli.pruners.method import Pruner
from evscli.records import KeptTokens, PruneInputs, VideoWindows, WindowChoice

if TYPE_CHECKING:
    from torch import Tensor

_LEAST = exp(-2)
"""The least rescaled score, so that the bias of attention is between -2 and 0."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of STTS. All but the first two are switches of the authors' code."""

    refill: Annotated[
        bool,
        Option("Bins are packed as the authors do, which changes frames that are alone in theirs."),
    ] = True
    uncounted: Annotated[
        int,
        Option("Frames that the number of windows dropped is not a share of.", least=0),
    ] = 0
    inside: Annotated[
        bool,
        Option(
            "Windows are dropped inside the encoder. Else all of them run through every block, "
            "with the bias, and are dropped behind the last."
        ),
    ] = True
    score: Annotated[
        Literal["scorer", "easy", "heuristic"],
        Option(
            "The scores: of the trained scorer, or without one by likeness to the frame before "
            "(easy) or to the last window that was new (heuristic)."
        ),
    ] = "scorer"
    threshold: Annotated[
        float,
        Option("The mean likeness under which easy and heuristic keep a frame whole."),
    ] = 0.85


def stts(
    windows: VideoWindows, inputs: PruneInputs, budget: float, options: Options
) -> WindowChoice:
    """Keep the windows with the highest scores over the whole video."""
    t, h, w = windows.grid_thw
    count = expected_count(t, h * w, budget, options)
    notes = first_frame_notes(t, h * w, budget)
    if options.score != "scorer":
        from evscli.pruners.ops.stts_heuristics import keep_new

        mask, scores = keep_new(
            windows.states,
            count,
            threshold=options.threshold,
            moving=options.score == "easy",
        )
        kept = KeptTokens(mask=mask, scores=scores, expected=count, notes=notes)
        return WindowChoice(kept=kept, refill=options.refill, inside=options.inside)
    if inputs.scorer is None or inputs.heads is None:
        raise UsageError("stts needs trained weights: give them with --scorer FILE")
    scores = window_scores(windows.states, inputs.scorer, heads=inputs.heads)
    mask = keep_windows(scores, count)
    kept = KeptTokens(mask=mask, scores=scores, expected=count, notes=notes)
    return WindowChoice(
        kept=kept, bias=attention_bias(scores), refill=options.refill, inside=options.inside
    )


def expected_count(frames: int, windows: int, budget: float, options: Options) -> int:
    """Count the windows kept of `frames` of `windows`: all but `int(windows * (1 - R) * frames)`.

    The first frame counts within the budget and is always kept. Frames that are not counted are
    taken off the number of frames first.
    """
    counted = max(frames - options.uncounted, 0)
    dropped = int(windows * (1 - budget) * counted + 1e-9)
    return frames * windows - min(dropped, (frames - 1) * windows)


PRUNER = Pruner(
    name="stts",
    summary="goes on with the windows that a trained scorer chooses inside the encoder",
    paper="STTS, arXiv 2603.18004",
    order=9,
    function=stts,
    option_type=Options,
    expected_count=expected_count,
    needs_by_option={("score", "scorer"): "scorer"},
    inside=3,
)


def window_scores(windows: Tensor, scorer: Mapping[str, Tensor], *, heads: int) -> Tensor:
    """Score windows of hidden states [T, h, w, p, C]: [T, h, w] in 0..1, higher is worth keeping.

    Each window is pooled by attention from its mean to its patches; a small network compares it
    with the same window of the frame before. `scorer` holds `patch_token_pooler.{wq,wk,wv,wo}` and
    `mlp.{w1,w2,w3}`, each with `.weight` and `.bias`. The scores are computed on their device, in
    their dtype and a few frames at a time.
    """
    import torch

    from evscli.pruners.ops.frames import frame_spans

    home = scorer["mlp.w3.weight"]
    scores = torch.empty(windows.shape[:3], dtype=torch.float32, device=windows.device)
    before = None
    for start, stop in frame_spans(windows.flatten(-2), home.device):
        pooled = _pool(windows[start:stop].to(home).flatten(1, 2), scorer, heads)
        first = torch.zeros_like(pooled[:1]) if before is None else before
        some = _compare(torch.cat([first, pooled[:-1]]), pooled, scorer)
        scores[start:stop] = some.view(-1, *windows.shape[1:3])
        before = pooled[-1:]
    return scores


def _compare(before: Tensor, pooled: Tensor, scorer: Mapping[str, Tensor]) -> Tensor:
    """Return scores [t, P] of pooled windows [t, P, C], given those of the frames before."""
    import torch
    from torch.nn.functional import silu

    hidden = torch.cat([before, pooled], dim=-1)
    hidden = silu(_linear(hidden, scorer, "mlp.w1"))
    hidden = silu(_linear(hidden, scorer, "mlp.w2"))
    return _linear(hidden, scorer, "mlp.w3").squeeze(-1).sigmoid()


def keep_windows(scores: Tensor, count: int) -> Tensor:
    """Return the mask of `count` windows: frame 0, and the highest other `scores [T, ...]`."""
    from evscli.pruners.ops.ranking import keep_highest

    ranked = scores.clone()
    ranked[0] = 100
    return keep_highest(ranked, count)


def attention_bias(scores: Tensor) -> Tensor:
    """Return the bias of the attention logits of every key of a window: [T, h, w] of `scores`.

    It is the logarithm of the scores rescaled to e^-2..1 over each ROW of windows, as in the
    authors' code, and 0 in the first frame.
    """
    low, high = scores.aminmax(dim=-1, keepdim=True)
    bias = (_LEAST + (scores - low) * (1 - _LEAST) / (high - low + 1e-6)).log()
    bias[0] = 0
    return bias


def _pool(windows: Tensor, scorer: Mapping[str, Tensor], heads: int) -> Tensor:
    """Compute the attention of each window's mean to its patches: [T, P, p, C] to [T, P, C]."""
    from torch.nn.functional import scaled_dot_product_attention

    name = "patch_token_pooler"
    query = _linear(windows.mean(dim=2, keepdim=True), scorer, f"{name}.wq")
    key, value = (_linear(windows, scorer, f"{name}.{part}") for part in ("wk", "wv"))
    query, key, value = (
        s.view(-1, s.shape[2], heads, s.shape[3] // heads).transpose(1, 2)
        for s in (query, key, value)
    )
    mixed = scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(1)
    return _linear(mixed.view(*windows.shape[:2], -1), scorer, f"{name}.wo")


def _linear(states: Tensor, scorer: Mapping[str, Tensor], name: str) -> Tensor:
    from torch.nn.functional import linear

    return linear(states, scorer[f"{name}.weight"], scorer[f"{name}.bias"])
