"""Puts an encoder together: checkpoint, processor rules, device, dtype."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import torch

from evscli.device_errors import device_errors
from evscli.encoders.checkpoint import (
    VisionCheckpoint,
    build_vision,
    read_checkpoint,
    stored_dtype,
)
from evscli.encoders.device import arithmetic_dtype, resolve_device, resolve_dtype
from evscli.encoders.digest import weights_digests
from evscli.encoders.encoder import VideoEncoder
from evscli.encoders.files import Model, find_model
from evscli.encoders.processor import load_video_processor, processor_digest, with_patches
from evscli.errors import UsageError
from evscli.garbage import held_off
from evscli.models.contract import SamplingRules, VisionShape
from evscli.models.spec import load_name
from evscli.records import ModelInfo, Sampling

CHUNK_FRAMES = 16
"""The frames encoded at a time where nothing else is asked for."""

ALGORITHM = 1
"""Raised whenever the same settings would give other tokens than before."""

FIRST = ("fps", "num_frames", "max_frames")
"""The fields of a `Sampling` that stores always name. Others are left out at their default, so that
stores which did not know them go on."""

SMALLER = "free some, name another --device, start fewer --workers, or use --device cpu"
"""The advice where weights do not fit."""

BY_CHECKPOINT = Sampling()
"""Frames chosen as the checkpoint's processor does on its own."""


@held_off()  # most of its time is for modules that it imports
def load_encoder(
    model: Model,
    *,
    device: str = "auto",
    dtype: str = "auto",
    units: Collection[str] | None = None,
    chunk_frames: int | None = None,
    chunk_patches: int | None = None,
    resize: str = "cpu",
    sampling: Sampling = BY_CHECKPOINT,
    revision: str | None = None,
) -> VideoEncoder:
    """Load the vision side of a checkpoint: a folder, a hub id, or `mini`.

    Only the vision weights are read. `dtype="auto"` keeps tokens in the dtype they are stored in,
    and computes in it where the device has arithmetic units for it, else in float32; `units` names
    the dtypes that count as such, by default as `units_of` says. Another dtype is both.
    `chunk_frames` frames go through the tower at a time, by default 16; or, with `chunk_patches`,
    as many whole temporal patches as have at most that number of patches, and at least one.
    `resize="device"` resizes on the device, faster there and approximate. `sampling` takes the
    place of the checkpoint's own values.

    Raises UsageError for a value that is not allowed, ModelError for a checkpoint that cannot be
    used and DeviceError for a device that is not there or has too little memory.
    """
    _check_resize(resize)
    target = resolve_device(device)
    files = find_model(model, revision=revision)
    checkpoint = read_checkpoint(files)
    processor = load_video_processor(files, checkpoint.family)
    family = checkpoint.family
    shape = load_name(family.shape)(checkpoint.config, processor, model=files.name)
    with_patches(processor, shape)
    at_once = CHUNK_FRAMES if chunk_frames is None else chunk_frames
    _check_chunk(at_once, shape.temporal_patch_size)
    chunk = {"chunk_frames": at_once}
    if chunk_patches is not None:
        _check_patches(chunk_patches, chunk_frames)
        # The frames of a chunk, which these are in place of, change no tensor then.
        chunk = {"chunk_patches": chunk_patches}
    rules = load_name(family.rules)(processor, sampling, family.own_fps)
    kept = resolve_dtype(dtype, stored=stored_dtype(checkpoint.weights))
    computed = arithmetic_dtype(dtype, kept=kept, device=target, units=units)
    with device_errors(target, f"for the vision tower of {files.name}", SMALLER):
        vision = build_vision(checkpoint, device=target, dtype=computed)
    info = model_info(checkpoint, processor, shape, kept=kept, computed=computed)
    suffix = None if family.suffix is None else load_name(family.suffix)(vision)
    return VideoEncoder(
        info=info,
        rules=rules,
        settings=_settings(info, rules, processor, chunk=chunk, resize=resize),
        form=load_name(family.pixels)(processor, model=files.name),
        for_grid=partial(load_name(family.tower), vision),
        shape=shape,
        device=target,
        dtype=computed,
        chunk_frames=at_once,
        chunk_patches=chunk_patches,
        suffix=None if suffix is None else suffix.to("cpu", kept),
        resize_on_device=resize == "device",
    )


def model_info(
    checkpoint: VisionCheckpoint,
    processor: Any,
    shape: VisionShape,
    *,
    kept: torch.dtype,
    computed: torch.dtype,
) -> ModelInfo:
    """Return the facts about the model that a shard records; digests are of stored weights."""
    digests = weights_digests(checkpoint.weights)
    return ModelInfo(
        name=checkpoint.name,
        model_type=checkpoint.model_type,
        vision_sha256=digests.stored,
        vision_bf16_sha256=digests.bf16,
        processor_sha256=processor_digest(processor, checkpoint.family),
        dtype=str(kept).removeprefix("torch."),
        embed_dim=shape.embed_dim,
        deepstack_planes=shape.planes,
        patch_size=shape.patch_size,
        temporal_patch_size=shape.temporal_patch_size,
        merge_size=shape.merge_size,
        tokens_per_second=shape.tokens_per_second,
        suffix_tokens=shape.suffix_tokens or None,
        compute_dtype=None if computed == kept else str(computed).removeprefix("torch."),
    )


def _settings(
    info: ModelInfo,
    rules: SamplingRules,
    processor: Any,
    *,
    chunk: Mapping[str, int],
    resize: str,
) -> dict[str, Any]:
    asked = asdict(rules.sampling)
    default = asdict(Sampling())
    sampling = {key: asked[key] for key in asked if key in FIRST or asked[key] != default[key]}
    sampling["min_frames"] = getattr(processor, "min_frames", None)
    settings = {
        "algorithm": ALGORITHM,
        "model_type": info.model_type,
        "vision": info.vision_sha256,
        "processor": info.processor_sha256,
        "sampling": sampling,
        "resize": resize,
        "dtype": info.dtype,
        **chunk,
    }
    if info.compute_dtype is not None:
        settings["compute_dtype"] = info.compute_dtype
    return settings


def _check_resize(resize: str) -> None:
    if resize not in ("cpu", "device"):
        raise UsageError(f"resize {resize!r} is unknown; use cpu (exact) or device (faster)")


def _check_chunk(chunk_frames: int, temporal_patch: int) -> None:
    if chunk_frames < 1 or chunk_frames % temporal_patch:
        nearest = max(1, round(chunk_frames / temporal_patch)) * temporal_patch
        raise UsageError(
            f"chunk-frames must be a multiple of the model's temporal patch of {temporal_patch} "
            f"frames, got {chunk_frames}; try {nearest}"
        )


def _check_patches(chunk_patches: int, chunk_frames: int | None) -> None:
    if chunk_frames is not None:
        raise UsageError("chunk-frames and chunk-patches exclude each other; give one of them")
    if chunk_patches < 1:
        raise UsageError(f"chunk-patches must be 1 or more, got {chunk_patches}")
