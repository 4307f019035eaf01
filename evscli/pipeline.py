"""One video in, one PrunedVideo out: the only place where the stages meet.

index -> plan -> decode -> resize -> encode -> prune -> gather. Nothing here knows about stores,
many videos or terminals.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from evscli.bundled import MINI
from evscli.encoders import VideoEncoder, load_encoder
from evscli.encoders.digest import tensors_digest
from evscli.encoders.early import Prefix
from evscli.errors import VideoError
from evscli.provenance import provenance, source_info
from evscli.pruners import PruneRequest, check_selection, select_tokens, select_windows
from evscli.pruners.budget_rule import BudgetRule, Demand, Drawn, Fraction
from evscli.pruners.positions import gather_tokens, position_ids
from evscli.records import (
    FrameChunk,
    FramePlan,
    KeptTokens,
    ModelInfo,
    OptionValue,
    PixelSource,
    PrunedVideo,
    PruneInputs,
    RunConfig,
    Sampling,
    SourceInfo,
    VideoInfo,
    VideoInput,
    VideoTokens,
)
from evscli.scratch import allocate
from evscli.stage import stage
from evscli.video import VideoIndex, decode_frames, index_video, plan_frames

STORED_SCORES = torch.float16


@dataclass(frozen=True, kw_only=True, eq=False)
class Query:
    """What a query-aware method is asked."""

    text: str
    rows: Tensor
    """[Q, D] of the language model's input embeddings"""


class VideoPruner:
    """One encoder and checked selections, applied to any number of videos.

    A video is decoded and encoded once for all selections that share an encoder pass. `seed`
    matters for random methods and drawn budgets only. `scorer` are the weights of a learned method.
    `scratch` is the folder for what outgrows memory.
    """

    def __init__(
        self,
        encoder: VideoEncoder,
        *requests: PruneRequest,
        seed: int = 0,
        store_scores: bool = False,
        scorer: Mapping[str, Tensor] | None = None,
        query: Query | None = None,
        scratch: Path | None = None,
    ) -> None:
        self.encoder = encoder
        self.requests = requests
        self.seed = seed
        self.store_scores = store_scores
        self.scorer = scorer
        self.query = query
        self.scratch = scratch

    @property
    def configs(self) -> tuple[RunConfig, ...]:
        """For each selection the settings that change tensors, and the provenance beside them."""
        made_by = provenance(device=str(self.encoder.device))
        return tuple(
            RunConfig(
                settings={
                    "encoder": dict(self.encoder.settings),
                    "selection": self._settings(request),
                },
                provenance=made_by,
            )
            for request in self.requests
        )

    def _settings(self, request: PruneRequest) -> dict[str, Any]:
        method = request.pruner
        selection: dict[str, Any] = {
            "method": method.name,
            "algorithm_version": method.algorithm_version,
            "budget": budget_value(request.budget),
            "options": dict(request.options),
            "store_scores": self.store_scores,
        }
        if request.prune_at is not None:
            selection["prune_at"] = request.prune_at
        if self.scorer is not None and "scorer" in request.needs:
            selection["scorer"] = tensors_digest(self.scorer)
        if self.query is not None and "query" in request.needs:
            selection["query"] = self.query.text
        if method.random or isinstance(request.budget, Drawn):
            selection["seed"] = self.seed
        return selection

    def __call__(self, video: VideoInput) -> PrunedVideo:
        """Prune one video by the first selection.

        Raises VideoError for whatever goes wrong with this video; its `stage` says where.
        """
        return next(self.prune(video, [0]))[1]

    def prune(
        self, video: VideoInput, which: Iterable[int] | None = None
    ) -> Iterator[tuple[int, PrunedVideo]]:
        """Prune one video by the selections numbered `which`, by default all.

        Yields the number of the selection with its result, those of one encoder pass together.
        Raises VideoError for whatever goes wrong with this video; its `stage` says where.
        """
        planned = plan_video(video, self.encoder)
        demand = demand_of(planned)
        passes: dict[int | None, dict[int, PruneRequest]] = {}
        for number in range(len(self.requests)) if which is None else which:
            request = self.requests[number].for_video(demand, seed=self.seed)
            passes.setdefault(request.prune_at, {})[number] = request
        for block, requests in passes.items():
            run = self._after if block is None else self._inside
            for number, record in zip(requests, run(planned, [*requests.values()]), strict=True):
                yield number, record

    def _after(
        self, planned: PlannedVideo, requests: Sequence[PruneRequest]
    ) -> Iterator[PrunedVideo]:
        """Selections among the tokens of the whole encoder."""
        encoded = encode_planned(
            planned, self.encoder, pixels=need_pixels(requests), scratch=self.scratch
        )
        for request in requests:
            yield prune_encoded(
                encoded,
                request,
                query=self.query,
                seed=self.seed,
                store_scores=self.store_scores,
                scratch=self.scratch,
            )

    def _inside(
        self, planned: PlannedVideo, requests: Sequence[PruneRequest]
    ) -> Iterator[PrunedVideo]:
        """Selections inside the encoder after one block, which they share."""
        begun = begin_encoding(
            planned, self.encoder, requests[0], pixels=need_pixels(requests), scratch=self.scratch
        )
        for request in requests:
            yield prune_begun(
                begun,
                self.encoder,
                request,
                seed=self.seed,
                store_scores=self.store_scores,
                scorer=self.scorer,
            )


