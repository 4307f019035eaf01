"""One video in, one PrunedVideo out: the only place where the stages meet.

    planned.py  the frame plan    passes.py   selections after the encoder, inside it or before it
    frames.py   their pixels      pruner.py   many selections, any number of videos
    record.py   the record        together.py short videos that are encoded together
    extras.py   questions, learned weights and seeds for methods

The stages are index -> plan -> decode -> resize -> encode -> prune -> gather. Nothing here depends
on stores or terminals. Importing this package imports torch.
"""

from evscli.pipeline.extras import Extras, Query, QueryRows, query_of
from evscli.pipeline.frames import resized_here
from evscli.pipeline.passes import (
    AfterPass,
    EncoderPass,
    begin_pass,
    encode,
    encode_video,
)
from evscli.pipeline.planned import PlannedVideo, demand_of, plan_indexed, plan_video
from evscli.pipeline.pruner import VideoPruner, check_blocks, may_stay, need_pixels
from evscli.pipeline.together import HeldVideo, encode_held, hold_video, patches_of

__all__ = [
    "AfterPass",
    "EncoderPass",
    "Extras",
    "HeldVideo",
    "PlannedVideo",
    "Query",
    "QueryRows",
    "VideoPruner",
    "begin_pass",
    "check_blocks",
    "demand_of",
    "encode",
    "encode_held",
    "encode_video",
    "hold_video",
    "may_stay",
    "need_pixels",
    "patches_of",
    "plan_indexed",
    "plan_video",
    "query_of",
    "resized_here",
]
