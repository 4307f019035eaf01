"""Pruning inside the encoder: its first blocks once, then any number of selections of windows."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from torch import Tensor

from evscli.encoders import VideoEncoder
from evscli.encoders.early import Prefix
from evscli.pipeline.frames import (
    Frames,
    decoded_here,
    pixel_source,
    record_pixels,
    recorded_pixels,
)
from evscli.pipeline.planned import PlannedVideo
from evscli.pipeline.record import pruned_video, refuse_infinite
from evscli.pruners import PruneRequest, select_windows
from evscli.records import PixelSource, PrunedVideo, PruneInputs
from evscli.video_errors import video_errors


@dataclass(frozen=True, kw_only=True, eq=False)
class BegunVideo:
    """One video after the first blocks of the encoder, ready for selections inside it."""

    planned: PlannedVideo
    prefix: Prefix
    pixels: PixelSource | None
    heads: int
    """Of the encoder's attention."""

    def inputs(self, *, scorer: Mapping[str, Tensor] | None = None, seed: int = 0) -> PruneInputs:
        """What a method may need beside the windows."""
        return PruneInputs(pixels=self.pixels, scorer=scorer, heads=self.heads, seed=seed)


def begin_encoding(
    planned: PlannedVideo,
    encoder: VideoEncoder,
    *,
    after: int,
    frames: Frames | None = None,
    pixels: bool = False,
) -> BegunVideo:
    """Run the chosen frames, by default decoded here, through the blocks up to and with `after`.

    Raises VideoError with `stage` decode or encode.
    """
    with video_errors("encode", planned.video):
        kept = recorded_pixels(planned.plan) if pixels else None
        with closing((frames or decoded_here(encoder, planned))()) as chunks:
            recorded = record_pixels(chunks, kept)
            prefix = encoder.begin(recorded, planned.plan, after=after)
        refuse_infinite(prefix.states.values(), planned.video)
    source = None if kept is None else pixel_source(kept, encoder)
    return BegunVideo(planned=planned, prefix=prefix, pixels=source, heads=encoder.shape.heads)


def prune_begun(
    begun: BegunVideo,
    encoder: VideoEncoder,
    request: PruneRequest,
    *,
    seed: int = 0,
    store_scores: bool = False,
    scorer: Mapping[str, Tensor] | None = None,
) -> PrunedVideo:
    """One selection inside the encoder, and the rest of the blocks on what it keeps.

    Raises VideoError with `stage` prune or encode.
    """
    video = begun.planned.video
    with video_errors("prune", video):
        inputs = begun.inputs(scorer=scorer, seed=seed)
        choice = select_windows(request, begun.prefix.windows(), inputs)
    with video_errors("encode", video):
        tokens = encoder.finish(begun.prefix, choice)
        refuse_infinite((tokens.embeds, tokens.planes), video)
    return pruned_video(
        begun.planned, request, choice.kept, tokens.embeds, tokens.planes, store_scores=store_scores
    )
