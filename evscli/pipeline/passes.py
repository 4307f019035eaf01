"""Encoder passes: one run of the encoder over a video, and any number of selections in it.

A pass selects, and finishes the selection. `AfterPass` selects among the finished tokens,
`InsidePass` among windows between two blocks, and `InputPass` among the pixels before the first;
for these two, finishing runs the windows kept through the blocks that are left. All have one
interface, so that callers need not distinguish them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TypeVar

import torch

from evscli.device_errors import free_tensors, lacks_memory, release_memory
from evscli.encoders import VideoEncoder
from evscli.encoders.arithmetic import whole_float32
from evscli.encoders.early import Begun, Prefix
from evscli.encoders.room import CHOSEN_HERE
from evscli.pipeline.extras import NO_EXTRAS, Extras, Query
from evscli.pipeline.frames import (
    Frames,
    decoded_here,
    pixel_source,
    record_pixels,
    recorded_pixels,
)
from evscli.pipeline.planned import PlannedVideo, plan_video
from evscli.pipeline.record import pruned_video, refuse_infinite
from evscli.pruners import PruneRequest, select_tokens, select_windows
from evscli.pruners.ops.pixels import pixel_tokens
from evscli.pruners.positions import gather_tokens
from evscli.records import (
    INPUT,
    KeptTokens,
    PruneAt,
    PrunedVideo,
    PruneInputs,
    VideoInput,
    VideoTokens,
    VideoWindows,
    WindowChoice,
)
from evscli.video_errors import video_errors

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, eq=False)
class EncoderPass(ABC):
    """One run of the encoder over one video."""

    planned: PlannedVideo
    inputs: PruneInputs
    """The inputs that methods get beside tokens."""

    @abstractmethod
    def select(self, request: PruneRequest) -> WindowChoice:
        """Choose the tokens to keep. Raises VideoError with `stage` prune."""

    @abstractmethod
    def finish(
        self, request: PruneRequest, choice: WindowChoice, *, store_scores: bool = False
    ) -> PrunedVideo:
        """Make the record of a choice. Raises VideoError with `stage` prune or encode."""

    def prune(self, request: PruneRequest, *, store_scores: bool = False) -> PrunedVideo:
        """Choose tokens and make the record. Raises VideoError with `stage` prune or encode."""
        return self.finish(request, self.select(request), store_scores=store_scores)


@dataclass(frozen=True, kw_only=True, eq=False)
class AfterPass(EncoderPass):
    """A whole run of the encoder, whose tokens selections choose from."""

    tokens: VideoTokens
    query: Query | None

    def asked(self, query: Query) -> AfterPass:
        """Return the same run with another question to choose by."""
        return replace(self, query=query, inputs=replace(self.inputs, query=query.rows))

    def select(self, request: PruneRequest) -> WindowChoice:
        """Choose tokens, each a window of its own. Raises VideoError with `stage` prune."""
        with video_errors("prune", self.planned.video), whole_float32():
            return WindowChoice(kept=self._choose(request).on_cpu())

    def _choose(self, request: PruneRequest) -> KeptTokens:
        """Choose where the tokens are; on the CPU where their device lacks memory for it."""
        there = partial(select_tokens, request, self.tokens, self.inputs)
        kept = there_if_it_fits(there, self.tokens.embeds.device)
        return kept or noted(select_tokens(request, self.tokens.on_cpu(), self.inputs))

    def finish(
        self, request: PruneRequest, choice: WindowChoice, *, store_scores: bool = False
    ) -> PrunedVideo:
        """Gather the kept tokens. Raises VideoError with `stage` prune."""
        with video_errors("prune", self.planned.video):
            embeds, deepstack = gather_tokens(self.tokens, choice.kept.mask)
        query = self.query if "query" in request.needs else None
        return pruned_video(
            self.planned,
            request,
            choice.kept,
            embeds,
            deepstack,
            store_scores=store_scores,
            query=None if query is None else query.text,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class UnfinishedPass(EncoderPass):
    """A run of the encoder in which the windows kept go through the blocks that are left."""

    encoder: VideoEncoder
    begun: Begun

    def finish(
        self, request: PruneRequest, choice: WindowChoice, *, store_scores: bool = False
    ) -> PrunedVideo:
        """Run the kept windows through the other blocks. Raises VideoError with `stage` encode."""
        with video_errors("encode", self.planned.video):
            tokens = self.encoder.finish(self.begun, choice)
            refuse_infinite((tokens.embeds, tokens.planes), self.planned.video)
        return pruned_video(
            self.planned.noted(self.encoder.length.notes),
            request,
            choice.kept,
            tokens.embeds,
            tokens.planes,
            store_scores=store_scores,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class InsidePass(UnfinishedPass):
    """A run of the encoder's first blocks; windows are chosen by their output."""

    begun: Prefix

    def select(self, request: PruneRequest) -> WindowChoice:
        """Choose windows by their hidden states. Raises VideoError with `stage` prune."""
        with video_errors("prune", self.planned.video), whole_float32():
            choice = self._choose(request)
            return replace(choice, kept=choice.kept.on_cpu())

    def _choose(self, request: PruneRequest) -> WindowChoice:
        """Choose where the windows are; on the CPU where their device lacks memory for it."""
        windows = self.begun.windows()
        there = partial(select_windows, request, windows, self.inputs)
        if (choice := there_if_it_fits(there, windows.states.device)) is not None:
            return choice
        here = scorer_on(self.inputs, torch.device("cpu"))
        choice = select_windows(request, VideoWindows(states=windows.states.cpu()), here)
        return replace(choice, kept=noted(choice.kept))


