"""The video stage: exact times, the frames to use, their pixels; knows no model, no method."""

from evscli.video.decode import decode_frames
from evscli.video.index import VideoIndex, index_video
from evscli.video.plan import SamplingRules, plan_frames

__all__ = [
    "SamplingRules",
    "VideoIndex",
    "decode_frames",
    "index_video",
    "plan_frames",
]
