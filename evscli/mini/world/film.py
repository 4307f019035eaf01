"""The n-th video of a seed: its frames, its questions and the thing in each cell."""

from __future__ import annotations

import io
from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray

from evscli.mini.world.compose import compose
from evscli.mini.world.draw import Drawing, draw
from evscli.mini.world.questions import Question, ask
from evscli.mini.world.scene import Form, Scene

COMPRESSED = 0.1
"""The share of the videos that went through H.264."""

REPEATABLE = "threads=1:mbtree=0:weightp=0"
"""The options that make H.264 repeatable. On small pictures x264's macroblock tree and weighted
prediction differ from run to run, even with one thread (seen with the x264 of PyAV 18.1)."""

SPLITS = {"train": 0, "held-out": 1, "uptraining": 2}


@dataclass(frozen=True, kw_only=True, eq=False)
class Film:
    """A procedural video with its questions."""

    scene: Scene
    drawing: Drawing
    questions: tuple[Question, ...]

    @property
    def frames(self) -> NDArray[np.uint8]:
        """[F, H, W, 3] uint8 frames."""
        return self.drawing.frames


def make_film(form: Form, *, seed: int, number: int, split: str = "train") -> Film:
    """Make video `number` of a seed, which is always the same.

    Splits never share a video, as long as seeds and numbers are below 2**32.
    """
    sequence = np.random.SeedSequence([seed, SPLITS[split], number])
    rng = np.random.Generator(np.random.PCG64(sequence))
    scene = compose(rng, form)
    drawing = draw(rng, scene)
    questions = tuple(ask(rng, scene))
    if rng.random() < COMPRESSED:
        frames = compress(drawing.frames, crf=int(rng.integers(18, 33)))
        drawing = Drawing(frames=frames, owner=drawing.owner)
    return Film(scene=scene, drawing=drawing, questions=questions)


def compress(frames: NDArray[np.uint8], *, crf: int) -> NDArray[np.uint8]:
    """Encode [F, H, W, 3] as H.264 and decode it again."""
    file = io.BytesIO()
    write_h264(file, frames, crf=crf)
    file.seek(0)
    with av.open(file, "r") as container:
        container.streams.video[0].thread_count = 1  # other threads can stall beside torch's
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return np.stack(decoded)


def write_h264(file: io.BytesIO, frames: NDArray[np.uint8], *, crf: int, fps: int = 4) -> None:
    """Write [F, H, W, 3] as an MP4 of H.264, the same bytes every time."""
    options = {"preset": "veryfast", "crf": str(crf), "x264-params": REPEATABLE}
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
