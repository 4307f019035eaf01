from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from functools import partial
from typing import Any, cast

import pytest
import torch

from evscli.corpus.decoding.ahead import LANE_BYTES, DecodeAhead, DecodedVideo, Lane
from evscli.corpus.decoding.process import DecoderProcess
from evscli.corpus.decoding.sizing import Decoders
from evscli.corpus.decoding.wire import Request
from evscli.encoders import VideoEncoder, load_encoder
from evscli.errors import VideoError
from evscli.models.contract import Resize
from evscli.pipeline import PlannedVideo, plan_indexed
from evscli.records import FrameChunk, SourceInfo, VideoInput
from evscli.video import VideoIndex
from tests.corpus.decoding.faults import as_it_is, crash
from tests.videos import write_video


@pytest.fixture(scope="module")
def encoder() -> VideoEncoder:
    return load_encoder("mini")


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[VideoInput]:
    """A long one first, which takes its decoder longer than the others take theirs."""
    folder, lengths = tmp_path_factory.mktemp("videos"), [240, *[24] * 7]
    return [
        VideoInput(
            id=str(number),
            path=write_video(folder / f"{number}.mp4", frames=frames, seed=number),
            root=folder,
        )
        for number, frames in enumerate(lengths)
    ]


def exactly(count: int, **options: Any) -> Decoders:
    return Decoders(make=partial(DecoderProcess, **options), first=count, most=count)


def ahead(
    videos: list[VideoInput],
    encoder: VideoEncoder,
    *,
    processes: int = 3,
    buffer_bytes: int = 1 << 20,
    resize: dict[str, Resize] | None = None,
) -> DecodeAhead[str]:
    def plan(request: Request, source: SourceInfo, index: VideoIndex) -> PlannedVideo:
        return plan_indexed(request.video, source, index, encoder)

    tasks = (
        (v.id, Request(video=v, chunk_frames=4, resize=(resize or {}).get(v.id, as_it_is)))
        for v in videos
    )
    decoders = exactly(processes, timeout=60)
    return DecodeAhead(tasks, plan, decoders, buffer_bytes=buffer_bytes)


@pytest.mark.parametrize(
    "buffer_bytes",
    [1 << 16, *(pytest.param(size, marks=pytest.mark.slow) for size in (1, 1 << 30))],
)
def test_videos_come_in_order_whole_and_within_any_buffer(
    videos: list[VideoInput], encoder: VideoEncoder, buffer_bytes: int
) -> None:
    seen = []
    with closing(ahead(videos, encoder, buffer_bytes=buffer_bytes)) as decoded:
        for video in decoded:
            planned = video.planned()
            frames = sum(len(chunk.pixels) for chunk in video.frames())
            assert frames == len(planned.plan.source_index)
            seen.append(video.task)
    assert seen == [video.id for video in videos]


@pytest.mark.slow
def test_a_video_that_crashes_fails_in_its_place(
    videos: list[VideoInput], encoder: VideoEncoder
) -> None:
    failed = []
    with closing(ahead(videos, encoder, resize={"0": crash, "4": crash})) as decoded:
        for video in decoded:
            try:
                video.planned()
                list(video.frames())
            except VideoError as error:
                failed.append((video.task, error.kind))
    assert failed == [("0", "Crashed"), ("4", "Crashed")]


@pytest.mark.slow
def test_a_video_dropped_half_way_holds_nobody_up(
    videos: list[VideoInput], encoder: VideoEncoder
) -> None:
    whole = []
    with closing(ahead(videos, encoder, processes=1, buffer_bytes=1)) as decoded:
        for video in decoded:
            video.planned()
            if video.task == "0":
                next(video.frames())
                video.drop()
            else:
                whole.append(sum(len(chunk.pixels) for chunk in video.frames()))
    assert len(whole) == 7
    assert all(whole)


@pytest.mark.slow
def test_closing_while_decoders_are_at_work_leaves_no_thread_and_no_process(
    videos: list[VideoInput], encoder: VideoEncoder
) -> None:
    before = set(threading.enumerate())
    decoded = ahead(videos, encoder, buffer_bytes=1)
    next(iter(decoded)).planned()
    decoded.close()
    assert set(threading.enumerate()) <= before
    assert all(process._child is None for _, process, _ in decoded._running)


def test_an_error_of_whoever_names_the_jobs_reaches_the_user() -> None:
    def tasks() -> Iterator[tuple[str, Request]]:
        raise OSError("the list is gone")
        yield

    def plan(request: Request, source: SourceInfo, index: VideoIndex) -> PlannedVideo:
        raise NotImplementedError

    decoded = DecodeAhead(tasks(), plan, exactly(1), buffer_bytes=1)
    with closing(decoded), pytest.raises(OSError, match="the list is gone"):
        list(decoded)


