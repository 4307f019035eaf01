from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from evscli.corpus.decoding.process import ChoosePlan, DecoderProcess
from evscli.corpus.decoding.wire import Clock, Request
from evscli.encoders import VideoEncoder, load_encoder
from evscli.errors import VideoError
from evscli.models.contract import Resize
from evscli.pipeline import plan_indexed, plan_video
from evscli.records import FramePlan, SourceInfo, VideoInput
from evscli.video import VideoIndex, decode_frames
from tests.corpus.decoding.faults import as_it_is, crash, halve, hang, refuse
from tests.videos import truncate, write_video


@pytest.fixture(scope="module")
def encoder() -> VideoEncoder:
    return load_encoder("mini")


@pytest.fixture
def video(tmp_path: Path) -> VideoInput:
    path = write_video(tmp_path / "clip.mp4", frames=60)
    return VideoInput(id="clip", path=path, root=tmp_path)


@pytest.fixture(scope="module")
def shared() -> Iterator[DecoderProcess]:
    process = DecoderProcess(timeout=60)
    yield process
    process.kill()


def request_of(video: VideoInput, resize: Resize | None = as_it_is) -> Request:
    return Request(video=video, chunk_frames=2, resize=resize)


def chooser(video: VideoInput, encoder: VideoEncoder) -> ChoosePlan:
    def choose(source: SourceInfo, index: VideoIndex) -> FramePlan:
        return plan_indexed(video, source, index, encoder).plan

    return choose


def test_it_sends_what_this_process_would_decode(
    shared: DecoderProcess, video: VideoInput, encoder: VideoEncoder
) -> None:
    planned = plan_video(video, encoder)
    here = [*decode_frames(planned.index, planned.plan, chunk_frames=2)]
    there = [*shared.decode(request_of(video), chooser(video, encoder))]
    assert [chunk.start for chunk in there] == [chunk.start for chunk in here]
    assert len(there) > 1
    for one, other in zip(there, here, strict=True):
        assert torch.equal(one.pixels, other.pixels)


def test_it_resizes_as_the_encoder_does(
    shared: DecoderProcess, video: VideoInput, encoder: VideoEncoder
) -> None:
    planned = plan_video(video, encoder)
    asked = request_of(video, encoder.host_resize)
    there = [*shared.decode(asked, chooser(video, encoder))]
    here = decode_frames(planned.index, planned.plan, chunk_frames=2)
    for one, other in zip(there, here, strict=True):
        assert torch.equal(one.pixels, encoder.resize(other, planned.plan).pixels)


def test_it_sends_pixels_that_are_no_whole_numbers(
    shared: DecoderProcess, video: VideoInput, encoder: VideoEncoder
) -> None:
    planned = plan_video(video, encoder)
    here = decode_frames(planned.index, planned.plan, chunk_frames=2)
    there = [*shared.decode(request_of(video, halve), chooser(video, encoder))]
    for one, other in zip(there, here, strict=True):
        assert torch.equal(one.pixels, other.pixels / 2)


@pytest.mark.parametrize("fault", ["missing", "empty", "cut", "resize"])
def test_a_bad_video_leaves_the_child_ready_for_the_next(
    shared: DecoderProcess, video: VideoInput, encoder: VideoEncoder, fault: str
) -> None:
    good = video.path.read_bytes()
    if fault == "missing":
        video.path.unlink()
    elif fault == "empty":
        video.path.write_bytes(b"")
    elif fault == "cut":
        truncate(video.path)
    asked = request_of(video, refuse if fault == "resize" else as_it_is)
    with pytest.raises(VideoError, match=r"clip\.mp4") as caught:
        list(shared.decode(asked, chooser(video, encoder)))
    assert caught.value.stage == ("decode" if fault == "resize" else "open")
    before = shared._child
    assert before is not None
    video.path.write_bytes(good)
    assert list(shared.decode(request_of(video), chooser(video, encoder)))
    assert shared._child is before


def test_a_plan_that_is_refused_leaves_the_child_ready(
    shared: DecoderProcess, video: VideoInput, encoder: VideoEncoder
) -> None:
    def refuse_all(_source: SourceInfo, _index: VideoIndex) -> FramePlan:
        raise VideoError("no frame is wanted", stage="plan")

    with pytest.raises(VideoError, match="no frame is wanted"):
        list(shared.decode(request_of(video), refuse_all))
    before = shared._child
    assert list(shared.decode(request_of(video), chooser(video, encoder)))
    assert shared._child is before


def test_a_child_that_crashes_is_told_from_its_signal_and_replaced(
    shared: DecoderProcess, video: VideoInput, encoder: VideoEncoder
) -> None:
    with pytest.raises(VideoError, match=r"clip\.mp4: its decoder crashed \(signal SIGSEGV\)") as e:
        list(shared.decode(request_of(video, crash), chooser(video, encoder)))
    assert (e.value.stage, e.value.kind) == ("decode", "Crashed")
    assert list(shared.decode(request_of(video), chooser(video, encoder)))


@pytest.mark.slow
def test_a_child_that_hangs_is_stopped_and_replaced(
    video: VideoInput, encoder: VideoEncoder
) -> None:
    process = DecoderProcess(timeout=0.5)
    with pytest.raises(VideoError, match=r"clip\.mp4: its decoder was stopped after 0\.5 s") as e:
        list(process.decode(request_of(video, hang), chooser(video, encoder)))
    assert (e.value.stage, e.value.kind) == ("decode", "Timeout")
    process.timeout = 60
    assert list(process.decode(request_of(video), chooser(video, encoder)))
    process.kill()


def test_what_the_run_does_meanwhile_is_not_the_decoders_time() -> None:
    here, there = multiprocessing.Pipe()
    clock = Clock(0.01)
    time.sleep(0.02)
    there.send("something")
    clock.wait(here)
    here.recv()
    with pytest.raises(TimeoutError):
        clock.wait(here)


def test_leaving_a_video_before_its_end_ends_the_child(
    video: VideoInput, encoder: VideoEncoder
) -> None:
    process = DecoderProcess(timeout=60)
    chunks = process.decode(request_of(video), chooser(video, encoder))
    next(chunks)
    chunks.close()
    assert process._child is None
    assert list(process.decode(request_of(video), chooser(video, encoder)))
    process.kill()