def need_pixels(requests: Iterable[PruneRequest]) -> bool:
    """Whether any of them scores pixels."""
    return any("pixels" in request.needs for request in requests)


@dataclass(frozen=True, kw_only=True, eq=False)
class PlannedVideo:
    """One video whose frames are chosen and not yet decoded."""

    video: VideoInput
    source: SourceInfo
    model: ModelInfo
    index: VideoIndex
    plan: FramePlan


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedVideo:
    """One video after the encoder, ready for any number of selections."""

    planned: PlannedVideo
    tokens: VideoTokens
    pixels: PixelSource | None
    """The resized pixels, where they were asked for."""


def plan_video(video: VideoInput, encoder: VideoEncoder) -> PlannedVideo:
    """Look into one video and choose its frames. Raises VideoError; its `stage` says where."""
    with stage("open", video):
        source = source_info(video)
    with stage("index", video):
        index = index_video(video.path)
    with stage("plan", video):
        plan = plan_frames(index, encoder.rules)
    return PlannedVideo(video=video, source=source, model=encoder.info, index=index, plan=plan)


def demand_of(planned: PlannedVideo) -> Demand:
    """What a budget must know of a video."""
    t, h, w = planned.plan.grid_thw
    return Demand(id=planned.video.id, tokens=t * h * w, seconds=planned.plan.duration)


def budget_value(budget: BudgetRule) -> float | str:
    """A budget as a JSON value."""
    return budget.value if isinstance(budget, Fraction) else str(budget)


def encode_video(
    video: VideoInput, encoder: VideoEncoder, *, pixels: bool = False, scratch: Path | None = None
) -> EncodedVideo:
    """Decode and encode one video; `pixels` keeps the resized pixels for methods that score them.

    Raises VideoError for whatever goes wrong with this video; its `stage` says where.
    """
    return encode_planned(plan_video(video, encoder), encoder, pixels=pixels, scratch=scratch)


