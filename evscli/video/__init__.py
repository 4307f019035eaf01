"""The video stage: exact times, the frames to use, and their pixels."""

from evscli.models.contract import SamplingRules
from evscli.video.damage import Damaged
from evscli.video.decode import decode_frames
from evscli.video.index import index_video
from evscli.video.plan import plan_frames
from evscli.video.timeline import VideoIndex

__all__ = [
    "Damaged",
    "SamplingRules",
    "VideoIndex",
    "decode_frames",
    "index_video",
    "plan_frames",
]
