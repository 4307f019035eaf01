"""One video in, one PrunedVideo out: the only place where the stages meet.

index -> plan -> decode -> resize -> encode -> prune -> gather. Nothing here knows about stores,
many videos or terminals.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
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
from evscli.errors import VideoError
from evscli.provenance import provenance, source_info
from evscli.pruners import PruneRequest, check_selection, select_tokens
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


class VideoPruner:
    """One encoder and one checked selection, applied to any number of videos.

    `seed` matters for random methods only. `scratch` is the folder for what outgrows memory.
    """

    def __init__(
        self,
        encoder: VideoEncoder,
        request: PruneRequest,
        *,
        seed: int = 0,
        store_scores: bool = False,
        scratch: Path | None = None,
    ) -> None:
        self.encoder = encoder
        self.request = request
        self.seed = seed
        self.store_scores = store_scores
        self.scratch = scratch

    @property
    def config(self) -> RunConfig:
        """The settings that change tensors, and the provenance that does not."""
        method = self.request.pruner
        selection: dict[str, Any] = {
            "method": method.name,
            "algorithm_version": method.algorithm_version,
            "budget": self.request.budget,
            "options": dict(self.request.options),
            "store_scores": self.store_scores,
        }
        if method.random:
            selection["seed"] = self.seed
        return RunConfig(
            settings={"encoder": dict(self.encoder.settings), "selection": selection},
            provenance=provenance(device=str(self.encoder.device)),
        )

    def __call__(self, video: VideoInput) -> PrunedVideo:
        """Prune one video.

        Raises VideoError for whatever goes wrong with this video; its `stage` says where.
        """
        pixels = "pixels" in self.request.needs
        encoded = encode_video(video, self.encoder, pixels=pixels, scratch=self.scratch)
        return prune_encoded(
            encoded,
            self.request,
            seed=self.seed,
            store_scores=self.store_scores,
            scratch=self.scratch,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedVideo:
    """One video after the encoder, ready for any number of selections."""

    video: VideoInput
    source: SourceInfo
    model: ModelInfo
    plan: FramePlan
    tokens: VideoTokens
    pixels: PixelSource | None
    """The resized pixels, where they were asked for."""


def encode_video(
    video: VideoInput, encoder: VideoEncoder, *, pixels: bool = False, scratch: Path | None = None
) -> EncodedVideo:
    """Decode and encode one video; `pixels` keeps the resized pixels for methods that score them.

    Raises VideoError for whatever goes wrong with this video; its `stage` says where.
    """
    with stage("open", video):
        source = source_info(video)
    with stage("index", video):
        index = index_video(video.path)
    with stage("plan", video):
        plan = plan_frames(index, encoder.rules)
    with stage("encode", video):
        shape = (len(plan.source_index), 3, *plan.resized_size)
        kept = allocate(shape, torch.uint8, folder=scratch) if pixels else None
        with closing(ahead(resized(encoder, index, plan))) as chunks:
            tokens = encoder.encode(chunks if kept is None else record_pixels(chunks, kept), plan)
        refuse_infinite(tokens, video)
    return EncodedVideo(
        video=video,
        source=source,
        model=encoder.info,
        plan=plan,
        tokens=tokens,
        pixels=None if kept is None else pixel_source(kept, encoder),
    )


def resized(encoder: VideoEncoder, index: VideoIndex, plan: FramePlan) -> Generator[FrameChunk]:
    """The planned frames at the size the encoder sees."""
    for chunk in decode_frames(index, plan, chunk_frames=encoder.chunk_frames):
        yield encoder.resize(chunk, plan)


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
    seed: int = 0,
    store_scores: bool = False,
    scratch: Path | None = None,
) -> PrunedVideo:
    """One selection of an encoded video. Raises VideoError with `stage` prune."""
    with stage("prune", encoded.video):
        inputs = PruneInputs(pixels=encoded.pixels, seed=seed)
        kept = select_tokens(request, encoded.tokens, inputs)
        embeds, deepstack = gather_tokens(encoded.tokens, kept.mask, folder=scratch)
        scores = kept.scores if store_scores else None
        return PrunedVideo(
            info=video_info(encoded, request, kept),
            embeds=embeds,
            position_ids=position_ids(kept.mask),
            keep_mask=kept.mask,
            source_index=torch.from_numpy(encoded.plan.source_index),
            frame_times=torch.from_numpy(encoded.plan.frame_times),
            prompt_times=torch.from_numpy(encoded.plan.prompt_times),
            deepstack=deepstack,
            scores=None if scores is None else scores.to(STORED_SCORES),
        )


def video_info(encoded: EncodedVideo, request: PruneRequest, kept: KeptTokens) -> VideoInfo:
    """Everything a shard says about the pruned video beside its tensors."""
    plan = encoded.plan
    return VideoInfo(
        id=encoded.video.id,
        source=encoded.source,
        source_fps=plan.source_fps,
        source_frames=plan.source_frames,
        duration=plan.duration,
        source_size=plan.source_size,
        rotation=plan.rotation,
        resized_size=plan.resized_size,
        grid_thw=plan.grid_thw,
        model=encoded.model,
        method=request.pruner.name,
        options=request.options,
        budget=request.budget,
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


def record_pixels(chunks: Iterator[FrameChunk], into: Tensor) -> Iterator[FrameChunk]:
    """Pass `chunks` through while copying their pixels into `into` [F, 3, H, W] uint8."""
    for chunk in chunks:
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


def refuse_infinite(tokens: VideoTokens, video: VideoInput) -> None:
    """Raise VideoError where a value is NaN or infinite, as overflow in float16 makes them."""
    for planes in (tokens.embeds, tokens.deepstack):
        # A sum carries both through, and needs no copy of tokens that may be in a file.
        if planes is not None and not planes.sum(dtype=torch.float32).isfinite():
            dtype = str(planes.dtype).removeprefix("torch.")
            raise VideoError(
                f"{video.path}: the encoder gave values that are not finite in {dtype}; "
                "try --dtype float32, and check the checkpoint's weights",
                stage="encode",
            )