@dataclass(frozen=True, kw_only=True, eq=False)
class InputPass(UnfinishedPass):
    """A run of none of the encoder's blocks; windows are chosen by their pixels."""

    @cached_property
    def tokens(self) -> VideoTokens:
        """The pixels of each cell, for methods that are made for tokens."""
        assert self.inputs.pixels is not None, "the pass has them"
        return pixel_tokens(self.inputs.pixels, self.planned.plan.grid_thw)

    def select(self, request: PruneRequest) -> WindowChoice:
        """Choose windows by their pixels. Raises VideoError with `stage` prune."""
        with video_errors("prune", self.planned.video), whole_float32():
            return WindowChoice(kept=select_tokens(request, self.tokens, self.inputs))


def there_if_it_fits(choose: Callable[[], T], device: torch.device) -> T | None:
    """Return what is chosen on a device, or None where that lacks memory for it."""
    try:
        return choose()
    except Exception as error:
        if not lacks_memory(error) or device.type == "cpu":
            raise
        free_tensors(error)
    release_memory()
    return None


def noted(kept: KeptTokens) -> KeptTokens:
    """Return a selection with the note that the CPU made it."""
    return replace(kept, notes=(*kept.notes, CHOSEN_HERE))


def scorer_on(inputs: PruneInputs, device: torch.device) -> PruneInputs:
    """Return the inputs with the weights of a learned method, if any, on a device."""
    if inputs.scorer is None:
        return inputs
    return replace(inputs, scorer={name: one.to(device) for name, one in inputs.scorer.items()})


def begin_pass(
    planned: PlannedVideo,
    encoder: VideoEncoder,
    *,
    after: PruneAt | None,
    frames: Frames | None = None,
    pixels: bool = False,
    extras: Extras = NO_EXTRAS,
    stay: bool = False,
    tokens: VideoTokens | None = None,
) -> EncoderPass:
    """Run the chosen frames, by default decoded here, through the blocks up to and with `after`.

    With None they run through all blocks, unless their `tokens` are at hand, with `input` through
    none. What selections choose by may `stay` on the device. `pixels` keeps the resized pixels for
    methods that score them. Raises VideoError with `stage` decode or encode.
    """
    if after is None:
        return encode(
            planned,
            encoder,
            frames=frames,
            pixels=pixels,
            extras=extras,
            stay=stay,
            tokens=tokens,
        )
    if after == INPUT:
        return hold(planned, encoder, frames=frames, extras=extras)
    with video_errors("encode", planned.video):
        kept = recorded_pixels(planned.plan) if pixels else None
        with closing((frames or decoded_here(encoder, planned))()) as chunks:
            some = record_pixels(chunks, kept)
            prefix = encoder.begin(some, planned.plan, after=after, stay=stay)
        refuse_infinite(prefix.states.values(), planned.video)
    inputs = PruneInputs(
        pixels=None if kept is None else pixel_source(kept, encoder),
        scorer=extras.scorer,
        heads=encoder.shape.heads,
        seed=extras.seed,
    )
    return InsidePass(
        planned=planned.noted(prefix.notes),
        inputs=scorer_on(inputs, prefix.device),
        encoder=encoder,
        begun=prefix,
    )


def hold(
    planned: PlannedVideo,
    encoder: VideoEncoder,
    *,
    frames: Frames | None = None,
    extras: Extras = NO_EXTRAS,
) -> InputPass:
    """Take the chosen frames, of which nothing is embedded yet. Raises as `begin_pass` does."""
    chosen = frames or decoded_here(encoder, planned)
    with video_errors("encode", planned.video), closing(chosen()) as chunks:
        held = encoder.hold(chunks, planned.plan)
    inputs = PruneInputs(pixels=pixel_source(held.pixels, encoder), seed=extras.seed)
    return InputPass(planned=planned, inputs=inputs, encoder=encoder, begun=held)


def encode(
    planned: PlannedVideo,
    encoder: VideoEncoder,
    *,
    frames: Frames | None = None,
    pixels: bool = False,
    extras: Extras = NO_EXTRAS,
    stay: bool = False,
    tokens: VideoTokens | None = None,
) -> AfterPass:
    """Run the chosen frames through the whole encoder. Raises as `begin_pass` does."""
    with video_errors("encode", planned.video):
        kept = recorded_pixels(planned.plan) if pixels else None
        with closing((frames or decoded_here(encoder, planned))()) as chunks:
            recorded = record_pixels(chunks, kept)
            if tokens is None:
                tokens = encoder.encode(recorded, planned.plan, stay=stay)
            elif pixels:
                deque(recorded, maxlen=0)
        refuse_infinite((tokens.embeds, tokens.deepstack), planned.video)
    inputs = PruneInputs(
        pixels=None if kept is None else pixel_source(kept, encoder),
        query=None if extras.query is None else extras.query.rows,
        seed=extras.seed,
    )
    noted = planned.noted(encoder.length.notes + tokens.notes)
    return AfterPass(planned=noted, inputs=inputs, tokens=tokens, query=extras.query)


def encode_video(
    video: VideoInput, encoder: VideoEncoder, *, pixels: bool = False, extras: Extras = NO_EXTRAS
) -> AfterPass:
    """Decode and encode one video.

    Raises VideoError for anything that fails with this video, with the stage that failed.
    """
    return encode(plan_video(video, encoder), encoder, pixels=pixels, extras=extras)
