from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch.distributed
from hypothesis import given, settings
from hypothesis import strategies as st

from evscli.datasets.order import Rank, Shuffle, part
from evscli.errors import UsageError

shards = st.lists(st.integers(1, 9), max_size=12).map(
    lambda sizes: np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
)


@settings(deadline=None)
@given(
    shard=shards,
    seed=st.integers(0, 2**63 - 1),
    epoch=st.integers(0, 2**32 - 1),
    buffer=st.integers(1, 40),
)
def test_an_epoch_has_every_row_once_and_can_be_repeated(
    shard: np.ndarray, seed: int, epoch: int, buffer: int
) -> None:
    shuffle = Shuffle(seed=seed, buffer=buffer)
    order = shuffle.order(shard, epoch)
    assert sorted(order.tolist()) == list(range(len(shard)))
    assert Shuffle(seed=seed, buffer=buffer).order(shard, epoch).tolist() == order.tolist()


def test_seeds_and_epochs_give_orders_of_their_own() -> None:
    shard = np.repeat(np.arange(10, dtype=np.int32), 10)
    orders = {
        tuple(Shuffle(seed=seed, buffer=16).order(shard, epoch).tolist())
        for seed in (0, 1, 2**40)
        for epoch in range(3)
    }
    assert len(orders) == 9


def test_the_order_is_the_same_with_every_release() -> None:
    shard = np.repeat(np.arange(3, dtype=np.int32), 4)
    order = Shuffle(seed=7, buffer=4).order(shard, 1)
    assert order.tolist() == [8, 10, 11, 0, 9, 3, 4, 1, 2, 5, 6, 7]


def test_videos_move_within_a_block_and_shards_anywhere() -> None:
    shard = np.repeat(np.arange(50, dtype=np.int32), 20)
    order = Shuffle(seed=0, buffer=60).order(shard, 0)
    for number in range(50):
        (places,) = np.nonzero(shard[order] == number)
        assert places.max() - places.min() < 20 + 2 * 60
    assert np.flatnonzero(shard[order] == 0).mean() != np.flatnonzero(shard == 0).mean()
    assert (np.diff(order) != 1).mean() > 0.8


@settings(deadline=None)
@given(count=st.integers(0, 200), ranks=st.integers(1, 9), processes=st.integers(1, 9))
def test_ranks_and_processes_share_all_rows(count: int, ranks: int, processes: int) -> None:
    rows = range(count)
    seen, sizes = [], []
    for rank in range(ranks):
        own = rows[part(count, rank, ranks)]
        sizes.append(len(own))
        for process in range(processes):
            seen += own[part(len(own), process, processes)]
    assert seen == list(rows)
    assert max(sizes) - min(sizes) <= 1


def test_the_rank_is_the_one_given_or_that_of_the_process_group(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Rank(None, None)() == (0, 1)
    late = Rank(None, None)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 3)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 8)
    assert late() == (3, 8)
    assert Rank(1, 2)() == (1, 2)
    travelled = pickle.dumps(late)
    monkeypatch.undo()
    assert pickle.loads(travelled)() == (3, 8)


@pytest.mark.parametrize("given_", [(1, None), (None, 2), (2, 2), (-1, 2), (0, 0)])
def test_an_impossible_rank_is_refused(given_: tuple[int | None, int | None]) -> None:
    with pytest.raises(UsageError, match="rank"):
        Rank(*given_)


@pytest.mark.parametrize(("seed", "buffer"), [(-1, 4), (0, 0)])
def test_an_impossible_shuffle_is_refused(seed: int, buffer: int) -> None:
    with pytest.raises(UsageError, match=f"seed is {seed} and buffer {buffer}"):
        Shuffle(seed=seed, buffer=buffer)
