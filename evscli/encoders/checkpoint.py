"""The vision part of a checkpoint: its configuration, its weights and nothing else of it.

Of the safetensors files only those that hold vision weights are opened, and of these only the
vision tensors are read, through a mapping: the language model beside them costs neither reads nor
memory. Knows no processor and runs nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from torch import Tensor, nn

from evscli.encoders.digest import own_weights, vision_name
from evscli.encoders.files import INDEX, SINGLE, ModelFiles, opened_weights, read_json, weight_map
from evscli.errors import ModelError
from evscli.models import FamilySpec, family_of
from evscli.models.spec import load_name

LONGEST_REASON = 400
"""Characters of an error of transformers that a message shows."""

WEIGHT_DTYPES = (torch.float32, torch.bfloat16, torch.float16)
"""The dtypes that vision weights may be stored in."""


@dataclass(frozen=True, kw_only=True, eq=False)
class VisionCheckpoint:
    """The parts of a checkpoint that are read before any module is built."""

    name: str
    model_type: str
    family: FamilySpec
    config: Any
    """The family's vision configuration in transformers, or the whole model's."""
    weights: Mapping[str, Tensor]
    """Vision weights as stored, by their name inside the vision tower; mapped to the files."""


def read_checkpoint(files: ModelFiles) -> VisionCheckpoint:
    """Read the vision configuration and weights.

    Raises ModelError for a missing or unusable config.json, an unsupported model type, weights
    that are missing, damaged, not safetensors, or without a vision tower.
    """
    values = read_config(files)
    family = family_of(values.get("model_type"), model=files.name)
    return VisionCheckpoint(
        name=files.name,
        model_type=family.model_type,
        family=family,
        config=_vision_config(values, family, model=files.name),
        weights=read_vision_weights(files, family),
    )


def read_config(files: ModelFiles) -> dict[str, Any]:
    """Read config.json. Raises ModelError where there is none that can be used."""
    path = files.get("config.json")
    if path is None:
        raise ModelError(f"{files.name} has no config.json; name the folder of a model checkpoint")
    return read_json(path, model=files.name)


def family_of_checkpoint(files: ModelFiles) -> FamilySpec:
    """Return the family that config.json names. Raises ModelError as `family_of` does."""
    return family_of(read_config(files).get("model_type"), model=files.name)


def read_vision_weights(files: ModelFiles, family: FamilySpec) -> dict[str, Tensor]:
    """Read vision tensors by their name inside the tower, mapped to the files that hold them."""
    weights: dict[str, Tensor] = {}
    for path, keys in _vision_shards(files, family).items():
        weights |= _read_tensors(path, keys, family, model=files.name)
    if not weights:
        befores = (f"{family.part or 'model'}.", "")
        looked_for = [f"{before}{own}." for before in befores for own in family.vision_modules]
        raise ModelError(
            f"{files.name} has no vision weights ({' or '.join(looked_for)}); "
            "use a vision-language checkpoint"
        )
    weights = own_weights(weights, family)
    for name, value in weights.items():
        if value.dtype not in WEIGHT_DTYPES:
            raise ModelError(
                f"{files.name}: vision weight {name} is stored as {value.dtype}; use a checkpoint "
                "whose vision tower is float32, bfloat16 or float16"
            )
    return weights


def stored_dtype(weights: Mapping[str, Tensor]) -> torch.dtype:
    """Return the narrowest dtype that holds all weights as they are stored."""
    return reduce(torch.promote_types, (value.dtype for value in weights.values()))


def build_vision(
    checkpoint: VisionCheckpoint, *, device: torch.device, dtype: torch.dtype
) -> nn.Module:
    """Return the family's vision tower with the checkpoint's weights, ready for inference.

    Raises ModelError where names or shapes differ from what the configuration asks for.
    """
    vision = _empty_vision(checkpoint)
    _check_weights(vision.state_dict(), checkpoint)
    # A copy even where nothing changes: in a file tensors are not aligned as in memory, which
    # makes some matrix products round differently, and a file may change under a long run.
    weights = {
        name: value.to(device, dtype, copy=True) for name, value in checkpoint.weights.items()
    }
    vision.load_state_dict(weights, assign=True)
    for tower in [part for part in vision.modules() if hasattr(part, "rotary_pos_emb")]:
        # Its frequencies are no weights, so the meta device left none; they stay in float32.
        tower.rotary_pos_emb = type(tower.rotary_pos_emb)(tower.config).to(device)
    return vision.requires_grad_(False).eval()


def _empty_vision(checkpoint: VisionCheckpoint) -> nn.Module:
    """Return the tower on the meta device."""
    config = getattr(checkpoint.config, "vision_config", checkpoint.config)
    depth = config.depth if hasattr(config, "depth") else config.num_hidden_layers
    if depth > len(checkpoint.weights):  # every block has some; building a million takes hours
        raise ModelError(
            f"{checkpoint.name}: its vision weights do not fit its config.json ({depth} blocks, "
            f"and {len(checkpoint.weights)} weights); get the checkpoint again"
        )
    vision_class = load_name(checkpoint.family.vision)
    try:
        with torch.device("meta"):
            vision: nn.Module = vision_class(checkpoint.config)
    except Exception as error:  # whatever the class does with a value it does not know
        reason = " ".join(str(error).split())
        raise ModelError(
            f"{checkpoint.name}: no vision tower can be built as its config.json says "
            f"({type(error).__name__}: {reason}); get the checkpoint again"
        ) from error
    return vision


def _vision_config(values: dict[str, Any], family: FamilySpec, *, model: str) -> Any:
    from transformers import CONFIG_MAPPING  # not needed where weights alone are read

    read = {key: value for key, value in values.items() if key not in family.left_out_of_config}
    try:
        config = CONFIG_MAPPING[values["model_type"]].from_dict(read)
    except Exception as error:  # each family's configuration class has its own validators
        reason = shorten(str(error), LONGEST_REASON)  # one lists all types of models
        raise ModelError(
            f"{model}: config.json is not a valid {values['model_type']} configuration "
            f"({reason}); get the checkpoint again"
        ) from error
    config = part_of(config, family)
    return config if family.whole_config else config.vision_config


def part_of(config: Any, family: FamilySpec) -> Any:
    """Return the configuration of the part of a model that sees and reads, or `config` itself."""
    return config if family.part is None else getattr(config, f"{family.part}_config", config)


def weight_files(files: ModelFiles) -> dict[Path, list[str] | None]:
    """Return the files of all weights, each with its keys, None if only the file lists them.

    Raises ModelError where there are none.
    """
    return _shards(files, lambda _: True)


def _vision_shards(files: ModelFiles, family: FamilySpec) -> dict[Path, list[str] | None]:
    return _shards(files, lambda key: vision_name(key, family) is not None)


def _shards(files: ModelFiles, wanted: Callable[[str], bool]) -> dict[Path, list[str] | None]:
    index = files.get(INDEX)
    if index is None:
        single = files.get(SINGLE)
        if single is None:
            raise ModelError(
                f"{files.name} has no weights {files.place}: neither {INDEX} nor {SINGLE} (pytorch "
                ".bin files are not read); get the checkpoint with its safetensors files"
            )
        return {single: None}
    keys_by_file = defaultdict(list)
    for key, filename in weight_map(index, model=files.name).items():
        if wanted(key):
            keys_by_file[filename].append(key)
    return {_shard_path(files, filename): keys for filename, keys in keys_by_file.items()}


def _shard_path(files: ModelFiles, filename: str) -> Path:
    path = files.get(filename)
    if path is None:
        raise ModelError(
            f"{files.name}: {filename}, named in {INDEX}, is missing {files.place}; "
            "get the checkpoint again"
        )
    return path


def _read_tensors(
    path: Path, keys: Iterable[str] | None, family: FamilySpec, *, model: str
) -> dict[str, Tensor]:
    with opened_weights(path, model=model) as shard:
        named = {key: vision_name(key, family) for key in (shard.keys() if keys is None else keys)}
        return {name: shard.get_tensor(key) for key, name in named.items() if name}


def _check_weights(expected: Mapping[str, Tensor], checkpoint: VisionCheckpoint) -> None:
    found = checkpoint.weights
    wrong = sorted(
        [f"{name} is missing" for name in expected.keys() - found.keys()]
        + [f"{name} is unknown" for name in found.keys() - expected.keys()]
        + [
            f"{name} has shape {tuple(found[name].shape)} instead of {tuple(value.shape)}"
            for name, value in expected.items()
            if name in found and found[name].shape != value.shape
        ]
    )
    if wrong:
        more = f" and {len(wrong) - 1} more differ" if len(wrong) > 1 else ""
        raise ModelError(
            f"{checkpoint.name}: its vision weights do not fit its config.json ({wrong[0]}{more}); "
            "get the checkpoint again"
        )