class Ticks:
    """A clock that goes on by a second whenever it is read, which only the consumer does."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> float:
        self.count += 1
        return self.count


class Turn:
    """The number of the video that the consumer is at, and of those that lanes have begun."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.at = -1.0
        self.begun = 0

    def wait_for(self, number: int) -> None:
        with self.changed:
            self.begun += 1
            self.changed.notify_all()
            assert self.changed.wait_for(lambda: self.at >= number, timeout=60)

    def come_to(self, number: float) -> None:
        with self.changed:
            self.at = number
            self.changed.notify_all()

    def wait_for_begun(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.begun >= count, timeout=60)


class ThreeChunks:
    """A decoder in this process, with chunks of 60 bytes that come when their turn has."""

    def __init__(self, turn: Turn) -> None:
        self.turn = turn

    def decode(self, request: Any, _choose: object) -> Generator[FrameChunk]:
        self.turn.wait_for(request)
        for start in range(3):
            yield FrameChunk(start=start, pixels=torch.zeros(60, dtype=torch.uint8))

    def kill(self) -> None: ...

    def interrupt(self) -> None:
        self.turn.come_to(float("inf"))


def lanes_at_each(videos: int, *, work: int, most: int, first: int = 1) -> list[int]:
    """The number of lanes at the beginning of each video, whose use takes `work` seconds."""
    ticks, turn, counts = Ticks(), Turn(), []
    decoders = Decoders(make=cast(Any, lambda: ThreeChunks(turn)), first=first, most=most)
    tasks = ((number, cast(Request, number)) for number in range(videos))
    plan: Any = None
    with closing(DecodeAhead(tasks, plan, decoders, buffer_bytes=1000, clock=ticks)) as decoded:
        for video in decoded:
            counts.append(len(decoded._lanes))
            turn.wait_for_begun(min(videos, video.task + counts[-1]))
            turn.come_to(video.task)
            assert len(list(video.frames())) == 3
            ticks.count += work
        assert sum(lane.limit for lane in decoded._lanes) <= 1000
    return counts


def test_an_encoder_that_waits_gets_more_lanes_up_to_the_limit() -> None:
    counts = lanes_at_each(40, work=0, most=5)
    assert counts[:3] == [1, 1, 2], "the second video is the first that could wait less"
    assert counts == sorted(counts)
    assert {*counts} == {1, 2, 4, 5}


def test_an_encoder_that_is_busy_gets_no_more_lanes() -> None:
    assert {*lanes_at_each(20, work=100, most=5)} == {1}


@pytest.mark.parametrize("work", [0, 100])
def test_a_given_number_of_lanes_is_exact(work: int) -> None:
    assert {*lanes_at_each(20, work=work, most=3, first=3)} == {3}


def test_no_lane_is_added_where_one_has_decoded_all_that_it_may() -> None:
    turn = Turn()
    turn.come_to(8)
    decoders = Decoders(make=cast(Any, lambda: ThreeChunks(turn)), first=1, most=5)
    tasks = ((number, cast(Request, number)) for number in range(8))
    plan: Any = None
    with closing(DecodeAhead(tasks, plan, decoders, buffer_bytes=150, clock=Ticks())) as decoded:
        for video in decoded:
            assert len(list(video.frames())) == 3
            (lane,) = decoded._lanes
            if video.task < 7:
                with lane.changed:
                    assert lane.changed.wait_for(lambda: lane.held == 120, timeout=60)  # noqa: B023


def test_a_lane_has_its_own_limit_however_few_there_are() -> None:
    turn = Turn()
    decoders = Decoders(make=cast(Any, lambda: ThreeChunks(turn)), first=2, most=2)
    none: Iterator[tuple[int, Request]] = iter(())
    plan: Any = None
    with closing(DecodeAhead(none, plan, decoders, buffer_bytes=1 << 40)) as decoded:
        assert {lane.limit for lane in decoded._lanes} == {LANE_BYTES}


def test_no_more_bytes_wait_than_the_limit_but_for_a_single_chunk() -> None:
    lane = Lane(limit=100)
    video = DecodedVideo("a", lane)
    chunk = FrameChunk(start=0, pixels=torch.zeros(60, dtype=torch.uint8))
    video.put(chunk)
    assert lane.held == 60
    waits = threading.Thread(target=video.put, args=(chunk,))
    waits.start()
    waits.join(0.05)
    assert waits.is_alive()
    assert lane.held == 60
    assert next(video.frames()) is chunk
    waits.join()
    assert lane.held == 60
    video.drop()
    assert lane.held == 0
    video.put(FrameChunk(start=0, pixels=torch.zeros(1000, dtype=torch.uint8)))
    assert lane.held == 0
