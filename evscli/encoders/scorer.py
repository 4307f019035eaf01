"""The weights of STTS's scorer, from a file of their own or from a checkpoint that holds them.

Knows the names they are published under, not what is computed with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from evscli.encoders.files import read_json
from evscli.errors import ModelError

MARK = "temporal_token_scorer."
"""What published names have before the scorer's own; before it stands where the tower is."""

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"


def load_scorer(path: Path, *, width: int) -> dict[str, Tensor]:
    """The scorer's weights by their names inside it, in float32, for hidden states of `width`.

    `path` is a safetensors file or the folder of a checkpoint. Raises ModelError where it holds no
    scorer, or one for another encoder.
    """
    weights: dict[str, Tensor] = {}
    for file in scorer_files(path):
        weights |= read_weights(file)
    check_weights(weights, path, width=width)
    return weights


def scorer_files(path: Path) -> list[Path]:
    """The files that may hold the scorer."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ModelError(f"there is no scorer {path}; name a safetensors file or a checkpoint")
    if not (path / INDEX).is_file():
        return [path / SINGLE]
    names: Mapping[str, str] = read_json(path / INDEX, model=str(path)).get("weight_map", {})
    return [path / name for name in sorted({file for key, file in names.items() if MARK in key})]


def read_weights(path: Path) -> dict[str, Tensor]:
    """The scorer's weights in one file: under the published names, or all of it."""
    try:
        with safe_open(path, framework="pt") as file:
            keys = own_names(file.keys())
            return {name: file.get_tensor(key).float() for name, key in keys.items()}
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"{path} is no readable safetensors file ({error}); get it again"
        ) from error


def own_names(keys: Iterable[str]) -> dict[str, str]:
    """Names inside the scorer -> names in the file."""
    listed = list(keys)
    marked = {key.partition(MARK)[2]: key for key in listed if MARK in key}
    return marked or {key: key for key in listed}


def expected_shapes(width: int, inner: int) -> dict[str, tuple[int, ...]]:
    """Shapes for hidden states of `width` and a network of `inner` units."""
    shapes: dict[str, tuple[int, ...]] = {}
    for part in ("wq", "wk", "wv", "wo"):
        shapes[f"patch_token_pooler.{part}.weight"] = (width, width)
        shapes[f"patch_token_pooler.{part}.bias"] = (width,)
    for part, rows, columns in (("w1", inner, 2 * width), ("w2", inner, inner), ("w3", 1, inner)):
        shapes[f"mlp.{part}.weight"] = (rows, columns)
        shapes[f"mlp.{part}.bias"] = (rows,)
    return shapes


def check_weights(weights: Mapping[str, Tensor], path: Path, *, width: int) -> None:
    """Raise ModelError where they are not those of a scorer for `width`."""
    first = weights.get("mlp.w1.weight", torch.empty(0))
    expected = expected_shapes(width, len(first))
    found: dict[str, Any] = {name: tuple(value.shape) for name, value in weights.items()}
    if missing := sorted(expected.keys() - found.keys()):
        raise ModelError(
            f"{path} holds no whole scorer: {missing[0]} is missing; give the file of an STTS "
            "scorer, or a checkpoint that was trained with one"
        )
    for name, shape in expected.items():
        if found[name] != shape:
            raise ModelError(
                f"{path}: {name} has shape {found[name]} where an encoder of width {width} needs "
                f"{shape}; use the scorer that was trained with this encoder"
            )
