"""The weights of STTS's scorer, from a file of their own or from a checkpoint that holds them.

Knows the names they are published under, not what is computed with them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from evscli.encoders.files import INDEX, SINGLE, LocalFolder, ModelFiles, weight_map
from evscli.errors import ModelError

MARK = "temporal_token_scorer."
"""The part of published names between the tower's place and the scorer's own names."""

PARTS = ("patch_token_pooler.", "mlp.")
"""The beginnings of the scorer's own names."""


OWN_FILE = "stts/scorer.safetensors"
"""The name that the file of a scorer has in the folder of its checkpoint.

Serving engines load every safetensors file beside the weights as weights, so it lies below.
"""

RECORD = "evs"
"""The metadata key of the encoder that a scorer is for."""


@dataclass(frozen=True, kw_only=True)
class ScorerRecord:
    """The encoder that a scorer of `evs train scorer` is for."""

    prune_at: int
    """The block after which it looks."""
    vision_bf16_sha256: str
    """The digest of the vision weights that it looks into, in bfloat16."""
    model: str
    """The name of their checkpoint."""


def read_record(path: Path) -> ScorerRecord | None:
    """Return the record in a scorer's file, or in that of a checkpoint's folder, if it has one.

    Raises ModelError for a file that is not readable.
    """
    path = path / OWN_FILE if path.is_dir() else path
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(RECORD)
        if text is None:
            return None
        values = json.loads(text)
        return ScorerRecord(**{name: values[name] for name in ScorerRecord.__annotations__})
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} is not a readable scorer ({error}); get it again") from error


def load_scorer(path: Path, *, width: int) -> dict[str, Tensor]:
    """Return the scorer's weights by their names in it, in float32, for hidden states of `width`.

    `path` is a safetensors file or the folder of a checkpoint. Raises ModelError where it holds no
    scorer, or one for another encoder.
    """
    if path.is_dir():
        found = checkpoint_scorer(LocalFolder(path, name=str(path)), width=width)
        if found is None:
            raise ModelError(
                f"{path} holds no scorer; give the file of an STTS scorer, or a checkpoint that "
                "was trained with one"
            )
        return found
    if not path.is_file():
        raise ModelError(f"{path} does not exist; name a safetensors file or a checkpoint")
    return checked(read_weights(path), str(path), width=width)


def checkpoint_scorer(files: ModelFiles, *, width: int) -> dict[str, Tensor] | None:
    """Return the scorer of a checkpoint: a file of its own, or weights under the published names.

    None is returned where there is neither. Of a hub checkpoint only the files of the scorer are
    fetched, which an index has to name.
    """
    if (path := files.get(OWN_FILE)) is not None:
        return checked(read_weights(path), str(path), width=width)
    weights: dict[str, Tensor] = {}
    for file in scorer_files(files):
        weights |= read_weights(file, published=True)
    return checked(weights, files.name, width=width) if weights else None


def scorer_files(files: ModelFiles) -> list[Path]:
    """Return the files of a checkpoint that may hold a scorer."""
    index = files.get(INDEX)
    if index is not None:
        names = weight_map(index, model=files.name)
        wanted = sorted({file for key, file in names.items() if MARK in key})
    else:
        wanted = [SINGLE] if isinstance(files, LocalFolder) else []
    return [path for file in wanted if (path := files.get(file)) is not None]


def read_weights(path: Path, *, published: bool = False) -> dict[str, Tensor]:
    """Return the scorer's weights in one file, `published` only those under the published names."""
    try:
        with safe_open(path, framework="pt") as file:
            keys = own_names(file.keys(), published=published)
            return {name: file.get_tensor(key).float() for name, key in keys.items()}
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"{path} is not a readable safetensors file ({error}); get it again"
        ) from error


def own_names(keys: Iterable[str], *, published: bool) -> dict[str, str]:
    """Return the file's names by the names inside the scorer, as published or, else, bare."""
    listed = list(keys)
    marked = {key.partition(MARK)[2]: key for key in listed if MARK in key}
    if len(marked) < sum(MARK in key for key in listed):
        raise ModelError("there is more than one scorer in the file; give one with a single scorer")
    if marked or published:
        return marked
    return {key: key for key in listed if key.startswith(PARTS)}


def expected_shapes(width: int, inner: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes for hidden states of `width` and a network of `inner` units."""
    shapes: dict[str, tuple[int, ...]] = {}
    for part in ("wq", "wk", "wv", "wo"):
        shapes[f"patch_token_pooler.{part}.weight"] = (width, width)
        shapes[f"patch_token_pooler.{part}.bias"] = (width,)
    for part, rows, columns in (("w1", inner, 2 * width), ("w2", inner, inner), ("w3", 1, inner)):
        shapes[f"mlp.{part}.weight"] = (rows, columns)
        shapes[f"mlp.{part}.bias"] = (rows,)
    return shapes


def checked(weights: dict[str, Tensor], name: str, *, width: int) -> dict[str, Tensor]:
    """Return the weights. Raises ModelError where they are not those of a scorer for `width`."""
    first = weights.get("mlp.w1.weight", torch.empty(0, 0))
    inner = first.shape[0] if first.ndim == 2 else 0
    expected = expected_shapes(width, max(1, inner))
    found: dict[str, Any] = {name: tuple(value.shape) for name, value in weights.items()}
    if missing := sorted(expected.keys() - found.keys()):
        raise ModelError(
            f"{name} holds no whole scorer: {missing[0]} is missing; give the file of an STTS "
            "scorer, or a checkpoint that was trained with one"
        )
    for key, shape in expected.items():
        if found[key] != shape:
            raise ModelError(
                f"{name}: {key} has shape {found[key]} where an encoder of width {width} needs "
                f"{shape}; use the scorer that was trained with this encoder"
            )
    if not all(value.isfinite().all() for value in weights.values()):
        raise ModelError(
            f"{name} holds NaN or infinite weights; use a scorer whose training did not diverge"
        )
    return weights
