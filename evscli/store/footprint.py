"""The bytes that a video will take in a store, from the description it would have there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from evscli.records import VideoInfo
from evscli.store.codec import canonical_json, from_json, to_json
from evscli.store.manifest import Entry
from evscli.store.schema import TensorSpec, expected_layout, shard_name, tensor_key
from evscli.store.shard_header import description_of
from evscli.store.writer import SHARD_BYTES, SHARD_VIDEOS

SOME_DIGEST = "0" * 64
SOME_ERROR = 0.0123


def stored_bytes(info: VideoInfo, *, frames: int, scores: bool = False) -> int:
    """Return the bytes of a video of `frames` sampled frames: tensors, header and manifest line.

    The parts that all videos of a shard or store share are left out, and so is the length of
    offsets in a large shard.
    """
    layout = expected_layout(info, frames=frames, scores=scores)
    tensors = sum(spec.nbytes for spec in layout.values())
    return tensors + _header_bytes(info, layout) + _line_bytes(info)


def _header_bytes(info: VideoInfo, layout: Mapping[str, TensorSpec]) -> int:
    places = {
        tensor_key(info.id, name): {
            "dtype": spec.dtype,
            "shape": spec.shape,
            "data_offsets": [SHARD_BYTES, SHARD_BYTES],
        }
        for name, spec in layout.items()
    }
    if info.store_dtype is not None:
        info = replace(info, store_rms_error=SOME_ERROR, store_max_error=SOME_ERROR)
    said = canonical_json({info.id: description_of(info, SOME_DIGEST)})
    return _length(places) + _length(said)


def _line_bytes(info: VideoInfo) -> int:
    shard = {"shard": shard_name(0, 0), "shard_videos": SHARD_VIDEOS, "shard_bytes": SHARD_BYTES}
    entry = from_json(Entry, {**to_json(info), **shard, "sha256": SOME_DIGEST})
    return _length(entry) + 1


def _length(value: object) -> int:
    """Return the bytes of a value in JSON."""
    return len(canonical_json(value).encode())
