"""Conversations about the same videos as one row, which holds the videos once.

What they begin with alike comes first; behind it their own parts stand side by side. Each part sees
the beginning and itself, at the positions that it has alone, so that losses and gradients are those
of the conversations one by one, for little more than the cost of one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from evscli.language.prompt import IGNORED, PromptIds

MOST_JOINED = 8192
"""The most tokens of a row that is joined: its mask has as many places squared."""


@dataclass(frozen=True, kw_only=True, eq=False)
class JoinedRow:
    """One row of a batch: a beginning, and parts behind it that do not see each other."""

    prompt: PromptIds
    parts: Tensor
    """[S] int64: 0 for the tokens of the beginning, else the number of their part."""


def join(rows: Sequence[PromptIds], pad: int) -> JoinedRow | None:
    """Join prompts with the same videos, whose visual tokens have the id `pad`.

    Returns None where a video does not stand in what all begin with, or the row would be too long.
    """
    start = common_length(rows)
    whole, rest = rows[0], [row.ids[start:] for row in rows]
    length = start + sum(map(len, rest))
    if length > MOST_JOINED or (len(rows) > 1 and (whole.ids[start:] == pad).any()):
        return None
    sizes = torch.tensor([start, *map(len, rest)])
    return JoinedRow(
        prompt=PromptIds(
            ids=torch.cat([whole.ids[:start], *rest]),
            positions=torch.cat(
                [whole.positions[:, :start], *(row.positions[:, start:] for row in rows)], dim=1
            ),
            labels=torch.cat([whole.labels[:start], *(row.labels[start:] for row in rows)]),
        ),
        parts=torch.arange(len(sizes)).repeat_interleave(sizes),
    )


def common_length(rows: Sequence[PromptIds]) -> int:
    """Return the length of what all rows begin with, at least one token before their labels.

    The first token of a part is thus none to be learned: the token before it in the row belongs to
    another part, and would be made to predict it.
    """
    first = rows[0]
    length = min(int((row.labels != IGNORED).nonzero()[0]) - 1 for row in rows)
    for row in rows[1:]:
        same = (row.ids[:length] == first.ids[:length]) & (
            row.positions[:, :length] == first.positions[:, :length]
        ).all(dim=0)
        length = int(same.long().cumprod(0).sum())
    return length


def joined_rows(
    rows: Sequence[PromptIds], videos: Sequence[Sequence[object]], pad: int
) -> Iterator[tuple[int, JoinedRow]]:
    """Yield rows of a batch, each with the number of the prompt whose videos it shows.

    Prompts that follow each other with the very same videos are joined where that can be done.
    """
    together = groupby(range(len(rows)), key=lambda number: tuple(map(id, videos[number])))
    for numbers in map(list, (group for _, group in together)):
        joined = join([rows[number] for number in numbers], pad)
        if joined is not None:
            yield numbers[0], joined
            continue
        for number in numbers:
            row = rows[number]
            yield number, JoinedRow(prompt=row, parts=torch.zeros_like(row.ids))


def attention_mask(rows: Sequence[JoinedRow], length: int) -> Tensor:
    """Return the mask [B, 1, S, S] of rows padded on the right to `length`: True is seen.

    Padding sees the beginning and padding, since a token that sees nothing has no finite state.
    """
    parts = torch.full((len(rows), length), -1)
    for index, row in enumerate(rows):
        parts[index, : len(row.parts)] = row.parts
    seen = (parts[:, None, :] == 0) | (parts[:, None, :] == parts[:, :, None])
    return seen.tril()[:, None]
