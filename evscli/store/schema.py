"""The names on disk: files, ids, tensor keys, and the table of tensors that one video has.

docs/format.md is the norm that this module writes down in code.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Mapping
from dataclasses import dataclass
from math import prod
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from evscli.errors import UsageError
from evscli.records import INPUT, ModelInfo, VideoInfo

FORMAT_VERSION = 1

QUANTIZED_VERSION = 2
"""The format version of a shard with tokens in a store dtype, which version 1 would misread."""

METADATA_KEY = "evs"
"""The only key of a shard's `__metadata__`; several would be written in random order."""

RUN_NAME = "run.json"

MANIFEST, FAILURES, TRACEBACKS, DEVICES = "manifest", "failures", "tracebacks", "devices"
"""The kinds of files of lines, of which every writer has its own."""

EMBED_DTYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
"""The dtype names of embeddings in torch and in safetensors."""

STORE_DTYPES = {"bfloat16": "BF16", "float16": "F16", "float8": "F8_E4M3", "int8": "I8"}
"""The narrower dtypes of embeddings, in the words of `--store-dtype` and of safetensors."""

AUTO_STORE_DTYPE = "auto"
"""The store dtype that is the one tokens were computed in."""

SCALED = frozenset({"float8", "int8"})
"""The store dtypes with a scale for every row."""

ITEM_BYTES = {
    "BOOL": 1,
    "I8": 1,
    "F8_E4M3": 1,
    "F16": 2,
    "BF16": 2,
    "I32": 4,
    "F32": 4,
    "I64": 8,
    "F64": 8,
}
"""The bytes of a value of every dtype that the table of tensors names."""


class Between(NamedTuple):
    """The least and the most that a number, or every one of several, may be."""

    least: float
    most: float

    def __contains__(self, value: Any) -> bool:
        if isinstance(value, tuple):
            return all(number in self for number in value)
        return bool(self.least <= value <= self.most)

    def __str__(self) -> str:
        return f"{self.least:g} to {self.most:g}"


class Places(Between):
    """The blocks of an encoder, and the place before the first."""

    def __contains__(self, value: Any) -> bool:
        return value == INPUT or super().__contains__(value)

    def __str__(self) -> str:
        return f"{super().__str__()} or {INPUT}"


_NUMBERS = {
    (0, 1e15): "source.size expected kept damaged_frames duration part.start part.end "
    "part.first_frame part.source_seconds model.deepstack_planes store_rms_error store_max_error",
    (1, 1e15): "grid_thw count_rule.least part.segments model.embed_dim model.patch_size "
    "model.merge_size model.temporal_patch_size model.suffix_tokens",
    (1, 2**28): "source_frames",
    (1, 2**16): "source_size resized_size",
    (1e-12, 1e12): "source_fps model.tokens_per_second",
    (1e-12, 1): "budget",
}
_ALLOWED: Mapping[str, Container[object]] = {
    **{name: Between(*ends) for ends, names in _NUMBERS.items() for name in names.split()},
    "prune_at": Places(0, 1e15),
    "rotation": (0, 90, 180, 270),
    "store_dtype": (*STORE_DTYPES,),
    "model.dtype": (*EMBED_DTYPES,),
    "model.compute_dtype": (*EMBED_DTYPES,),
}
"""The values that each key of a description may have."""

_SHARD = re.compile(r"shard-(\d+)-(\d{5,})\.safetensors")
_WRITER = re.compile(
    r"shard-(\d+)-\d{5,}\.safetensors|(?:manifest|failures)-(\d+)\.jsonl|writer-(\d+)\.lock"
    r"|\.writer-(\d+)"
)
_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}


@dataclass(frozen=True)
class TensorSpec:
    """The dtype of a tensor, as safetensors spells it, and its shape."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """The bytes of such a tensor."""
        return ITEM_BYTES[self.dtype] * prod(self.shape)

    def __str__(self) -> str:
        return f"{self.dtype} [{', '.join(map(str, self.shape))}]"


def shard_name(writer: int, number: int) -> str:
    """Return `shard-<writer>-<number>.safetensors`, the number in five digits or more."""
    return f"shard-{writer}-{number:05d}.safetensors"


def lines_path(folder: Path, kind: str, writer: int) -> Path:
    """Return `<kind>-<writer>.jsonl`, a writer's lines of a kind."""
    return folder / f"{kind}-{writer}.jsonl"


def shard_number(name: str) -> tuple[int, int] | None:
    """Return (writer, number) of a shard's file name; None for another file."""
    match = _SHARD.fullmatch(name)
    return (int(match[1]), int(match[2])) if match else None


def list_shards(folder: Path) -> list[Path]:
    """Return the shards of a store by writer, then number."""
    found = [(key, path) for path in folder.iterdir() if (key := shard_number(path.name))]
    return [path for _, path in sorted(found)]


def list_lines(folder: Path, kind: str) -> list[Path]:
    """Return the files of one kind of all writers, in the order of writers."""
    pattern = re.compile(rf"{kind}-(\d+)\.jsonl")
    found = [(int(m[1]), path) for path in folder.iterdir() if (m := pattern.fullmatch(path.name))]
    return [path for _, path in sorted(found)]


def list_writers(folder: Path) -> list[int]:
    """Return the numbers of all writers that have left anything in a store."""
    found = filter(None, (_WRITER.fullmatch(path.name) for path in folder.iterdir()))
    return sorted({int(match[match.lastindex or 0]) for match in found})


