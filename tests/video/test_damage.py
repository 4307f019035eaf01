from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest

from evscli.errors import UsageError, VideoError
from evscli.video import Damaged, decode_frames, index_video
from evscli.video.cursor import Cursor
from evscli.video.events import demuxed
from evscli.video.scan import Scan, _packets
from tests.video.containers import decode
from tests.video.test_decode import plan_of
from tests.videos import Picture, rgb, truncate, write_video


@pytest.fixture(scope="module")
def damaged_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames 0 to 59, key frames at 0, 20 and 40; that at 20 has lost a third of its data."""
    path = write_video(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=60, gop=20)
    return overwrite(path, key=1)


def overwrite(path: Path, *, key: int) -> Path:
    """Noise over a part of a key frame's packet, in place."""
    with av.open(str(path)) as container:
        packets = container.demux(container.streams.video[0])
        keys = [packet for packet in packets if packet.is_keyframe]
        start, size = keys[key].pos, keys[key].size
    assert start is not None
    data = bytearray(path.read_bytes())
    noise = np.random.default_rng(1).bytes(size // 4)
    data[start + size // 3 : start + size // 3 + len(noise)] = noise
    path.write_bytes(data)
    return path


def test_the_decoder_flags_the_key_frame_only(damaged_key: Path) -> None:
    assert decode(damaged_key).flagged == [20]


def test_frames_predicted_from_a_damaged_one_are_damaged(damaged_key: Path) -> None:
    index = index_video(damaged_key)
    numbers = np.arange(60)
    with Cursor(index, wanted=numbers) as cursor:
        given = [number for number in numbers if cursor.frame(number) is not None]
    assert given == [*range(20), *range(40, 60)]


@pytest.mark.parametrize("number", [20, 21, 30, 39])
def test_damage_in_the_middle_fails_the_video_by_default(damaged_key: Path, number: int) -> None:
    index = index_video(damaged_key)
    assert index.frames == 60
    with pytest.raises(VideoError, match=rf"frame {number} at .* is damaged.*--damaged skip"):
        list(decode_frames(index, plan_of(index, [0, number, 45]), chunk_frames=1))
    whole = list(decode_frames(index, plan_of(index, [0, 19, 40, 59]), chunk_frames=4))
    assert len(whole[0].pixels) == 4


def test_skip_leaves_damaged_frames_out(damaged_key: Path) -> None:
    index = index_video(damaged_key, damaged=Damaged.skip)
    assert index.frames == 60
    assert index.damaged.tolist() == list(range(20, 40))
    assert index.notes == ("The video is damaged: 20 frames are damaged; they are left out.",)
    truth = decode(damaged_key).pictures
    numbers = index.usable(range(60))
    with Cursor(index, wanted=numbers) as cursor:
        for number in numbers:
            frame = cursor.frame(int(number))
            assert frame is not None
            assert np.array_equal(rgb(frame), truth[number])


def test_fail_refuses_damage_that_no_frame_taken_shows(damaged_key: Path) -> None:
    with pytest.raises(VideoError, match=r"20 frames are damaged; copy .* --damaged skip") as info:
        index_video(damaged_key, damaged=Damaged.fail)
    assert info.value.stage == "index"


def test_what_is_shown_before_a_damaged_frame_and_rests_on_it_is_damaged(tmp_path: Path) -> None:
    """Leading pictures of an open group are stored behind its key frame and shown before it."""
    path = write_video(tmp_path / "clip.mp4", frames=60, gop=20, open_gop=True, bframes=2)
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(container.streams.video[0]) if p.pts is not None]
    keys = [place for place, packet in enumerate(packets) if packet.is_keyframe]
    order = sorted(packet.pts for packet in packets)
    key = order.index(packets[keys[1]].pts)
    leading = [order.index(p.pts) for p in packets[keys[1] : keys[1] + 4]]
    assert min(leading) < key, "the clip must have leading pictures"
    index = index_video(overwrite(path, key=1), damaged=Damaged.skip)
    assert index.damaged[0] == min(leading)
    assert index.damaged[-1] < order.index(packets[keys[2]].pts)


def test_an_undamaged_video_has_no_notes_under_any_policy(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mkv")
    for policy in Damaged:
        index = index_video(path, damaged=policy)
        assert (index.frames, len(index.damaged), index.notes) == (48, 0, ())


def test_a_damaged_first_key_frame_is_left_out_by_skip_only(tmp_path: Path) -> None:
    path = overwrite(write_video(tmp_path / "clip.mp4", gop=12), key=0)
    flagged = decode(path).flagged
    assert flagged == [0]
    index = index_video(path, damaged=Damaged.skip)
    assert index.damaged.tolist() == list(range(12))


@pytest.fixture(scope="module")
def repaired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording that was cut off and copied into a file with an index of its own."""
    folder = tmp_path_factory.mktemp("clip")
    options = {"movflags": "+faststart"}
    path = write_video(folder / "cut.mp4", frames=60, gop=20, container_options=options)
    truncate(path, keep=0.66)
    with av.open(str(path)) as old, av.open(str(folder / "clip.mp4"), "w") as new:
        stream = old.streams.video[0]
        copy = new.add_stream_from_template(stream)
        for packet in kept(old.demux(stream)):
            packet.stream = copy
            new.mux(packet)
    return folder / "clip.mp4"


def kept(packets: Iterator[av.Packet]) -> Iterator[av.Packet]:
    """Packets up to where they cannot be read."""
    try:
        yield from (packet for packet in packets if packet.dts is not None)
    except av.FFmpegError:
        return


def test_a_repaired_recording_ends_where_its_frames_do(repaired: Path) -> None:
    truth = decode(repaired)
    end = min(truth.flagged, default=len(truth.pictures))
    with av.open(str(repaired)) as container:
        assert container.streams.video[0].frames > end, "the file must state more than it holds"
    index = index_video(repaired)
    assert index.frames == end
    assert "at the end do" in index.notes[0]
    with pytest.raises(VideoError, match=r"at the end do.* not decode; .* --damaged trim"):
        index_video(repaired, damaged=Damaged.fail)


def test_an_unknown_policy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="damaged 'ignore' is unknown; use trim, skip, fail"):
        index_video(tmp_path / "clip.mp4", damaged="ignore")


def without(path: Path, number: int) -> Path:
    """The file at `path` without the bytes of one packet, in place."""
    with av.open(str(path)) as container:
        places = [p.pos for p in container.demux(container.streams.video[0]) if p.size]
    data = path.read_bytes()
    path.write_bytes(data[: places[number]] + data[places[number + 1] :])
    return path


@pytest.mark.parametrize("number", [22, 25, 31])
def test_frames_behind_a_loss_are_those_of_a_sequential_decode_or_none(
    tmp_path: Path, number: int
) -> None:
    """A decoder makes up what is missing from what it has: so nothing may be left undecoded."""
    path = without(write_video(tmp_path / "clip.ts", frames=72, gop=36, bframes=2), number)
    truth = dict(zip(*pictures_by_time(path), strict=True))
    index = index_video(path, damaged=Damaged.skip)
    assert index.frames == 71
    for numbers in (index.usable(range(71))[::7], index.usable(range(20, 60))[::3]):
        with Cursor(index, wanted=numbers) as cursor:
            for asked in numbers:
                frame = cursor.frame(int(asked))
                assert frame is not None
                assert np.array_equal(rgb(frame), truth[frame.pts])


def pictures_by_time(path: Path) -> tuple[list[int | None], list[Picture]]:
    truth = decode(path)
    return truth.times, truth.pictures


def test_a_fragmented_file_that_breaks_in_the_middle_says_how_much_is_unread(
    tmp_path: Path,
) -> None:
    options = {"movflags": "+frag_keyframe+empty_moov"}
    path = write_video(tmp_path / "clip.mp4", frames=96, gop=12, container_options=options)
    assert index_video(path).notes == ()
    data = bytearray(path.read_bytes())
    box = data.index(b"moof", len(data) // 2) - 4
    data[box : box + 200] = bytes(200)
    path.write_bytes(data)
    index = index_video(path)
    assert 30 < index.frames < 60
    assert "of the file is left" in index.notes[0]
    with pytest.raises(VideoError, match="of the file is left"):
        index_video(path, damaged=Damaged.fail)


def test_a_clock_that_jumps_is_noted(tmp_path: Path) -> None:
    jump = [*range(0, 1000, 40), *range(3_000_000, 3_001_000, 40)]
    (note,) = index_video(write_video(tmp_path / "clip.mkv", pts=jump)).notes
    assert note.startswith("The frame at 1.0 s stands for 2,999 of 3,001 s; if the clock")
    still = [0, 40, 59_000, 59_040]
    assert index_video(write_video(tmp_path / "still.mkv", pts=still)).notes == ()


class Demuxed:
    """A container whose packets end in a stream that PyAV did not know when it opened it."""

    def demux(self) -> Iterator[None]:
        yield from [None] * 3
        raise IndexError("list index out of range")


def test_a_stream_that_begins_later_ends_what_can_be_read() -> None:
    scan = Scan(time_base=Fraction(1, 90_000))
    assert len([*_packets(cast(Any, Demuxed()), scan)]) == 3
    assert scan.broken == "a stream that was not there before begins"
    *given, last = demuxed(cast(Any, Demuxed().demux()))
    assert len(given) == 3
    assert last.size == 0
