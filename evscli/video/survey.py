"""One sequential decode of a whole video, which finds the frames that are whole.

It costs a decode of everything, without converting a picture, and is done where an index is not
enough: where the end of a file does not decode, where packet times do not distinguish frames, and
where a policy about damage asks for every frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from evscli.records import IntArray
from evscli.video.container import open_video
from evscli.video.events import (
    NO_PLACES,
    Event,
    decode_counted,
    decode_timed,
    demuxed,
    file_order,
    is_key,
    judge,
)

BoolArray = NDArray[np.bool_]

HELD = 16
"""The most frames that a decoder holds back for their order."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Survey:
    """The result of a sequential decode."""

    whole: BoolArray
    """[N] whether a frame comes, and neither it nor what it rests on is damaged."""
    end: int
    """The number of frames before those at the end that never decode; N where all do."""
    first_frame: VideoFrame | None
    times: list[int | None]
    """[N] the frames' own times, where frames were counted."""


@dataclass(kw_only=True)
class PacketTally:
    """Notes of the events of a decode as they pass."""

    frames: list[int] = field(default_factory=list)
    """The numbers of the frames that came, in the order in which they came."""
    flagged: set[int] = field(default_factory=set)
    keys: list[int] = field(default_factory=list)
    failed: list[tuple[int, int]] = field(default_factory=list)
    """(number, frames that had come) of every packet that failed."""
    times: list[int | None] = field(default_factory=list)
    first_frame: VideoFrame | None = None

    def watch(self, events: Iterable[Event]) -> Iterator[Event]:
        """Yield the events, and note each."""
        for event in events:
            if event.frame is None:
                self.failed.append((event.number, len(self.frames)))
            else:
                self._note(event.number, event.frame)
            yield event

    def _note(self, number: int, frame: VideoFrame) -> None:
        self.first_frame = self.first_frame or frame
        self.frames.append(number)
        self.times.append(frame.pts)
        if frame.is_corrupt:
            self.flagged.add(number)
        elif is_key(frame):
            self.keys.append(number)


def survey_timed(path: Path, pts: IntArray, places: IntArray) -> Survey:
    """Decode a video whose frames have the times `pts` [N] and packets at `places` [N]."""
    tally = PacketTally()
    container, stream = open_video(path, deblocked=False)
    with container:
        packets = demuxed(container.demux(stream))
        events = decode_timed(stream.codec_context, packets, pts, earliest=int(pts[0]))
        whole = np.zeros(len(pts), dtype=np.bool_)
        for shown in judge(tally.watch(events), file_order(places)):
            whole[shown.number] = shown.is_whole
    return Survey(
        whole=whole,
        end=_end_timed(tally, places),
        first_frame=tally.first_frame,
        times=tally.times,
    )


def survey_counted(path: Path) -> Survey:
    """Decode a video whose packet times do not distinguish its frames."""
    tally = PacketTally()
    container, stream = open_video(path, deblocked=False)
    with container:
        events = decode_counted(stream.codec_context, demuxed(container.demux(stream)))
        whole = [shown.is_whole for shown in judge(tally.watch(events), file_order(NO_PLACES))]
    return Survey(
        whole=np.array(whole, dtype=np.bool_),
        end=_end_counted(tally),
        first_frame=tally.first_frame,
        times=tally.times,
    )


def _end_timed(tally: PacketTally, places: IntArray) -> int:
    """Return the first frame of the end that never decodes.

    The end begins where, in the order of the file, no further packet gives a whole frame. Frames
    shown behind it belong to it, and those that a decoder which stops at a fault does not give out.
    """
    well = np.zeros(len(places), dtype=np.bool_)
    well[[number for number in tally.frames if number not in tally.flagged]] = True
    in_file = np.argsort(places)
    last_well = np.flatnonzero(well[in_file])
    lost = in_file[last_well[-1] + 1 :] if len(last_well) else in_file
    ends: list[int] = lost.tolist()
    for number, came in tally.failed:
        if number in lost:
            ends += tally.frames[came : came + 1]
    return min([len(places), *ends])


def _end_counted(tally: PacketTally) -> int:
    """Return the first frame of that end where only the order in which frames come is known."""
    frames, last_key = len(tally.frames), max(tally.keys, default=-1)
    faults = [*tally.flagged, *(came for _, came in tally.failed)]
    return min([frames, *(at for at in faults if at > last_key and frames - at <= HELD)])