def staging_folder(folder: Path, writer: int) -> Path:
    """Return `.writer-<writer>/`."""
    return folder / f".writer-{writer}"


def id_problem(video_id: str) -> str | None:
    """Return why a text cannot be a video's id, or None if it can."""
    parts = video_id.split("/")
    if not video_id:
        return "is empty"
    if video_id.startswith("/"):
        return "starts with '/'"
    if "" in parts:
        return "has an empty part between or after '/'"
    if "." in parts or ".." in parts:
        return "has a part '.' or '..'"
    if any(unicodedata.category(character) in _UNPRINTABLE for character in video_id):
        return "holds a control character or bytes that are not UTF-8"
    if not unicodedata.is_normalized("NFC", video_id):
        return "is not in Unicode normal form NFC"
    return None


def check_id(video_id: str) -> None:
    """Raise UsageError unless the text can be a video's id."""
    if problem := id_problem(video_id):
        raise UsageError(f"video id {video_id!r} {problem}: rename the file or give another id")


def tensor_key(video_id: str, name: str) -> str:
    """Return `<id>/<name>`."""
    return f"{video_id}/{name}"


def split_key(key: str) -> tuple[str, str]:
    """Return (id, tensor name) of a key: an id may hold '/', a tensor's name never does."""
    video_id, _, name = key.rpartition("/")
    return video_id, name


def expected_layout(info: VideoInfo, *, frames: int, scores: bool = False) -> dict[str, TensorSpec]:
    """Return every tensor that a video must have, for F = `frames` sampled frames.

    `scores` adds those that are kept on request.
    """
    model, grid = info.model, info.grid_thw
    embeds = _kept_in(model.dtype, info.store_dtype)
    layout = {
        "embeds": TensorSpec(embeds, (info.kept, model.embed_dim)),
        "position_ids": TensorSpec("I32", (info.kept, 3)),
        "keep_mask": TensorSpec("BOOL", grid),
        "source_index": TensorSpec("I64", (frames,)),
        "frame_times": TensorSpec("F64", (frames,)),
        "prompt_times": TensorSpec("F64", (grid[0],)),
    }
    if model.deepstack_planes:
        planes = (model.deepstack_planes, info.kept, model.embed_dim)
        layout["deepstack"] = TensorSpec(embeds, planes)
    if model.suffix_tokens:
        width = (model.suffix_tokens, model.embed_dim)
        layout["suffix"] = TensorSpec(EMBED_DTYPES[model.dtype], width)
    if info.store_dtype in SCALED:
        for name in layout.keys() & {"embeds", "deepstack"}:
            layout[f"{name}_scale"] = TensorSpec("F32", layout[name].shape[:-1])
    if scores:
        layout["scores"] = TensorSpec("F16", grid)
    if info.count_rule is not None:
        layout["order"] = TensorSpec("I32", (info.kept,))
    return layout


def resolve_store_dtype(name: str, *, computed: str) -> str | None:
    """Return the stored dtype that `--store-dtype` means; None for the dtype of the computation.

    Raises UsageError for an unknown name.
    """
    if name != AUTO_STORE_DTYPE and name not in STORE_DTYPES:
        known = ", ".join((AUTO_STORE_DTYPE, *STORE_DTYPES))
        raise UsageError(f"store dtype {name!r} is unknown; use one of {known}")
    return None if name in (AUTO_STORE_DTYPE, computed) else name


def token_bytes(model: ModelInfo, store_dtype: str | None = None) -> int:
    """Return the bytes of one kept token in a shard: its embedding, DeepStack planes and scales."""
    planes = 1 + model.deepstack_planes
    width = ITEM_BYTES[_kept_in(model.dtype, store_dtype)]
    scales = ITEM_BYTES["F32"] * planes if store_dtype in SCALED else 0
    return planes * model.embed_dim * width + scales


def _kept_in(computed: str, store_dtype: str | None) -> str:
    """Return the dtype of tokens in a shard, in safetensors' words."""
    return EMBED_DTYPES[computed] if store_dtype is None else STORE_DTYPES[store_dtype]


def value_problems(info: VideoInfo) -> list[str]:
    """Return the keys of a description whose values no video has; empty if all is well."""
    absent = {name for name in ("part", "count_rule") if getattr(info, name) is None}
    names = [name for name in _ALLOWED if name.partition(".")[0] not in absent]
    return [
        f"key {name!r} is {value!r}, not in {_ALLOWED[name]}"
        for name, value in zip(names, attrgetter(*names)(info), strict=True)
        if value is not None and value not in _ALLOWED[name]
    ]


def layout_problems(info: VideoInfo, found: Mapping[str, TensorSpec]) -> list[str]:
    """Return where a description, or a video's tensors beside it, are wrong; empty if all is well.

    Values that no video has are returned alone.
    """
    if problems := value_problems(info):
        return problems
    index = found.get("source_index")
    frames = index.shape[0] if index and index.shape else 0
    expected = expected_layout(info, frames=frames, scores="scores" in found)
    problems = [f"{name} is missing" for name in expected if name not in found]
    problems += [
        f"{name} is {found[name]} where {spec} was expected"
        for name, spec in expected.items()
        if name in found and found[name] != spec
    ]
    if "deepstack" in found and "deepstack" not in expected:
        problems.append("deepstack is there, but the model has none")
    if index and -(-frames // (size := info.model.temporal_patch_size)) != info.grid_thw[0]:
        problems.append(f"{frames} frames are not {info.grid_thw[0]} temporal patches of {size}")
    return problems
