"""Writes the sample clips and `truth.json` beside this file, or into a folder given.

    python -m sample_videos.make [FOLDER]

Needs scikit-image (the extra `test`). The same versions of everything give the same bytes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np

from sample_videos.clips import Clip, clips
from sample_videos.drawing import Box, Picture

X264 = {
    "preset": "slower",
    "crf": "21",
    "x264-params": "keyint=60:min-keyint=12:bframes=3:threads=1:aq-mode=3",
}

BITEXACT = {"fflags": "+bitexact"}
"""Without it a Matroska file is given a random number."""

SMALLEST = 4
"""Objects of which fewer pixels a side are within the picture are left out."""


def main(folder: Path) -> None:
    """Write every clip and the truth about them."""
    truth = {clip.name: make(clip, folder) for clip in clips()}
    (folder / "truth.json").write_text(_json(truth))


def make(clip: Clip, folder: Path) -> dict[str, Any]:
    """Write one clip; what is to be seen in it, as in `truth.json`."""
    objects = {}
    with av.open(str(folder / clip.name), "w", container_options=BITEXACT) as container:
        stream = container.add_stream("libx264", rate=clip.fps, options=X264)
        height, width = clip.size if clip.rotation % 180 == 0 else clip.size[::-1]
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        stream.codec_context.time_base = clip.time_base
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        stream.thread_count = 1
        if clip.rotation:
            stream.set_display_rotation(clip.rotation)
        for number, (picture, boxes) in enumerate(clip.shots()):
            container.mux(stream.encode(_frame(clip, number, picture)))
            objects[str(number)] = _seen(boxes, clip.size)
        container.mux(stream.encode(None))
    return _truth(clip, objects)


def _frame(clip: Clip, number: int, picture: Picture) -> av.VideoFrame:
    """The picture as coded: turned back by what a viewer will turn it."""
    coded = np.ascontiguousarray(np.rot90(picture, -clip.rotation // 90))
    frame = av.VideoFrame.from_ndarray(coded, format="rgb24")
    frame.pts, frame.time_base = clip.pts[number], clip.time_base
    return frame


def _seen(boxes: list[tuple[str, Box]], size: tuple[int, int]) -> list[dict[str, Any]]:
    within = [(name, _within(box, size)) for name, box in boxes]
    return [{"name": name, "box": box} for name, box in within if box is not None]


def _within(box: Box, size: tuple[int, int]) -> list[int] | None:
    """The part of a box inside the picture in whole pixels."""
    x0, y0 = max(0, int(np.floor(box[0]))), max(0, int(np.floor(box[1])))
    x1, y1 = min(size[1], int(np.ceil(box[2]))), min(size[0], int(np.ceil(box[3])))
    return [x0, y0, x1, y1] if min(x1 - x0, y1 - y0) >= SMALLEST else None


def _truth(clip: Clip, objects: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    events = [
        {"name": e.name, "start": e.start, "end": e.end, "box": _within(e.box, clip.size)}
        for e in clip.events
    ]
    return {
        "frames": len(clip.pts),
        "size": list(clip.size),
        "rotation": clip.rotation,
        "times": [round(float(pts * clip.time_base), 6) for pts in clip.pts],
        "events": events,
        "objects": objects,
    }


def _json(truth: dict[str, Any]) -> str:
    """One line per frame, to be read by people too."""
    lines = []
    for name, clip in truth.items():
        head = {key: value for key, value in clip.items() if key != "objects"}
        frames = ",\n".join(f'  "{n}": {json.dumps(o)}' for n, o in clip["objects"].items())
        inside = json.dumps(head)[:-1] + f', "objects": {{\n{frames}\n}}}}'
        lines.append(f'"{name}": {inside}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
