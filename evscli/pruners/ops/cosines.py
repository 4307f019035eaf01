"""Cosines between tokens, and to a question's words, in the language model's own input space.

Tokens and words are rows that the language model reads, so they are compared as they are, without a
text encoder.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from evscli.errors import UsageError
from evscli.pruners.ops.frames import float_chunks
from evscli.records import PruneInputs


def unit_tokens(embeds: Tensor) -> Tensor:
    """Return `embeds [..., D]` as float32 rows of length 1, [n, D]; zero vectors stay zero.

    The scaling is exact for values of any size: squares of large ones would overflow, and of small
    ones vanish.
    """
    rows = embeds.detach().flatten(0, -2).float()
    peaks = rows.abs().amax(dim=-1, keepdim=True)
    return functional.normalize(rows / peaks.masked_fill(peaks == 0, 1), dim=-1)


def unit_query(inputs: PruneInputs, embeds: Tensor) -> Tensor:
    """Return the rows of the query on the device of `embeds`, of length 1: [Q, D] float32.

    Raises UsageError where there is no query, or it is not of the tokens' width D.
    """
    width = embeds.shape[-1]
    if inputs.query is None or len(inputs.query) == 0:
        raise UsageError("the query is empty: give a text such as 'a red car'")
    if inputs.query.shape[1] != width:
        raise UsageError(
            f"the query has rows of width {inputs.query.shape[1]} and the tokens have {width}: "
            "take both from one checkpoint"
        )
    return unit_tokens(inputs.query.to(embeds.device))


def relevance(embeds: Tensor, query: Tensor) -> Tensor:
    """Return the cosine of each token of `embeds [T, h, w, D]` to its nearest row of unit `query`.

    The result is [T, h*w] float32, 0 for zero vectors. `query` is [Q, D].
    """
    t, h, w, _ = embeds.shape
    nearest = torch.empty((t, h * w), dtype=torch.float32, device=embeds.device)
    for start, stop, x in float_chunks(embeds):
        nearest[start:stop] = (unit_tokens(x) @ query.T).amax(dim=-1).view(stop - start, -1)
    return nearest
