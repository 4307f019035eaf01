"""The timeline of one video, read from its packets; as a rule only the last group is decoded.

Times come from demuxing: the entries of a container's own index are not presentation times where
there are B-frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from math import atan2, pi
from pathlib import Path

import av
import numpy as np
from av.packet import Packet
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from evscli.errors import VideoError
from evscli.records import IntArray
from evscli.video.container import open_video
from evscli.video.damage import (
    Damage,
    Damaged,
    clock_notes,
    damage_error,
    damaged_start,
    parse_damaged,
)
from evscli.video.events import decode_timed
from evscli.video.scan import KeyPacket, Scan, ShownPacket, scan_packets
from evscli.video.survey import Survey, survey_counted, survey_timed
from evscli.video.timeline import DEFAULT_RATE, VideoIndex, last_duration, no_frames

LAST_PACKETS = 17
"""The number of packets at the end whose frames must come: more than a decoder holds back."""


def index_video(path: Path, *, damaged: str = Damaged.trim) -> VideoIndex:
    """Read the timeline of the video at `path`.

    `damaged` is the policy about damage. Frames at the end that never decode are not part of the
    timeline: the last group is decoded to see whether there are some. With `skip` and `fail`
    everything is decoded; frames damaged in the middle are then left out, or the reason to refuse
    the video.

    Raises VideoError: stage "open" where there is no video stream that can be read, stage "index"
    where it is damaged beyond what the policy allows, or without frames; UsageError for a policy
    that does not exist.
    """
    policy = parse_damaged(damaged)
    try:
        container, stream = open_video(path, deblocked=False)
        with container:
            scan = scan_packets(container, stream, path)
            if scan.first_error and scan.first_frame and policy is not Damaged.skip:
                raise damaged_start(path, scan.first_error)
            if not scan.tells_frames_apart:
                survey: Survey | None = survey_counted(path)
            else:
                survey = _survey_timed(path, stream, scan, policy)
            index = _index(path, stream, scan, survey)
    except av.FFmpegError as error:
        message = f"{path} is damaged ({error.strerror}); copy or download it again"
        raise VideoError(message, stage="index") from error
    return _under(policy, index, scan, survey)


def _survey_timed(path: Path, stream: VideoStream, scan: Scan, policy: Damaged) -> Survey | None:
    """Return the survey by a sequential decode where the packets do not suffice, else None."""
    if scan.first_frame is None or not scan.shown:
        raise _no_frame(path)
    if policy is Damaged.trim and tail_is_whole(stream, scan):
        return None
    times = _times(scan)
    return survey_timed(path, np.array(times.pts, dtype=np.int64), np.array(times.places))


@dataclass(frozen=True, kw_only=True)
class Times:
    """The times at which frames are shown, and the packets from which they can be decoded."""

    time_base: Fraction
    pts: Sequence[int]
    durations: Sequence[int] = ()
    places: Sequence[int] = ()
    keys: Sequence[KeyPacket] = ()


def _times(scan: Scan) -> Times:
    """Return the times that the packets state."""
    return Times(
        time_base=scan.time_base,
        pts=scan.pts,
        durations=[entry.duration for entry in scan.shown],
        places=[entry.place for entry in scan.shown],
        keys=scan.keys,
    )


def _counted(survey: Survey, scan: Scan, stated: Fraction | None) -> Times:
    """Return the frames' own times where they ascend, else n / rate for frame n.

    The rate is that of the decoding times, if any: an AVI may state the rate of its fields.
    """
    times = [time for time in survey.times if time is not None]
    if len(times) < len(survey.times) or any(late < early for early, late in pairwise(times)):
        step = _decoding_step(scan) or 1 / (stated or DEFAULT_RATE)
        frames = len(survey.times)
        return Times(time_base=step, pts=range(frames), durations=[1] * frames)
    return Times(time_base=scan.time_base, pts=times)


def _decoding_step(scan: Scan) -> Fraction | None:
    """Return the seconds between decoding times; None where unknown or a clock is set back."""
    if len(scan.dts) < 2 or any(late <= early for early, late in pairwise(scan.dts)):
        return None
    return (scan.dts[-1] - scan.dts[0]) * scan.time_base / (len(scan.dts) - 1)


def _index(path: Path, stream: VideoStream, scan: Scan, survey: Survey | None) -> VideoIndex:
    """Return the timeline up to the frames that never decode, damaged ones included."""
    stated = stream.average_rate or stream.guessed_rate
    is_counted = survey is not None and not scan.tells_frames_apart
    times = _counted(survey, scan, stated) if survey and is_counted else _times(scan)
    end = len(times.pts) if survey is None else survey.end
    first_frame = scan.first_frame
    if first_frame is None and survey is not None:
        first_frame = survey.first_frame
    if first_frame is None or not end:
        raise _no_frame(path)
    pts, base = np.array(times.pts[:end], dtype=np.int64), times.time_base
    last = last_duration(pts, times.durations[:end])
    step = _step(pts, base, stated)
    rotation, mirrored = _orientation(first_frame)
    return VideoIndex(
        path=path,
        pts=pts,
        places=np.array(times.places[:end], dtype=np.int64),
        keyframe_pts=np.array([key.pts for key in times.keys], dtype=np.int64),
        keyframe_pos=np.array([key.pos for key in times.keys], dtype=np.int64),
        time_base=base,
        last_seconds=last * base or step,
        stated_rate=stated,
        duration=float((pts[-1] - pts[0]) * base) + (last * float(base) or 1 / float(1 / step)),
        coded_size=(first_frame.height, first_frame.width),
        rotation=rotation,
        mirrored=mirrored,
        codec=stream.codec_context.codec.canonical_name,
    )


def _step(pts: IntArray, time_base: Fraction, stated: Fraction | None) -> Fraction:
    """Return the seconds between frames by the container's rate, its times, or the default rate."""
    span = int(pts[-1] - pts[0]) * time_base
    if stated or not span:
        return 1 / (stated or DEFAULT_RATE)
    return span / (len(pts) - 1)


