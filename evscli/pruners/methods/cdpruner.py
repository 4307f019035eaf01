"""CDPruner (arXiv 2506.10967): a diverse subset, conditioned on a question.

A determinantal point process over the cosines between tokens, weighted by how far each is from the
question: the authors' sign, which favours tokens UNLIKE the text. They compare in CLIP's space;
here the question's words are the language model's own input embeddings. Imports torch only when it
runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evscli.errors import UsageError
from evscli.pruners.budget import round_count
from evscli.records import KeptTokens, PruneInputs, VideoTokens

if TYPE_CHECKING:
    from torch import Tensor

PART = 4096


def cdpruner(
    tokens: VideoTokens, inputs: PruneInputs, budget: float, *, part: int = PART
) -> KeptTokens:
    """Keep a subset that is diverse and, by the authors' rule, relevant to `inputs.query`.

    `part` is the most tokens compared with each other: a video of more is cut into runs of whole
    frames that share the budget evenly.
    """
    import torch

    from evscli.pruners.ops.greedy import determinantal_points, parts, unit_tokens
    from evscli.pruners.ops.query import unit_query

    t, h, w = tokens.grid_thw
    count = cdpruner_count(t, h * w, budget, part=part)
    quality = _quality(tokens.embeds, unit_query(inputs, tokens.embeds))
    mask = torch.zeros((t, h * w), dtype=torch.bool, device=tokens.embeds.device)
    for start, stop, share in parts(t, h * w, count, part):
        unit = unit_tokens(tokens.embeds[start:stop])
        chosen = determinantal_points(unit, quality[start:stop].flatten(), share)
        mask[start:stop].view(-1)[chosen] = True
    return KeptTokens(mask=mask.view(t, h, w), scores=quality.view(t, h, w), expected=count)


def cdpruner_count(frames: int, cells: int, budget: float, *, part: int = PART) -> int:
    """Tokens kept of `frames` temporal patches of `cells` tokens.

    Raises UsageError for a `part` below 1.
    """
    if part < 1:
        raise UsageError(f"option part of cdpruner must be at least 1, got {part}: give tokens")
    return round_count(frames * cells, budget)


def _quality(embeds: Tensor, query: Tensor) -> Tensor:
    """The negated mean cosine to the query's rows, rescaled to 0..1 over the video: [T, h*w]."""
    import torch

    from evscli.pruners.ops.frames import float_chunks
    from evscli.pruners.ops.greedy import unit_tokens

    t, h, w, _ = embeds.shape
    unlike = torch.empty((t, h * w), dtype=torch.float32, device=embeds.device)
    text = query.mean(dim=0)
    for start, stop, x in float_chunks(embeds):
        unlike[start:stop] = -(unit_tokens(x) @ text).view(stop - start, -1)
    low, high = unlike.aminmax()
    return (unlike - low + 1e-6) / (high - low + 1e-6)
