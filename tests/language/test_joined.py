"""Prompts joined to one row: what is shared, who sees whom, and what is not joined."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from evscli.language import joined
from evscli.language.joined import JoinedRow, attention_mask, join, joined_rows
from evscli.language.prompt import IGNORED, PromptIds

PAD = 9


def prompt(ids: list[int], *, learned: int, start: int = 0) -> PromptIds:
    """A prompt at positions from `start` on, of which the last `learned` tokens are learned."""
    tokens = torch.tensor(ids)
    labels = tokens.clone()
    labels[: len(ids) - learned] = IGNORED
    return PromptIds(
        ids=tokens, positions=torch.arange(start, start + len(ids)).expand(3, -1), labels=labels
    )


def joined_row(*rows: PromptIds) -> JoinedRow:
    found = join(rows, PAD)
    assert found is not None
    return found


def test_a_row_holds_the_beginning_once() -> None:
    row = joined_row(prompt([1, 9, 9, 2, 5, 6], learned=1), prompt([1, 9, 9, 3, 7], learned=1))
    assert row.prompt.ids.tolist() == [1, 9, 9, 2, 5, 6, 3, 7]
    assert row.parts.tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    assert row.prompt.positions[0].tolist() == [0, 1, 2, 3, 4, 5, 3, 4]
    assert row.prompt.labels.tolist() == [IGNORED] * 5 + [6, IGNORED, 7]


def test_the_first_token_of_a_part_is_not_learned() -> None:
    """Else the last token of another part, which stands before it, would have to predict it."""
    row = joined_row(prompt([1, 9, 2, 4], learned=1), prompt([1, 9, 2, 5], learned=1))
    assert row.parts.tolist() == [0, 0, 1, 1, 2, 2]


def test_equal_tokens_at_other_positions_are_not_shared() -> None:
    rows = [prompt([1, 2, 3], learned=1), prompt([1, 2, 3], learned=1, start=1)]
    assert joined_row(*rows).parts.tolist() == [1, 1, 1, 2, 2, 2]


def test_a_video_behind_a_question_is_not_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    assert join([prompt([1, 2, 9, 4], learned=1), prompt([1, 3, 9, 4], learned=1)], PAD) is None
    long = [prompt([1, 9, 2, 4], learned=1), prompt([1, 9, 3, 4], learned=1)]
    assert join(long, PAD) is not None
    monkeypatch.setattr(joined, "MOST_JOINED", 5)
    assert join(long, PAD) is None


def test_only_neighbours_with_the_very_same_videos_are_joined() -> None:
    a, b = object(), object()
    rows = [prompt([1, 9, n, 4], learned=1) for n in range(2, 7)]
    found = list(joined_rows(rows, [[a], [a], [b], [a, b], [a]], PAD))
    assert [number for number, _ in found] == [0, 2, 3, 4]
    assert [int(row.parts.max()) for _, row in found] == [2, 1, 1, 1]
    apart = [prompt([1, n, 9, 4], learned=1) for n in (2, 3)]
    assert [n for n, _ in joined_rows(apart, [[a], [a]], PAD)] == [0, 1]


def seen_by_loop(row: JoinedRow, length: int) -> Tensor:
    """Who sees whom, token by token."""
    parts = row.parts.tolist() + [-1] * (length - len(row.parts))
    return torch.tensor(
        [
            [k <= q and (parts[k] == 0 or parts[k] == parts[q]) for k in range(length)]
            for q in range(length)
        ]
    )


@given(
    tails=st.lists(st.lists(st.integers(2, 8), min_size=2, max_size=5), min_size=1, max_size=4),
    head=st.integers(0, 4),
    padding=st.integers(0, 3),
)
def test_parts_see_the_beginning_and_themselves(
    tails: list[list[int]], head: int, padding: int
) -> None:
    rows = [prompt([1] * head + tail, learned=1) for tail in tails]
    row = joined_row(*rows)
    length = len(row.parts) + padding
    mask = attention_mask([row, joined_row(rows[0])], length)
    assert mask.shape == (2, 1, length, length)
    assert torch.equal(mask[0, 0], seen_by_loop(row, length))
    assert mask.any(dim=-1).all()
    for number, one in enumerate(rows, start=1):
        mine = (row.parts == 0) | (row.parts == number)
        assert torch.equal(row.prompt.ids[mine], one.ids)
        assert torch.equal(row.prompt.positions[:, mine], one.positions)
