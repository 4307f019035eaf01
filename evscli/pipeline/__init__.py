"""One video in, one PrunedVideo out: the only place where the stages meet.

    planned.py  which frames      after.py   selections among the encoder's tokens
    frames.py   their pixels      inside.py  selections between the encoder's blocks
    record.py   what is kept      pruner.py  many selections, any number of videos

index -> plan -> decode -> resize -> encode -> prune -> gather. Nothing here knows about stores,
many videos or terminals. Importing it imports torch.
"""

from evscli.pipeline.after import (
    EncodedVideo,
    Query,
    QueryRows,
    encode_planned,
    encode_video,
    prune_encoded,
    query_of,
)
from evscli.pipeline.frames import resized_here
from evscli.pipeline.inside import BegunVideo, begin_encoding, prune_begun
from evscli.pipeline.planned import PlannedVideo, demand_of, plan_indexed, plan_video
from evscli.pipeline.pruner import VideoPruner, check_blocks, need_pixels

__all__ = [
    "BegunVideo",
    "EncodedVideo",
    "PlannedVideo",
    "Query",
    "QueryRows",
    "VideoPruner",
    "begin_encoding",
    "check_blocks",
    "demand_of",
    "encode_planned",
    "encode_video",
    "need_pixels",
    "plan_indexed",
    "plan_video",
    "prune_begun",
    "prune_encoded",
    "query_of",
    "resized_here",
]
