from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader
from torch.utils.data import _utils as torch_workers

from evscli.datasets import VideoDataset, VideoStream, pack_videos
from tests.datasets.conftest import IDS


@pytest.fixture(scope="module")
def dataset(store: Path) -> VideoDataset:
    return VideoDataset(store)


def ids_of(stream: VideoStream) -> list[str]:
    return [video.id for video in stream]


def test_a_stream_reads_in_reading_order(dataset: VideoDataset) -> None:
    assert ids_of(VideoStream(dataset)) == [dataset.id(number) for number in range(23)]


def test_epochs_differ_and_can_be_repeated(dataset: VideoDataset) -> None:
    stream = VideoStream(dataset, shuffle=True, seed=3, buffer=5)
    first = ids_of(stream)
    assert ids_of(stream) == first
    stream.set_epoch(1)
    second = ids_of(stream)
    assert second != first
    assert sorted(first) == sorted(second) == IDS
    stream.set_epoch(0)
    assert ids_of(stream) == first


class Worker:
    """What torch says inside a process that loads data."""

    def __init__(self, number: int, processes: int) -> None:
        self.id, self.num_workers = number, processes


@settings(deadline=None, max_examples=15)
@given(
    ranks=st.integers(1, 30),
    processes=st.integers(1, 5),
    epoch=st.integers(0, 5),
    shuffle=st.booleans(),
)
def test_every_video_is_read_once_whatever_the_ranks_and_processes(
    dataset: VideoDataset, ranks: int, processes: int, epoch: int, shuffle: bool
) -> None:
    seen: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for rank in range(ranks):
            stream = VideoStream(dataset, shuffle=shuffle, buffer=6, rank=rank, world_size=ranks)
            stream.set_epoch(epoch)
            before = len(seen)
            for number in range(processes):
                worker: Any = Worker(number, processes)
                patch.setattr(torch_workers.worker, "_worker_info", worker)
                seen += ids_of(stream)
            assert len(seen) - before == len(stream)
    assert sorted(seen) == IDS
    alone = VideoStream(dataset, shuffle=shuffle, buffer=6)
    alone.set_epoch(epoch)
    assert seen == ids_of(alone)


@pytest.mark.slow
@pytest.mark.parametrize("context", ["fork", "forkserver"])  # "spawn" pickles as the latter does
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_loader_reads_every_video_once_in_processes_of_any_kind(
    dataset: VideoDataset, context: str
) -> None:
    dataset[0]  # something is open when the processes start
    stream = VideoStream(dataset, shuffle=True, buffer=4, rank=1, world_size=2)
    loader: DataLoader[Any] = DataLoader(
        stream,
        batch_size=3,
        collate_fn=pack_videos,
        num_workers=2,
        multiprocessing_context=context,
    )
    found = [info.id for batch in loader for info in batch.infos]
    assert sorted(found) == sorted(ids_of(stream))


@pytest.mark.slow
def test_processes_that_outlive_an_epoch_learn_of_the_next(dataset: VideoDataset) -> None:
    stream = VideoStream(dataset, shuffle=True, buffer=4)
    loader: DataLoader[Any] = DataLoader(
        stream,
        batch_size=None,
        num_workers=1,
        persistent_workers=True,
        multiprocessing_context="forkserver",
    )
    for epoch in range(2):
        stream.set_epoch(epoch)
        assert [video.id for video in loader] == ids_of(stream)
