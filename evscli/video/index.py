"""The exact timeline of one video, read from its packets; as a rule only one frame is decoded.

Knows nothing about sampling or pixels. Times come from demuxing: the entries of a container's own
index are no presentation times where there are B-frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import atan2, pi
from pathlib import Path

import av
import numpy as np
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from evscli.errors import VideoError
from evscli.records import FloatArray, IntArray
from evscli.video.container import open_video
from evscli.video.scan import Scan, count_frames, scan_packets

DEFAULT_FPS = 24.0
"""For a file that says nothing about time; the Qwen processors assume the same."""


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoIndex:
    """Every frame of one video, in presentation order."""

    path: Path
    pts: IntArray
    """[N] presentation times in units of `time_base`, ascending."""
    keyframe_pts: IntArray
    """[K] ascending times that decoding can start at. Empty where times do not tell frames apart:
    then frames are counted from the start of the file."""
    time_base: Fraction
    """Seconds per unit."""
    fps: float
    """Average frames per second as the container states it."""
    duration: float
    """Seconds from the first frame to the end of the last one."""
    coded_size: tuple[int, int]
    """(height, width) in pixels as decoded."""
    rotation: int
    """Degrees counter-clockwise a viewer turns the coded picture: 0, 90, 180 or 270."""
    mirrored: bool
    """Whether a viewer swaps left and right after turning."""

    @property
    def frames(self) -> int:
        """Number of frames, N."""
        return len(self.pts)

    @property
    def times(self) -> FloatArray:
        """[N] seconds since the first frame."""
        return np.asarray((self.pts - self.pts[0]) * float(self.time_base))

    @property
    def displayed_size(self) -> tuple[int, int]:
        """(height, width) in pixels after turning; pixels are taken as square."""
        height, width = self.coded_size
        return (height, width) if self.rotation % 180 == 0 else (width, height)


def index_video(path: Path) -> VideoIndex:
    """Read the timeline of the video at `path`.

    Raises VideoError: stage "open" where there is no video stream that can be read, stage "index"
    where it is damaged, cut short or without frames.
    """
    try:
        container, stream = open_video(path)
        with container:
            scan = scan_packets(container, stream)
            _check_complete(scan, path)
            return _index(path, stream, scan if scan.tells_frames_apart else count_frames(path))
    except av.FFmpegError as error:
        message = f"{path} is damaged ({error.strerror}); copy or download it again"
        raise VideoError(message, stage="index") from error


def _check_complete(scan: Scan, path: Path) -> None:
    if scan.first_frame is None:
        message = f"{path} holds no frame that can be decoded; check that it plays"
        raise VideoError(message, stage="index")
    if scan.is_cut_short:
        raise VideoError(
            f"{path} is cut short: its header states {scan.stated_seconds:.2f} s, its data ends at "
            f"{scan.end_seconds:.2f} s; copy or download it again, or accept what is there by "
            f"`ffmpeg -i {path.name} -c copy repaired{path.suffix}`",
            stage="index",
        )


def _index(path: Path, stream: VideoStream, scan: Scan) -> VideoIndex:
    assert scan.first_frame is not None
    rotation, mirrored = _orientation(scan.first_frame)
    pts = np.array(scan.pts, dtype=np.int64)
    fps = _fps(stream, pts, scan.time_base)
    last = scan.last_duration * float(scan.time_base) or 1 / fps
    return VideoIndex(
        path=path,
        pts=pts,
        keyframe_pts=np.array(scan.keyframe_pts, dtype=np.int64),
        time_base=scan.time_base,
        fps=fps,
        duration=float((pts[-1] - pts[0]) * scan.time_base) + last,
        coded_size=(scan.first_frame.height, scan.first_frame.width),
        rotation=rotation,
        mirrored=mirrored,
    )


def _fps(stream: VideoStream, pts: IntArray, time_base: Fraction) -> float:
    """What the container states; without that, what its times say; without those, the default."""
    stated = stream.average_rate or stream.guessed_rate
    if stated:
        return float(stated)
    span = float((pts[-1] - pts[0]) * time_base)
    return (len(pts) - 1) / span if span > 0 else DEFAULT_FPS


def _orientation(frame: VideoFrame) -> tuple[int, bool]:
    """(degrees counter-clockwise, mirrored afterwards) by the frame's display matrix.

    The matrix maps a coded point (x, y), y pointing down, to (a x + c y, b x + d y) (ISO/IEC
    14496-12, 6.2.2). `frame.rotation` leaves mirroring out, and then the angle is wrong as well.
    An angle that is no quarter turn is taken to the nearest one.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if not isinstance(matrix, SideData):
        return 0, False
    (a, b), (c, d) = np.frombuffer(bytes(matrix), dtype=np.int32).reshape(3, 3)[:2, :2] / 65536
    mirrored = bool(a * d - b * c < 0)
    angle = atan2(-b, -a if mirrored else a)
    return round(angle / (pi / 2)) % 4 * 90, mirrored
