from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers.video_utils import VideoMetadata

from evscli.encoders.files import find_model
from evscli.encoders.processor import load_video_processor
from evscli.models.parts.rules import ProcessorRules
from evscli.models.registry import family_of
from evscli.records import Sampling
from evscli.video import index_video, plan_frames
from evscli.video.timeline import average_rate
from tests.video.containers import CONTAINERS, write_clip
from tests.videos import write_video

STILL = [0, 100, *range(59_833, 60_000, 33)]
"""Milliseconds at which a recording of a still screen has frames."""
DROPPED = [number * 33 for number in range(240) if number % 3 == 0 or number % 7 == 0]
WITHOUT_TIMES = ("clip.h264", "clip.hevc")
"""Raw streams, which the video loading of transformers does not read."""
JUMP = [*range(0, 2000, 40), *range(30_000, 32_000, 40)]


@pytest.fixture(scope="module")
def rules() -> ProcessorRules:
    files = find_model("mini")
    processor = load_video_processor(files, family_of("qwen3_vl", model="mini"))
    return ProcessorRules(processor, Sampling())


def frames_over_duration(path: Path) -> tuple[int, float]:
    """(frames, frames over duration) as the video loading of transformers has them.

    From the earliest time of a packet to the latest end of one.
    """
    with av.open(str(path)) as container:
        stream = container.streams.best("video")
        assert stream is not None
        packets = [packet for packet in container.demux(stream) if packet.pts is not None]
        begin = min(packet.pts for packet in packets)
        end = max(packet.pts + packet.duration for packet in packets)
        return len(packets), len(packets) / float((end - begin) * stream.time_base)


def transformers_choice(rules: ProcessorRules, path: Path) -> list[int]:
    """The frames that the processor of transformers takes at that rate."""
    frames, fps = frames_over_duration(path)
    processor = load_video_processor(find_model("mini"), family_of("qwen3_vl", model="mini"))
    metadata = VideoMetadata(total_num_frames=frames, fps=fps)
    chosen: list[int] = processor.sample_frames(metadata, fps=rules.sampling.fps).tolist()
    return chosen


@pytest.mark.parametrize("name", [name for name in CONTAINERS if name not in WITHOUT_TIMES])
def test_frames_are_those_that_transformers_takes_in_every_container(
    tmp_path: Path, rules: ProcessorRules, name: str
) -> None:
    path = write_clip(tmp_path, name)
    index = index_video(path)
    assert index.fps == pytest.approx(25)
    assert plan_frames(index, rules).source_index.tolist() == transformers_choice(rules, path)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm"])
@pytest.mark.parametrize("pts", [DROPPED, JUMP, STILL], ids=["dropped", "jump", "still"])
def test_uneven_frames_are_sampled_by_frames_over_duration(
    tmp_path: Path, rules: ProcessorRules, suffix: str, pts: list[int]
) -> None:
    codec = "libvpx" if suffix == "webm" else "libx264"
    path = write_video(tmp_path / f"clip.{suffix}", pts=pts, codec=codec, fps=30, size=(48, 64))
    index = index_video(path)
    assert index.stated_rate != index.fps == pytest.approx(index.frames / index.duration)
    plan = plan_frames(index, rules)
    assert plan.source_index.tolist() == transformers_choice(rules, path)
    assert plan.source_fps == index.fps
    # The prompt ends where the video does, to half a temporal patch.
    step = plan.prompt_times[-1] - plan.prompt_times[-2]
    assert plan.prompt_times[-1] == pytest.approx(index.duration, abs=step)


def test_an_avi_that_says_thirty_and_has_five_has_five(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for number in range(0, 300, 6):
            picture = np.full((48, 64, 3), number % 250, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    index = index_video(path)
    assert index.stated_rate == 30
    assert index.fps == pytest.approx(50 / (295 / 30))


def remuxed(source: Path, path: Path) -> Path:
    """The same packets in another container."""
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        stream = old.streams.video[0]
        copy = new.add_stream_from_template(stream)
        for packet in old.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                new.mux(packet)
    return path


@pytest.mark.parametrize(
    ("pts", "fps"),
    [(STILL, 30), (DROPPED, 30), (None, Fraction(30000, 1001)), (None, Fraction(24000, 1001))],
    ids=["still", "dropped", "29.97", "23.976"],
)
def test_one_stream_gives_the_same_frames_in_every_container(
    tmp_path: Path, rules: ProcessorRules, pts: Sequence[int] | None, fps: int | Fraction
) -> None:
    source = write_video(tmp_path / "clip.mp4", pts=pts, fps=fps, frames=301, size=(48, 64))
    plans = [plan_frames(index_video(source), rules)]
    for suffix in ("mkv", "ts", "mov"):
        path = remuxed(source, tmp_path / f"again.{suffix}")
        plans.append(plan_frames(index_video(path), rules))
    for plan in plans[1:]:
        assert plan.source_index.tolist() == plans[0].source_index.tolist()
        assert plan.frame_times == pytest.approx(plans[0].frame_times, abs=0.0011)
        assert plan.source_fps == pytest.approx(plans[0].source_fps, rel=1e-3)
    if pts is None:
        assert {plan.source_fps for plan in plans} == {float(fps)}


@pytest.mark.slow
@given(
    frames=st.integers(1, 10_000),
    stated=st.fractions(Fraction(1), Fraction(240), max_denominator=1001),
    tick=st.sampled_from([Fraction(1, 1000), Fraction(1, 90_000), Fraction(1, 25)]),
)
def test_a_clock_that_rounds_leaves_the_stated_rate(
    frames: int, stated: Fraction, tick: Fraction
) -> None:
    exact = frames / stated
    rounded = round(exact / tick) * tick
    rate = average_rate(frames, rounded, tick=tick, stated=stated)
    if tick < 1 / (4 * stated):
        assert rate == float(stated)
    elif rounded:
        assert rate in (float(stated), float(frames / rounded))


@given(frames=st.integers(2, 10_000), missing=st.integers(1, 50))
def test_a_single_frame_missing_shows_in_the_rate(frames: int, missing: int) -> None:
    duration = Fraction(frames + missing, 30)
    rate = average_rate(frames, duration, tick=Fraction(1, 30), stated=Fraction(30))
    assert rate == float(frames / duration) < 30


def test_an_avi_without_times_has_the_rate_of_its_packets(tmp_path: Path) -> None:
    """It may count fields, and then state twice as many frames as it has."""
    path, field = tmp_path / "clip.avi", Fraction(1001, 60000)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1 / field)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.max_b_frames = 2
        for number in range(60):
            picture = np.full((48, 64, 3), 4 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = 2 * number, field
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    index = index_video(path)
    assert index.frames == 60
    assert index.stated_rate == 1 / field
    assert index.fps == pytest.approx(30000 / 1001, rel=0.02)
