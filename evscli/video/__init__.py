"""The video stage: exact times, the frames to use, their pixels; knows no model, no method."""

from evscli.video.decode import decode_frames
from evscli.video.header import header_duration
from evscli.video.index import VideoIndex, index_video
from evscli.video.plan import SamplingRules, plan_frames

__all__ = [
    "SamplingRules",
    "VideoIndex",
    "decode_frames",
    "header_duration",
    "index_video",
    "plan_frames",
]