def _under(policy: Damaged, index: VideoIndex, scan: Scan, survey: Survey | None) -> VideoIndex:
    """Return the timeline under a policy, with notes of the damage. Raises VideoError."""
    within = no_frames()
    if survey is not None and policy is not Damaged.trim:
        within = np.flatnonzero(~survey.whole[: survey.end])
    damage = Damage(
        at_end=0 if survey is None else len(survey.whole) - survey.end,
        within=len(within),
        stated_seconds=scan.stated_seconds if scan.is_cut_short else None,
        end_seconds=scan.end_seconds,
        broken=scan.broken,
    )
    if damage and policy is Damaged.fail:
        raise damage_error(damage, index.path)
    if len(within) == index.frames:
        raise _no_frame(index.path)
    notes = damage.notes() + clock_notes(index.pts, index.time_base)
    return replace(index, damaged=within, notes=notes)


def _no_frame(path: Path) -> VideoError:
    message = f"{path} holds no frame that can be decoded; check that it plays"
    return VideoError(message, stage="index")


def _orientation(frame: VideoFrame) -> tuple[int, bool]:
    """Return (degrees counter-clockwise, mirrored afterwards) by the frame's display matrix.

    The matrix maps a coded point (x, y), y pointing down, to (a x + c y, b x + d y) (ISO/IEC
    14496-12, 6.2.2). `frame.rotation` leaves mirroring out, and then the angle is wrong as well.
    An angle that is not a quarter turn is rounded to the nearest one.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if not isinstance(matrix, SideData):
        return 0, False
    (a, b), (c, d) = np.frombuffer(bytes(matrix), dtype=np.int32).reshape(3, 3)[:2, :2] / 65536
    mirrored = bool(a * d - b * c < 0)
    angle = atan2(-b, -a if mirrored else a)
    return round(angle / (pi / 2)) % 4 * 90, mirrored


def tail_is_whole(stream: VideoStream, scan: Scan) -> bool:
    """Return whether the last frames come without a fault, decoded from the last key packet on.

    A recording that was cut off ends in packets that never become frames. No header states that.
    Decoding starts one key packet earlier where frames shown before the last key frame are stored
    behind it: they rest on both. False is returned also where a group is too long to find out.
    """
    tail = scan.tail
    if tail.is_lost or not tail.packets or not scan.keys:
        return False
    last = sorted(scan.shown, key=lambda entry: entry.place)[-LAST_PACKETS:]
    key = scan.keys[-1].pts
    places = [entry.place for entry in scan.shown if entry.pts == key]
    leading = any(entry.pts < key and entry.place > min(places, default=0) for entry in last)
    if not leading or len(scan.keys) == 1:
        return _is_whole(stream, scan, tail.packets[tail.last_key :], key, last)
    return bool(tail.last_key) and _is_whole(stream, scan, tail.packets, scan.keys[-2].pts, last)


def _is_whole(
    stream: VideoStream,
    scan: Scan,
    packets: Sequence[Packet[VideoStream]],
    start: int,
    last: Sequence[ShownPacket],
) -> bool:
    """Return whether the frames of the `last` packets come without a fault from time `start` on."""
    context = stream.codec_context
    context.flush_buffers()
    pts = np.array(scan.pts, dtype=np.int64)
    expected = {entry.pts for entry in last if entry.pts >= start}

    def wanted(packet: Packet[VideoStream]) -> bool:
        return packet.pts is None or packet.is_keyframe or packet.pts in expected

    missing = set(expected)
    for event in decode_timed(context, packets, pts, earliest=start, wanted=wanted):
        if event.frame is None or event.frame.is_corrupt:
            return False
        missing.discard(int(pts[event.number]))
    return not missing