def encode_planned(
    planned: PlannedVideo,
    encoder: VideoEncoder,
    *,
    pixels: bool = False,
    scratch: Path | None = None,
) -> EncodedVideo:
    """Decode and encode the chosen frames. Raises VideoError with `stage` decode or encode."""
    with stage("encode", planned.video):
        kept = recorded_pixels(planned.plan, scratch) if pixels else None
        with closing(ahead(resized(encoder, planned))) as chunks:
            tokens = encoder.encode(record_pixels(chunks, kept), planned.plan)
        refuse_infinite((tokens.embeds, tokens.deepstack), planned.video)
    return EncodedVideo(
        planned=planned,
        tokens=tokens,
        pixels=None if kept is None else pixel_source(kept, encoder),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class BegunVideo:
    """One video after the first blocks of the encoder, ready for selections inside it."""

    planned: PlannedVideo
    prefix: Prefix
    pixels: PixelSource | None


def begin_encoding(
    planned: PlannedVideo,
    encoder: VideoEncoder,
    request: PruneRequest,
    *,
    pixels: bool = False,
    scratch: Path | None = None,
) -> BegunVideo:
    """Decode the chosen frames and run the first blocks, up to `request.prune_at`.

    Raises VideoError with `stage` decode or encode.
    """
    assert request.prune_at is not None
    with stage("encode", planned.video):
        kept = recorded_pixels(planned.plan, scratch) if pixels else None
        with closing(ahead(resized(encoder, planned))) as chunks:
            recorded = record_pixels(chunks, kept)
            prefix = encoder.begin(recorded, planned.plan, after=request.prune_at)
    source = None if kept is None else pixel_source(kept, encoder)
    return BegunVideo(planned=planned, prefix=prefix, pixels=source)


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
    inputs = PruneInputs(pixels=begun.pixels, scorer=scorer, heads=encoder.shape.heads, seed=seed)
    with stage("prune", video):
        choice = select_windows(request, begun.prefix.windows(), inputs)
    with stage("encode", video):
        tokens = encoder.finish(begun.prefix, choice)
        refuse_infinite((tokens.embeds, tokens.planes), video)
    return pruned_video(
        begun.planned, request, choice.kept, tokens.embeds, tokens.planes, store_scores=store_scores
    )


def resized(encoder: VideoEncoder, planned: PlannedVideo) -> Generator[FrameChunk]:
    """The planned frames at the size the encoder sees."""
    plan = planned.plan
    for chunk in decode_frames(planned.index, plan, chunk_frames=encoder.chunk_frames):
        yield encoder.resize(chunk, plan)


def recorded_pixels(plan: FramePlan, scratch: Path | None) -> Tensor:
    """Room for the resized pixels [F, 3, H, W] uint8 of a video."""
    shape = (len(plan.source_index), 3, *plan.resized_size)
    return allocate(shape, torch.uint8, folder=scratch)


def pixel_source(pixels: Tensor, encoder: VideoEncoder) -> PixelSource:
    """The pixels [F, 3, H, W] uint8 of a video, in the encoder's chunks."""
    return PixelSource(
        chunks=lambda: iter(torch.split(pixels, encoder.chunk_frames)),
        temporal_patch_size=encoder.rules.temporal_patch_size,
    )


def prune_encoded(
    encoded: EncodedVideo,
    request: PruneRequest,
    *,
    query: Query | None = None,
    seed: int = 0,
    store_scores: bool = False,
    scratch: Path | None = None,
) -> PrunedVideo:
    """One selection of an encoded video. Raises VideoError with `stage` prune."""
    with stage("prune", encoded.planned.video):
        inputs = PruneInputs(
            pixels=encoded.pixels, query=None if query is None else query.rows, seed=seed
        )
        kept = select_tokens(request, encoded.tokens, inputs)
        embeds, deepstack = gather_tokens(encoded.tokens, kept.mask, folder=scratch)
    return pruned_video(
        encoded.planned, request, kept, embeds, deepstack, store_scores=store_scores
    )


def pruned_video(
    planned: PlannedVideo,
    request: PruneRequest,
    kept: KeptTokens,
    embeds: Tensor,
    deepstack: Tensor | None,
    *,
    store_scores: bool,
) -> PrunedVideo:
    """What a shard holds: embeds [K, D] and deepstack [L, K, D] of the tokens kept."""
    plan, scores = planned.plan, kept.scores if store_scores else None
    return PrunedVideo(
        info=video_info(planned, request, kept),
        embeds=embeds,
        position_ids=position_ids(kept.mask),
        keep_mask=kept.mask,
        source_index=torch.from_numpy(plan.source_index),
        frame_times=torch.from_numpy(plan.frame_times),
        prompt_times=torch.from_numpy(plan.prompt_times),
        deepstack=deepstack,
        scores=None if scores is None else scores.to(STORED_SCORES),
    )


def video_info(planned: PlannedVideo, request: PruneRequest, kept: KeptTokens) -> VideoInfo:
    """Everything a shard says about the pruned video beside its tensors."""
    plan = planned.plan
    return VideoInfo(
        id=planned.video.id,
        source=planned.source,
        source_fps=plan.source_fps,
        source_frames=plan.source_frames,
        duration=plan.duration,
        source_size=plan.source_size,
        rotation=plan.rotation,
        resized_size=plan.resized_size,
        grid_thw=plan.grid_thw,
        model=planned.model,
        method=request.pruner.name,
        options=request.options,
        budget=request.fraction,
        expected=kept.expected,
        kept=kept.count,
        notes=kept.notes,
    )


def prune_video(
    path: str | Path,
    *,
    method: str,
    budget: float | None = None,
    model: str = MINI,
    options: Mapping[str, OptionValue] | None = None,
    seed: int = 0,
    store_scores: bool = False,
    sampling: Sampling | None = None,
    device: str = "auto",
    dtype: str = "auto",
    chunk_frames: int = 16,
    resize: str = "cpu",
) -> PrunedVideo:
    """Decode, encode and prune one video; nothing is written.

    `budget` is the fraction of tokens kept, 0 < budget <= 1; only method `none` does without. The
    encoder of the last call is
    kept, so that calls in a row load it once. Raises UsageError, ModelError, DeviceError or
    VideoError, each with one line that says what to do.
    """
    path = Path(path)
    request = check_selection(method, budget, options)
    encoder = _encoder(model, device, dtype, chunk_frames, resize, sampling or Sampling())
    pruner = VideoPruner(encoder, request, seed=seed, store_scores=store_scores)
    return pruner(VideoInput(id=path.stem, path=path, root=path.parent))


@lru_cache(maxsize=1)
def _encoder(
    model: str, device: str, dtype: str, chunk_frames: int, resize: str, sampling: Sampling
) -> VideoEncoder:
    return load_encoder(
        model,
        device=device,
        dtype=dtype,
        chunk_frames=chunk_frames,
        resize=resize,
        sampling=sampling,
    )


def record_pixels(chunks: Iterator[FrameChunk], into: Tensor | None) -> Iterator[FrameChunk]:
    """Pass `chunks` through while copying their pixels into `into` [F, 3, H, W] uint8, if any."""
    for chunk in chunks:
        if into is not None:
            into[chunk.start : chunk.start + len(chunk.pixels)] = chunk.pixels
        yield chunk


def ahead(chunks: Generator[FrameChunk]) -> Generator[FrameChunk]:
    """The same chunks, the next one made in a thread while the caller uses the last.

    At most one chunk is made ahead. However the caller stops, `chunks` is closed.
    """
    with closing(chunks), ThreadPoolExecutor(max_workers=1) as worker:
        coming = worker.submit(next, chunks, None)
        while (chunk := coming.result()) is not None:
            coming = worker.submit(next, chunks, None)
            yield chunk


def refuse_infinite(tokens: Iterable[Tensor | None], video: VideoInput) -> None:
    """Raise VideoError where a value is NaN or infinite, as overflow in float16 makes them."""
    for planes in tokens:
        # A sum carries both through, and needs no copy of tokens that may be in a file.
        if planes is not None and not planes.sum(dtype=torch.float32).isfinite():
            dtype = str(planes.dtype).removeprefix("torch.")
            raise VideoError(
                f"{video.path}: the encoder gave values that are not finite in {dtype}; "
                "try --dtype float32, and check the checkpoint's weights",
                stage="encode",
            )
