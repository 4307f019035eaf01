"""The header of a shard: the one metadata key that describes its videos.

No tensor is read here, so listing a store needs no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open

from evscli.errors import DamagedError, StoreError
from evscli.records import VideoInfo
from evscli.store.codec import canonical_json, from_json, json_object, to_json
from evscli.store.schema import (
    FORMAT_VERSION,
    METADATA_KEY,
    QUANTIZED_VERSION,
    RUN_NAME,
    TensorSpec,
    id_problem,
    layout_problems,
    split_key,
    tensor_key,
)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """The content of the text in a shard's header."""

    fingerprint: str
    videos: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class ShardHeader(Metadata):
    """The metadata of a shard; a video is decoded when it is asked for."""

    path: Path
    names: Mapping[str, Sequence[str]]
    """The names of every video's tensors, by id."""
    handle: Any
    """The open file of safetensors."""

    def info(self, video_id: str) -> VideoInfo:
        """Return the description of one video.

        Raises DamagedError where it is incomplete, has values that no video has, or does not fit
        the dtypes and shapes of the tensors.
        """
        info = self.described(VideoInfo, video_id)
        if problems := layout_problems(info, self.layout(video_id)):
            raise damaged_shard(self.path, f"video {video_id!r}: {problems[0]}")
        return info

    def layout(self, video_id: str) -> dict[str, TensorSpec]:
        """Return the dtypes and shapes of one video's tensors; no tensor is read."""
        views = {n: self.handle.get_slice(tensor_key(video_id, n)) for n in self.names[video_id]}
        return {n: TensorSpec(one.get_dtype(), (*one.get_shape(),)) for n, one in views.items()}

    def described(self, kind: type[T], video_id: str, **more: object) -> T:
        """Return a video's description, and `more`, as another record. Raises DamagedError."""
        try:
            return from_json(kind, {**self.videos[video_id], **more, "id": video_id})
        except ValueError as error:
            raise damaged_shard(self.path, f"video {video_id!r}: {error}") from None


def description_of(info: VideoInfo, sha256: str) -> dict[str, Any]:
    """Return the description of one video, with the digest of its tensors, as JSON values."""
    values: dict[str, Any] = to_json(info)
    del values["id"]
    return {**values, "sha256": sha256}


def metadata_text(fingerprint: str, videos: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the text of a shard's metadata key. Raises ValueError or TypeError unless JSON."""
    narrow = any(video.get("store_dtype") for video in videos.values())
    version = QUANTIZED_VERSION if narrow else FORMAT_VERSION
    return canonical_json({"format": version, "fingerprint": fingerprint, "videos": videos})


def read_header(
    path: Path, fingerprint: str | None = None, *, framework: str = "np"
) -> ShardHeader:
    """Return the header of a shard file, whose handle gives tensors of a `framework`.

    Raises DamagedError where the file is missing, not a whole shard, or of a configuration with
    another fingerprint (None matches all); StoreError where it was written by a later release or
    cannot be read.
    """
    handle = open_safetensors(path, framework=framework)
    metadata: Mapping[str, str] = handle.metadata() or {}
    if METADATA_KEY not in metadata:
        raise StoreError(
            f"{path} is not a shard of evs (its header has no {METADATA_KEY!r} metadata): name a "
            "store that evs prune wrote"
        )
    try:
        data = json_object(metadata[METADATA_KEY])
        check_format(path, data)
        content = from_json(Metadata, data)
        for video_id in content.videos:
            if problem := id_problem(video_id):
                raise ValueError(f"video id {video_id!r} {problem}")
    except ValueError as error:
        raise damaged_shard(path, str(error)) from None
    names: dict[str, list[str]] = {video_id: [] for video_id in content.videos}
    for key in handle.keys():  # noqa: SIM118 - it is not a mapping
        video_id, name = split_key(key)
        if video_id not in names:
            raise damaged_shard(path, f"tensor {key!r} belongs to no video")
        names[video_id].append(name)
    if fingerprint not in (None, content.fingerprint):
        raise damaged_shard(path, f"it was made with another configuration than {RUN_NAME}")
    return ShardHeader(**vars(content), path=path, names=names, handle=handle)


def check_format(path: Path, data: Mapping[str, Any]) -> None:
    """Raise StoreError unless this release can read the format; ValueError where none is named."""
    version = data.get("format")
    if type(version) is not int:
        fault = f"must be int, not {type(version).__name__}" if "format" in data else "is missing"
        raise ValueError(f"key 'format' {fault}")
    if version not in (FORMAT_VERSION, QUANTIZED_VERSION):
        raise StoreError(
            f"{path} has format version {version}, this evs reads versions {FORMAT_VERSION} and "
            f"{QUANTIZED_VERSION}: upgrade with pip install --upgrade evscli"
        )


def open_safetensors(path: Path, *, framework: str) -> Any:
    """Open a file by safetensors, its data mapped and not read. Raises as `read_header`."""
    try:
        # safetensors reports a missing file for every file it cannot open; Python gives the reason.
        path.open("rb").close()
        return safe_open(path, framework=framework)
    except FileNotFoundError:
        raise missing_shard(path) from None
    except SafetensorError as error:
        raise damaged_shard(path, str(error).removeprefix("Error while ")) from None
    except OSError as error:
        raise StoreError(
            f"cannot read {path} ({error.strerror or error}): check that it is a file, and its "
            "permissions"
        ) from None


def damaged_shard(path: Path, reason: str) -> DamagedError:
    """Return the error for a shard that does not hold what its header or a manifest lists."""
    return DamagedError(
        f"{path} is damaged ({reason}): delete this file and run the same evs prune command again, "
        "which makes only its videos anew"
    )


def missing_shard(path: Path) -> DamagedError:
    """Return the error for a shard that a manifest names and that is not there."""
    return DamagedError(
        f"{path} is missing: put it back, or run the same evs prune command again, which makes "
        "only its videos anew"
    )
