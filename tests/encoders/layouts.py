"""Variants of a checkpoint folder, and plans and frames that fit an encoder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from evscli.encoders import VideoEncoder
from evscli.encoders.early import Prefix
from evscli.encoders.tower import patches_of
from evscli.models.contract import Tower
from evscli.records import FrameChunk, FramePlan


def copy_checkpoint(source: Path, folder: Path, **weights: Tensor | None) -> Path:
    """A copy; `weights` replaces stored tensors by name, None removes one (write _ for a dot)."""
    shutil.copytree(source, folder)
    if weights:
        tensors = load_file(folder / "model.safetensors")
        spelled = {name.replace(".", "_"): name for name in tensors}
        for name, value in weights.items():
            del tensors[spelled[name]]
            if value is not None:
                tensors[spelled[name]] = value
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def shard(folder: Path, *, vision_files: int = 2, prefix: str = "model.visual.") -> list[str]:
    """Split model.safetensors: some files of vision weights, one of the rest; returns names."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    vision = [name for name in tensors if name.startswith("model.visual.")]
    parts: list[dict[str, Tensor]] = [
        {
            prefix + name.removeprefix("model.visual."): tensors[name]
            for name in vision[number::vision_files]
        }
        for number in range(vision_files)
    ]
    parts.append({name: value for name, value in tensors.items() if name not in vision})
    weight_map = {}
    names = [f"model-{n:05}-of-{len(parts):05}.safetensors" for n in range(1, len(parts) + 1)]
    for filename, part in zip(names, parts, strict=True):
        save_file(part, folder / filename, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(part, filename)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return names


def write_sparse(path: Path, tensors: dict[str, Tensor], empty: dict[str, int]) -> None:
    """A safetensors file whose `empty` tensors (name to bytes) are holes that take no disk."""
    sizes = {name: value.nbytes for name, value in tensors.items()}
    header, offset = {}, 0
    for name, size in (sizes | empty).items():
        value = tensors.get(name)
        header[name] = {
            "dtype": "U8" if value is None else "F32",
            "shape": [size] if value is None else list(value.shape),
            "data_offsets": [offset, offset + size],
        }
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for value in tensors.values():
            file.write(value.contiguous().numpy().tobytes())
        file.truncate(8 + len(text) + offset)


def edit_json(path: Path, **changes: Any) -> None:
    """Set values of a JSON object; None removes a key."""
    values = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in values.items() if v is not None}))


def make_plan(encoder: VideoEncoder, frames: int, height: int, width: int) -> FramePlan:
    """A plan that takes every frame of a video of that size at 2 frames per second."""
    index = np.arange(frames)
    size = encoder.rules.resized_size(frames, height, width)
    patch = encoder.rules.temporal_patch_size
    return FramePlan(
        source_index=index,
        frame_times=index / 2,
        prompt_times=encoder.rules.prompt_times(index, 2.0),
        source_fps=2.0,
        source_frames=frames,
        duration=frames / 2,
        source_size=(height, width),
        rotation=0,
        resized_size=size,
        grid_thw=(-(-frames // patch), *encoder.rules.cells(*size)),
    )


def random_frames(frames: int, height: int, width: int, *, seed: int = 0) -> Tensor:
    """[frames, 3, height, width] uint8"""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (frames, 3, height, width), dtype=torch.uint8, generator=generator)


def chunks_of(pixels: Tensor, *lengths: int) -> list[FrameChunk]:
    """Consecutive chunks of these lengths."""
    parts = pixels.split(list(lengths))
    starts = np.cumsum([0, *lengths[:-1]])
    return [
        FrameChunk(start=int(start), pixels=part) for start, part in zip(starts, parts, strict=True)
    ]


def begun(tower: Tower, after: int, chunks: Iterable[Tensor], frames: int) -> Prefix:
    """The first blocks, up to and with `after`, run on all `chunks` of patches [t, S, P]."""
    prefix = Prefix(tower, after, frames)
    for patches in chunks:
        prefix.add(patches)
    return prefix


def masked(
    tower: Tower, patches: Tensor, mask: Tensor, after: int, bias: Tensor | None = None
) -> Any:
    """The whole tower with keys that were dropped hidden from the blocks after `after`."""
    hidden_keys = torch.zeros(mask.shape).masked_fill(~mask, -torch.inf)
    hidden_keys[~mask.flatten(1).any(1)] = 0  # a frame without any key has no softmax
    states, first = {}, after + 1
    with torch.inference_mode():
        hidden = tower.embed(patches)
        for number in range(tower.depth):
            extra = None
            if number == after + 1 and bias is not None:
                extra, first = patches_of(tower, bias), after + 2
            elif number >= first:
                extra = patches_of(tower, hidden_keys)
            hidden = tower.block(number, hidden, extra)
            states[number] = hidden
        return tower.tokens(states)
