from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from evscli.datasets import TokenBatches, VideoDataset, pack_videos
from evscli.datasets.batches import WINDOW, first_fit
from evscli.errors import UsageError
from tests.datasets.conftest import IDS
from tests.store.test_writer import same

sizes = st.lists(st.integers(0, 50), max_size=300)


@settings(deadline=None)
@given(sizes=sizes, spare=st.integers(0, 60), most=st.integers(1, 8) | st.just(1000))
def test_every_item_is_in_one_batch_within_the_limits(
    sizes: list[int], spare: int, most: int
) -> None:
    budget = max([1, *sizes]) + spare
    batches = list(first_fit(range(len(sizes)), sizes, budget, most))
    assert sorted(item for batch in batches for item in batch) == list(range(len(sizes)))
    assert all(batches)
    assert all(sum(sizes[item] for item in batch) <= budget for batch in batches)
    assert all(len(batch) <= most for batch in batches)
    assert list(first_fit(range(len(sizes)), sizes, budget, most)) == batches


@settings(deadline=None)
@given(sizes=st.lists(st.integers(1, 50), max_size=WINDOW))
def test_no_two_batches_of_a_window_would_fit_into_one(sizes: list[int]) -> None:
    batches = list(first_fit(range(len(sizes)), sizes, 100, 1000))
    sums = [sum(sizes[item] for item in batch) for batch in batches]
    assert all(a + b > 100 for n, a in enumerate(sums) for b in sums[:n])


def test_a_batch_that_is_old_is_done() -> None:
    items = [51] * (WINDOW + 1) + [49]
    batches = list(first_fit(range(len(items)), items, 100, 1000))
    assert batches[0] == [0]  # the small one came too late for it


@pytest.fixture(scope="module")
def dataset(store: Path) -> VideoDataset:
    return VideoDataset(store)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("world_size", [1, 2, 3, 7])
def test_all_ranks_together_have_every_video_once(
    dataset: VideoDataset, world_size: int, shuffle: bool
) -> None:
    ranks = [
        TokenBatches(
            dataset, max_tokens=32, shuffle=shuffle, seed=5, rank=rank, world_size=world_size
        )
        for rank in range(world_size)
    ]
    for epoch in range(2):
        for batches in ranks:
            batches.set_epoch(epoch)
        lists = [list(batches) for batches in ranks]
        assert [len(batches) for batches in ranks] == [len(found) for found in lists]
        assert sorted(row for found in lists for batch in found for row in batch) == list(range(23))
        assert max(map(len, lists)) - min(map(len, lists)) <= 1
        assert all(dataset.kept[batch].sum() <= 32 for found in lists for batch in found)


def test_epochs_differ_and_can_be_repeated(dataset: VideoDataset) -> None:
    batches = TokenBatches(dataset, max_tokens=32, shuffle=True)
    first = list(batches)
    assert list(batches) == first
    batches.set_epoch(1)
    assert list(batches) != first
    batches.set_epoch(0)
    assert list(batches) == first
    assert list(TokenBatches(dataset, max_tokens=32, shuffle=True, seed=1)) != first


def test_an_epoch_goes_on_where_it_stopped(dataset: VideoDataset) -> None:
    batches = TokenBatches(dataset, max_tokens=32, shuffle=True, rank=1, world_size=2)
    batches.set_epoch(4)
    whole = list(batches)
    batches.set_epoch(4, start=2)
    assert list(batches) == whole[2:]
    assert len(batches) == len(whole) - 2


@pytest.mark.parametrize("world_size", [2, 3, 4, 100])
def test_without_the_last_all_ranks_have_equally_many(
    dataset: VideoDataset, world_size: int
) -> None:
    ranks = [
        TokenBatches(dataset, max_tokens=32, drop_last=True, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    whole = len(TokenBatches(dataset, max_tokens=32))
    assert {len(batches) for batches in ranks} == {whole // world_size}


def test_videos_of_a_batch_can_be_limited(dataset: VideoDataset) -> None:
    batches = TokenBatches(dataset, max_tokens=10_000, max_videos=4)
    assert [len(batch) for batch in batches] == [4, 4, 4, 4, 4, 3]


def test_a_video_larger_than_a_batch_is_refused_with_the_way_out(dataset: VideoDataset) -> None:
    largest = int(dataset.kept.argmax())
    most = int(dataset.kept.max())
    with pytest.raises(UsageError) as caught:
        TokenBatches(dataset, max_tokens=most - 1)
    count = (dataset.kept == most).sum()
    assert str(caught.value) == (
        f"{count} of 23 videos keep more than max_tokens={most - 1}, {dataset.id(largest)!r} "
        f"{most}: raise it, or leave them out by "
        f"dataset.select(np.flatnonzero(dataset.kept <= {most - 1}))"
    )
    assert len(TokenBatches(dataset, max_tokens=most)) > 1


@pytest.mark.parametrize("limits", [{"max_tokens": 0}, {"max_tokens": 99, "max_videos": 0}])
def test_impossible_limits_are_refused(dataset: VideoDataset, limits: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="give numbers of 1 or more"):
        TokenBatches(dataset, **limits)


@pytest.mark.parametrize("context", [None, "forkserver"])
def test_a_loader_reads_packed_batches(dataset: VideoDataset, context: str | None) -> None:
    batches = TokenBatches(dataset, max_tokens=40, shuffle=True)
    loader = DataLoader(
        dataset,
        batch_sampler=batches,
        collate_fn=pack_videos,
        num_workers=2 if context else 0,
        multiprocessing_context=context,
    )
    found = [list(packed) for packed in loader]
    assert [[video.id for video in videos] for videos in found] == [
        [dataset.id(row) for row in batch] for batch in batches
    ]
    assert sorted(video.id for videos in found for video in videos) == IDS
    assert all(same(video, dataset[video.id]) for videos in found for video in videos)
