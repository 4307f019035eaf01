"""The measurements of one video: every selection, on one encoding.

A selection before the encoder, or inside it, is also compared with the same rule after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from evscli import pipeline
from evscli.encoders import VideoEncoder
from evscli.errors import UsageError, VideoError
from evscli.evaluation.compare.agreement import Agreement, agreement, next_token
from evscli.evaluation.metrics import Diagnostics, diagnose
from evscli.evaluation.metrics.events import known_event_cells
from evscli.language.generate import LanguageModel
from evscli.pruners import PruneRequest, check_selection
from evscli.pruners.seeds import video_seed
from evscli.records import PruneAt, PrunedVideo, VideoInput
from evscli.video import Damaged


@dataclass(frozen=True, kw_only=True, eq=False)
class Bench:
    """The settings and models that all videos are measured with.

    Raises UsageError for a selection behind a block that the encoder does not have.
    """

    encoder: VideoEncoder
    requests: Sequence[PruneRequest]
    language: LanguageModel | None = None
    question: str = ""
    scorer: Mapping[str, Tensor] | None = None
    queries: pipeline.QueryRows | None = None
    seed: int = 0
    damaged: str = Damaged.trim
    """The policy about damaged videos."""

    def __post_init__(self) -> None:
        pipeline.check_blocks(self.encoder, self.requests)


@dataclass(frozen=True, kw_only=True)
class Inside:
    """A selection before the encoder or inside it, compared with the same rule after it."""

    overlap: float | None
    """The share of the kept tokens that the rule also keeps after the encoder. It is None for a
    rule that works inside only."""
    cosine: float
    """The mean cosine of the kept tokens to those of the whole encoder."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """The measurements of one selection on one video."""

    video: str
    mask: Tensor
    """The mask [T, h, w] bool, on the CPU."""
    seconds: float
    """The time of choosing alone in seconds, once warm."""
    diagnostics: Diagnostics
    agreement: Agreement | None
    inside: Inside | None

    @property
    def kept(self) -> int:
        """The number of tokens kept."""
        return int(torch.count_nonzero(self.mask))


def measure(video: VideoInput, bench: Bench) -> list[Measured]:
    """Return the measurements of every selection of `bench`, in order.

    Raises VideoError for whatever goes wrong with this video.
    """
    planned = pipeline.plan_video(video, bench.encoder, damaged=bench.damaged)
    extras = pipeline.Extras(
        query=pipeline.query_of(video, bench.queries),
        scorer=bench.scorer,
        seed=video_seed(bench.seed, video.id),
    )
    pixels = pipeline.need_pixels(bench.requests)
    stay = pipeline.may_stay(bench.requests)
    encoded = pipeline.encode(planned, bench.encoder, pixels=pixels, extras=extras, stay=stay)
    measuring = _Measuring(encoded, bench, extras)
    demand = pipeline.demand_of(planned)
    return [
        measuring.measure(request.for_video(demand, seed=bench.seed)) for request in bench.requests
    ]


class _Measuring:
    """One encoded video, and the values that its selections share."""

    def __init__(self, encoded: pipeline.AfterPass, bench: Bench, extras: pipeline.Extras) -> None:
        self.encoded, self.bench, self.extras = encoded, bench, extras
        self.events = event_masks(encoded.planned)
        self.unpruned: Tensor | None = None
        if bench.language is not None:
            whole = encoded.prune(check_selection("none"))
            self.unpruned = next_token(bench.language, whole, bench.question)
        self.passes: dict[PruneAt | None, pipeline.EncoderPass] = {None: encoded}

    def measure(self, request: PruneRequest) -> Measured:
        """Measure one selection whose budget is settled."""
        run = self._pass(request.prune_at)
        record = run.prune(request)
        mask = record.keep_mask.cpu()
        return Measured(
            video=record.info.id,
            mask=mask,
            seconds=self._time(run, request),
            diagnostics=diagnose(self.encoded.tokens, mask, events=self.events),
            agreement=self._agreement(record),
            inside=None if request.prune_at is None else self._against_after(request, record),
        )

    def _pass(self, place: PruneAt | None) -> pipeline.EncoderPass:
        if place not in self.passes:
            self.passes[place] = pipeline.begin_pass(
                self.encoded.planned,
                self.bench.encoder,
                after=place,
                pixels=self.encoded.inputs.pixels is not None,
                extras=self.extras,
                stay=pipeline.may_stay(self.bench.requests),
            )
        return self.passes[place]

    def _time(self, run: pipeline.EncoderPass, request: PruneRequest) -> float:
        """Return the seconds of choosing alone, once warm."""
        start = self._now()
        run.select(request)
        return self._now() - start

    def _now(self) -> float:
        """Return the seconds of a clock, read when a GPU has finished all of its work."""
        if self.bench.encoder.device.type == "cuda":
            torch.cuda.synchronize(self.bench.encoder.device)
        return perf_counter()

    def _agreement(self, record: PrunedVideo) -> Agreement | None:
        if self.bench.language is None or self.unpruned is None:
            return None
        pruned = next_token(self.bench.language, record, self.bench.question)
        return agreement(self.unpruned, pruned)

    def _against_after(self, request: PruneRequest, record: PrunedVideo) -> Inside:
        mask = record.keep_mask
        full = self.encoded.tokens.embeds[mask].cpu().float()
        cosine = float(cosine_similarity(record.embeds.float(), full, dim=-1).mean())
        if request.pruner.inside is not None:
            return Inside(overlap=None, cosine=cosine)
        after = self.encoded.prune(request.after_encoder())
        shared = torch.count_nonzero(mask & after.keep_mask)
        return Inside(overlap=float(shared / torch.count_nonzero(mask)), cosine=cosine)


def event_masks(planned: pipeline.PlannedVideo) -> list[Tensor]:
    """Return the cells of each event, [T, h, w]. Raises VideoError for one outside."""
    plan = planned.plan
    try:
        found = known_event_cells(
            planned.video.path,
            source_index=plan.source_index,
            source_size=plan.source_size,
            grid_thw=plan.grid_thw,
            temporal_patch_size=planned.model.temporal_patch_size,
        )
        return [cells for _, cells in found]
    except UsageError as error:
        raise VideoError(f"{planned.video.path}: {error}", stage="open") from error
