from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
import torch

from evscli.corpus.decoding.ahead import DecodeAhead, DecodedVideo, Lane
from evscli.corpus.decoding.process import DecoderProcess
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
    decoders = [DecoderProcess(timeout=60) for _ in range(processes)]
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
    assert all(process._child is None for process in decoded._processes)


def test_an_error_of_whoever_names_the_jobs_reaches_the_user() -> None:
    def tasks() -> Iterator[tuple[str, Request]]:
        raise OSError("the list is gone")
        yield

    def plan(request: Request, source: SourceInfo, index: VideoIndex) -> PlannedVideo:
        raise NotImplementedError

    decoded = DecodeAhead(tasks(), plan, [DecoderProcess()], buffer_bytes=1)
    with closing(decoded), pytest.raises(OSError, match="the list is gone"):
        list(decoded)


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
