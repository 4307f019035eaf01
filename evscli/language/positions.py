"""Position ids of a prompt whose videos were pruned, without ever building the full prompt.

Knows tokens, runs and counts only: no text, no model, no family.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from evscli.models.contract import VideoLayout


def place_videos(ids: Tensor, pad: int, layouts: Sequence[VideoLayout]) -> tuple[Tensor, Tensor]:
    """Expand one placeholder per run to the tokens kept in it, and give every token its position.

    `ids` is [s] int64 with `pad` once for each run of `layouts`, in order. Returns ids [S] and
    position ids [3, S] (t, h, w): those of the full prompt, sliced to what was kept. A text token
    takes one position; a run takes its `advance` however many of its tokens were kept, which is
    the rule of multimodal RoPE (arXiv 2409.12191, section 2.1).
    """
    runs = ids == pad
    counts, advance = torch.ones_like(ids), torch.ones_like(ids)
    counts[runs] = torch.cat([ids[:0], *(v.counts for v in layouts)])
    advance[runs] = torch.cat([ids[:0], *(torch.full_like(v.counts, v.advance) for v in layouts)])
    start = advance.cumsum(0) - advance
    kept = ids.repeat_interleave(counts)
    positions = start.repeat_interleave(counts).expand(3, -1).clone()
    offsets = [ids.new_empty(3, 0), *(v.offsets for v in layouts)]
    positions[:, kept == pad] += torch.cat(offsets, dim=1)
    return kept, positions
