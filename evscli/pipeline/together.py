"""Short videos that are encoded together: their frames wait until the tower runs on all of them."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass

from evscli.device_errors import breaks_device, free_tensors, lost, release_memory
from evscli.encoders import VideoEncoder
from evscli.pipeline.frames import Frames
from evscli.pipeline.planned import PlannedVideo
from evscli.records import FrameChunk, VideoTokens
from evscli.video_errors import video_errors


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldVideo:
    """One short video with all of its frames, at the size that the encoder sees."""

    planned: PlannedVideo
    chunks: Sequence[FrameChunk]

    def frames(self) -> Generator[FrameChunk]:
        """Yield the frames, any number of times."""
        yield from self.chunks


def patches_of(planned: PlannedVideo, encoder: VideoEncoder) -> int:
    """Return the patches of a video that run through the tower. Raises VideoError, as encoding."""
    with video_errors("encode", planned.video):
        return encoder.patches(planned.plan)


def hold_video(planned: PlannedVideo, frames: Frames, encoder: VideoEncoder) -> HeldVideo:
    """Take all frames of a video. Raises VideoError with `stage` decode or encode."""
    with video_errors("encode", planned.video):
        with closing(frames()) as chunks:
            held = [*chunks]
        count = sum(len(chunk.pixels) for chunk in held)
        encoder.check_complete(-(-count // encoder.form.temporal_patch_size), planned.plan)
    return HeldVideo(planned=planned, chunks=held)


def encode_held(
    videos: Sequence[HeldVideo], encoder: VideoEncoder, *, stay: bool
) -> list[VideoTokens | None]:
    """Encode videos of one resized size together, and return the tokens of each.

    None stands for a video that is to be encoded alone: where there is one, and each where they
    fail together, so that only the one at fault does. Raises DeviceLostError.
    """
    if len(videos) > 1:
        try:
            frames = [(video.chunks, video.planned.plan) for video in videos]
            return [*encoder.encode_together(frames, stay=stay)]
        except Exception as error:
            if breaks_device(error):
                first, others = videos[0].planned.video.name, len(videos) - 1
                raise lost(error, f"{first}, encoded with {others} more") from error
            free_tensors(error)
        release_memory()
    return [None] * len(videos)
