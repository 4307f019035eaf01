"""One video in, one PrunedVideo out: the only place where the stages meet.

index -> plan -> decode -> resize -> encode -> prune -> gather. Nothing here knows about stores,
many videos or terminals.
"""

from __future__ import annotations

import errno
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from evscli.bundled import MINI
from evscli.encoders import VideoEncoder, load_encoder
from evscli.errors import EvsError, StoreError, UsageError, VideoError
from evscli.provenance import provenance, source_info
from evscli.pruners import PruneRequest, check_selection, select_tokens
from evscli.pruners.positions import gather_tokens, position_ids
from evscli.records import (
    FrameChunk,
    FramePlan,
    KeptTokens,
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
        with stage("open", video):
            source = source_info(video)
        with stage("index", video):
            index = index_video(video.path)
        with stage("plan", video):
            plan = plan_frames(index, self.encoder.rules)
        with stage("encode", video):
            tokens, pixels = self._encode(index, plan)
            refuse_infinite(tokens, video)
        with stage("prune", video):
            kept = self._select(tokens, pixels)
            return self._gather(video, source, plan, tokens, kept)

    def _encode(self, index: VideoIndex, plan: FramePlan) -> tuple[VideoTokens, PixelSource | None]:
        with closing(ahead(self._resized(index, plan))) as chunks:
            if "pixels" not in self.request.needs:
                return self.encoder.encode(chunks, plan), None
            shape = (len(plan.source_index), 3, *plan.resized_size)
            pixels = allocate(shape, torch.uint8, folder=self.scratch)
            tokens = self.encoder.encode(record_pixels(chunks, pixels), plan)
        step = self.encoder.chunk_frames
        source = PixelSource(
            chunks=lambda: iter(torch.split(pixels, step)),
            temporal_patch_size=self.encoder.rules.temporal_patch_size,
        )
        return tokens, source

    def _resized(self, index: VideoIndex, plan: FramePlan) -> Generator[FrameChunk]:
        size = self.encoder.chunk_frames
        for chunk in decode_frames(index, plan, chunk_frames=size):
            yield self.encoder.resize(chunk, plan)

    def _select(self, tokens: VideoTokens, pixels: PixelSource | None) -> KeptTokens:
        inputs = PruneInputs(pixels=pixels, seed=self.seed)
        return select_tokens(self.request, tokens, inputs)

    def _gather(
        self,
        video: VideoInput,
        source: SourceInfo,
        plan: FramePlan,
        tokens: VideoTokens,
        kept: KeptTokens,
    ) -> PrunedVideo:
        embeds, deepstack = gather_tokens(tokens, kept.mask, folder=self.scratch)
        scores = kept.scores if self.store_scores else None
        return PrunedVideo(
            info=self._info(video, source, plan, kept),
            embeds=embeds,
            position_ids=position_ids(kept.mask),
            keep_mask=kept.mask,
            source_index=torch.from_numpy(plan.source_index),
            frame_times=torch.from_numpy(plan.frame_times),
            prompt_times=torch.from_numpy(plan.prompt_times),
            deepstack=deepstack,
            scores=None if scores is None else scores.to(STORED_SCORES),
        )

    def _info(
        self, video: VideoInput, source: SourceInfo, plan: FramePlan, kept: KeptTokens
    ) -> VideoInfo:
        return VideoInfo(
            id=video.id,
            source=source,
            source_fps=plan.source_fps,
            source_frames=plan.source_frames,
            duration=plan.duration,
            source_size=plan.source_size,
            rotation=plan.rotation,
            resized_size=plan.resized_size,
            grid_thw=plan.grid_thw,
            model=self.encoder.info,
            method=self.request.pruner.name,
            options=self.request.options,
            budget=self.request.budget,
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


@contextmanager
def stage(name: str, video: VideoInput) -> Iterator[None]:
    """Turn whatever one video does wrong into a VideoError that says where and what next."""
    try:
        yield
    except UsageError:
        raise
    except VideoError as error:
        if str(video.path) in str(error):
            raise
        raise VideoError(f"{video.path}: {error}", stage=error.stage) from error
    except EvsError as error:
        raise VideoError(str(error), stage=name) from error
    except torch.OutOfMemoryError as error:
        raise VideoError(
            f"{video.path}: out of memory on {name}; lower --chunk-frames or use --device cpu",
            stage=name,
        ) from error
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno == errno.ENOSPC:  # the next video would fail as well
            raise StoreError(
                f"{reason} for scratch files; free some, or set TMPDIR to a larger disk, "
                "and run the same command again"
            ) from error
        raise VideoError(
            f"{video.path}: {reason}; check the file and its permissions", stage=name
        ) from error
    except Exception as error:
        first_line = (str(error).splitlines() or [""])[0]
        raise VideoError(
            f"{video.path}: {type(error).__name__} while in {name}: {first_line}; "
            "run again with --debug and report it",
            stage=name,
        ) from error
