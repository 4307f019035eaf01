"""Pruning after the encoder: one encoding, any number of selections among its tokens."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from evscli.encoders import VideoEncoder
from evscli.pipeline.frames import (
    Frames,
    decoded_here,
    pixel_source,
    record_pixels,
    recorded_pixels,
)
from evscli.pipeline.planned import PlannedVideo, plan_video
from evscli.pipeline.record import pruned_video, refuse_infinite
from evscli.pruners import PruneRequest, select_tokens
from evscli.pruners.positions import gather_tokens
from evscli.records import PixelSource, PrunedVideo, PruneInputs, VideoInput, VideoTokens
from evscli.video_errors import video_errors


class QueryRows(Protocol):
    """Makes rows of texts."""

    @property
    def digest(self) -> str:
        """Of all that rows follow from, the text aside."""

    def __call__(self, text: str) -> Tensor:
        """[Q, D] of the language model's input embeddings."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Query:
    """What a query-aware method is asked."""

    text: str
    rows: Tensor
    """[Q, D] of the language model's input embeddings"""


def query_of(video: VideoInput, rows: QueryRows | None) -> Query | None:
    """What is asked of a video, where something is. Raises VideoError with `stage` prune."""
    if rows is None or video.query is None:
        return None
    with video_errors("prune", video):
        return Query(text=video.query, rows=rows(video.query))


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedVideo:
    """One video after the encoder, ready for any number of selections."""

    planned: PlannedVideo
    tokens: VideoTokens
    pixels: PixelSource | None
    """The resized pixels, where they were asked for."""

    def inputs(self, *, query: Query | None = None, seed: int = 0) -> PruneInputs:
        """What a method may need beside the tokens."""
        rows = None if query is None else query.rows
        return PruneInputs(pixels=self.pixels, query=rows, seed=seed)


def encode_video(video: VideoInput, encoder: VideoEncoder, *, pixels: bool = False) -> EncodedVideo:
    """Decode and encode one video; `pixels` keeps the resized pixels for methods that score them.

    Raises VideoError for whatever goes wrong with this video; its `stage` says where.
    """
    return encode_planned(plan_video(video, encoder), encoder, pixels=pixels)


def encode_planned(
    planned: PlannedVideo,
    encoder: VideoEncoder,
    *,
    frames: Frames | None = None,
    pixels: bool = False,
) -> EncodedVideo:
    """Encode the chosen frames, by default decoded here.

    Raises VideoError with `stage` decode or encode.
    """
    with video_errors("encode", planned.video):
        kept = recorded_pixels(planned.plan) if pixels else None
        with closing((frames or decoded_here(encoder, planned))()) as chunks:
            tokens = encoder.encode(record_pixels(chunks, kept), planned.plan)
        refuse_infinite((tokens.embeds, tokens.deepstack), planned.video)
    return EncodedVideo(
        planned=planned,
        tokens=tokens,
        pixels=None if kept is None else pixel_source(kept, encoder),
    )


def prune_encoded(
    encoded: EncodedVideo,
    request: PruneRequest,
    *,
    query: Query | None = None,
    seed: int = 0,
    store_scores: bool = False,
) -> PrunedVideo:
    """One selection of an encoded video. Raises VideoError with `stage` prune."""
    with video_errors("prune", encoded.planned.video):
        kept = select_tokens(request, encoded.tokens, encoded.inputs(query=query, seed=seed))
        embeds, deepstack = gather_tokens(encoded.tokens, kept.mask)
    asked = query.text if query is not None and "query" in request.needs else None
    return pruned_video(
        encoded.planned, request, kept, embeds, deepstack, store_scores=store_scores, query=asked
    )
