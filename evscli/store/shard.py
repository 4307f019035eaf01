"""The tensors of one shard file: written in one fixed order, read without copying, and checked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from evscli.records import PrunedVideo, VideoInfo
from evscli.store.codec import canonical_json
from evscli.store.manifest import entry_of
from evscli.store.quantize import widened
from evscli.store.schema import METADATA_KEY, TensorSpec, layout_problems, tensor_key
from evscli.store.shard_header import (
    ShardHeader,
    damaged_shard,
    metadata_text,
    read_header,
)

BLOCK_BYTES = 8 << 20
"""The bytes that are hashed and written at a time."""

_DTYPE_NAMES = {
    torch.bool: "BOOL",
    torch.uint8: "U8",
    torch.int8: "I8",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.int32: "I32",
    torch.int64: "I64",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float32: "F32",
    torch.float64: "F64",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class ShardPart:
    """One video on its way into a shard."""

    id: str
    description: Mapping[str, Any]
    """The description that the shard will hold of the video."""
    tensors: Mapping[str, Tensor]


class Shard:
    """One open shard. Its tensors are views of the file: pages are read when they are touched."""

    def __init__(self, path: Path, fingerprint: str | None = None) -> None:
        """Open a shard. Raises as `read_header` does."""
        self.path = path
        self.header: ShardHeader = read_header(path, fingerprint, framework="pt")
        self.videos = self.header.videos

    def tensors(self, video_id: str) -> dict[str, Tensor]:
        """Return all tensors of one video by name, those of later releases included."""
        return {
            name: self.header.handle.get_tensor(tensor_key(video_id, name))
            for name in self.header.names[video_id]
        }

    def part(self, video_id: str) -> ShardPart:
        """Return one video as it is, for another shard; additions of later releases go with it."""
        description = self.videos[video_id]
        return ShardPart(id=video_id, description=description, tensors=self.tensors(video_id))

    def problems(self, video_id: str) -> list[str]:
        """Return `tensor_problems` of one video, and a digest that is not its tensors'.

        Raises DamagedError where its description cannot be read.
        """
        tensors = self.tensors(video_id)
        problems = tensor_problems(self.header.described(VideoInfo, video_id), tensors)
        if digest(tensors) != entry_of(self.header, video_id).sha256:
            problems.append("the bytes of its tensors have changed since they were written")
        return problems

    def record(self, video_id: str) -> PrunedVideo:
        """Return one video. Raises DamagedError where its tensors differ from its description."""
        info, tensors = self.header.described(VideoInfo, video_id), self.tensors(video_id)
        if problems := cheap_problems(info, tensors):
            raise damaged_shard(self.path, f"video {video_id!r}: {problems[0]}")
        tensors = widened(info, tensors)
        known = {field.name for field in fields(PrunedVideo)} & tensors.keys()
        return PrunedVideo(info=info, **{name: tensors[name] for name in known})


def specs(tensors: Mapping[str, Tensor]) -> dict[str, TensorSpec]:
    """Return the dtype and shape of each tensor, in safetensors' words."""
    return {
        name: TensorSpec(_DTYPE_NAMES.get(value.dtype, str(value.dtype)), tuple(value.shape))
        for name, value in tensors.items()
    }


def tensor_problems(info: VideoInfo, tensors: Mapping[str, Tensor]) -> list[str]:
    """Return `cheap_problems`, or else differences of the mask from positions, and of the order."""
    if problems := cheap_problems(info, tensors):
        return problems
    mask, positions = tensors["keep_mask"], tensors["position_ids"]
    if "order" in tensors and not _is_order(tensors["order"]):
        problems.append(f"order does not hold the places 0 to {info.kept - 1}, each once")
    elif not torch.equal(mask.nonzero().to(torch.int32), positions):
        problems.append("position_ids are not the kept cells of keep_mask in raster order")
    return problems


def cheap_problems(info: VideoInfo, tensors: Mapping[str, Tensor]) -> list[str]:
    """Return `layout_problems`, or else a mask of another count, or positions outside the grid."""
    if problems := layout_problems(info, specs(tensors)):
        return problems
    if (count := int(torch.count_nonzero(tensors["keep_mask"]))) != info.kept:
        return [f"keep_mask keeps {count} cells where {info.kept} tokens are stored"]
    positions, grid = tensors["position_ids"], info.grid_thw
    ends = torch.stack(positions.aminmax(dim=0)).tolist() if count else [(0, 0, 0)] * 2
    if min(ends[0]) < 0 or any(last >= size for last, size in zip(ends[1], grid, strict=True)):
        return [f"position_ids lie outside the grid {list(grid)}"]
    return []


def _is_order(places: Tensor) -> bool:
    """Return whether `places` [K] are those of K tokens in one order."""
    return torch.equal(places.sort().values, torch.arange(len(places), dtype=places.dtype))


def digest(tensors: Mapping[str, Tensor]) -> str:
    """Return the sha256 over a video's tensors as docs/format.md defines it, in hexadecimal."""
    total = hashlib.sha256()
    for name, spec in sorted(specs(tensors).items()):
        total.update(f"{canonical_json([name, spec.dtype, spec.shape])}\n".encode())
        for block in _blocks(tensors[name]):
            total.update(block)
    return total.hexdigest()


def write_shard(path: Path, fingerprint: str, parts: Sequence[ShardPart]) -> None:
    """Write a new shard file; its bytes depend on the arguments alone.

    Nothing is synced. The partial file is removed on any error. Raises OSError (FileExistsError
    where the path is taken), and ValueError or TypeError where a description is not JSON.
    """
    ordered = _ordered(parts)
    videos = {part.id: part.description for part in parts}
    header = _header(metadata_text(fingerprint, videos), ordered)
    file = path.open("xb")
    try:
        with file:
            file.write(header)
            for _, tensor in ordered:
                for block in _blocks(tensor):
                    file.write(block)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _ordered(parts: Sequence[ShardPart]) -> list[tuple[str, Tensor]]:
    """Return the tensors by keys, wide dtypes first for alignment, then by video and name."""
    keyed = [
        (tensor_key(part.id, name), part.tensors[name])
        for part in parts
        for name in sorted(part.tensors)
    ]
    return sorted(keyed, key=lambda item: -item[1].element_size())


def _header(metadata: str, ordered: Sequence[tuple[str, Tensor]]) -> bytes:
    """Return the length and text of a safetensors header, padded with spaces to 8 bytes."""
    entries: dict[str, Any] = {"__metadata__": {METADATA_KEY: metadata}}
    offset = 0
    for (key, tensor), spec in zip(ordered, specs(dict(ordered)).values(), strict=True):
        ends = [offset, offset := offset + tensor.nbytes]
        entries[key] = {"dtype": spec.dtype, "shape": spec.shape, "data_offsets": ends}
    text = canonical_json(entries).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _blocks(tensor: Tensor) -> Iterator[memoryview]:
    """Yield raw little-endian bytes in raster order, without a second copy of a large tensor."""
    if not tensor.is_contiguous() and tensor.nbytes > BLOCK_BYTES:
        for part in tensor:
            yield from _blocks(part)
        return
    raw = tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy()
    for start in range(0, raw.size, BLOCK_BYTES):
        yield raw[start : start + BLOCK_BYTES].data
