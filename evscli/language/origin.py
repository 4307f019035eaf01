"""Does this language model carry the vision weights that made a shard?

A shard is only meaningful to the model whose vision tower made it, or to one whose language part
alone was trained further. Digests decide. Knows no prompts and loads no model.
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from torch import Tensor, nn

from evscli.encoders import VisionDigests, vision_digests
from evscli.encoders.checkpoint import read_vision_weights
from evscli.encoders.files import LocalFolder
from evscli.errors import ModelError, WrongModelError
from evscli.language.family import family_of
from evscli.records import ModelInfo

MOLMO2_PARTS = ("vision_tower", "multi_modal_projector")
"""What the inner model of Molmo2 has instead of `visual`."""

_known: WeakKeyDictionary[nn.Module, VisionDigests] = WeakKeyDictionary()


def check_origin(made_by: ModelInfo, *, processor: Any, model: Any, force: bool) -> None:
    """Refuse tokens made by other vision weights than the model's own.

    With `model` its vision weights are digested, once per model object; without it those of the
    checkpoint the tokenizer was loaded from, if they are on this machine. Warns where neither can
    be checked. Raises WrongModelError where they differ (a warning with `force`), and ModelError
    where the model cannot take the tokens at all.
    """
    if model is not None:
        check_shape(made_by, model)
        found, remedy = loaded_digests(model), "its vision weights are absent or quantised"
    else:
        tokenizer = getattr(processor, "tokenizer", processor)
        found, remedy = checkpoint_digests(tokenizer.name_or_path), "pass model= to check them"
    if found is None:
        message = f"vision weights not checked against those of {made_by.name!r}: {remedy}"
        warnings.warn(message, stacklevel=3)
    elif not same_weights(made_by, found):
        refuse(made_by, force=force)


def same_weights(made_by: ModelInfo, found: VisionDigests) -> bool:
    """Equal as they are, or equal in bfloat16 where the model holds no finer values than that.

    The second case is a bfloat16 checkpoint loaded in float32, or a float32 one in bfloat16.
    """
    if found.stored == made_by.vision_sha256:
        return True
    return found.is_bf16 and found.bf16 == made_by.vision_bf16_sha256


def refuse(made_by: ModelInfo, *, force: bool) -> None:
    """Raise WrongModelError, or warn where the caller insists."""
    message = f"these tokens were made by the vision weights of {made_by.name!r}, not this model's"
    if not force:
        raise WrongModelError(
            f"{message}: use {made_by.name!r} in the dtype it is stored in, prune the video again "
            "with this model, or go on with force=True (--force-model)"
        )
    warnings.warn(f"{message}: going on as force was given", stacklevel=4)


def check_shape(made_by: ModelInfo, model: Any) -> None:
    """Raise ModelError unless the model's family and width are those of the tokens."""
    if family_of(model.config.model_type) is not family_of(made_by.model_type):
        raise ModelError(
            f"tokens of a {made_by.model_type} model cannot go into a {model.config.model_type} "
            f"model: use {made_by.name!r}"
        )
    width = model.config.get_text_config().hidden_size
    if width != made_by.embed_dim:
        raise ModelError(
            f"tokens {made_by.embed_dim} wide cannot go into a model {width} wide: "
            f"use {made_by.name!r}"
        )


def loaded_digests(model: nn.Module) -> VisionDigests | None:
    """Digests of a loaded model's vision side; None if it is absent, offloaded or quantised."""
    tower = vision_side(model)
    if tower is None:
        return None
    weights = {name: value for name, value in tower.state_dict().items() if is_vision(name)}
    if not all(map(is_plain, weights.values())):
        return None
    if tower not in _known:
        _known[tower] = vision_digests(weights)
    return _known[tower]


def vision_side(model: nn.Module) -> nn.Module | None:
    """The module that is a model's vision tower, or that holds it beside its connector."""
    part: nn.Module
    for name, part in model.named_modules():
        if name.split(".")[-1] == "visual" or all(hasattr(part, n) for n in MOLMO2_PARTS):
            return part
    return None


def is_vision(name: str) -> bool:
    """Whether a weight inside `vision_side` is not the language model's beside it."""
    return not name.startswith("language_model.")


def is_plain(weight: Tensor) -> bool:
    """Whether its values are at hand, as numbers."""
    return weight.is_floating_point() and not weight.is_meta


def checkpoint_digests(name_or_path: str) -> VisionDigests | None:
    """Digests of a checkpoint in a local folder or the hub's cache; None if it is not there."""
    if not name_or_path:
        return None
    folder = Path(name_or_path)
    if not folder.is_dir():
        try:
            config = try_to_load_from_cache(name_or_path, "config.json")
        except HFValidationError:
            return None
        if not isinstance(config, str):
            return None
        folder = Path(config).parent
    return folder_digests(folder)


@lru_cache(maxsize=8)
def folder_digests(folder: Path) -> VisionDigests | None:
    """Digests of the vision weights in `folder`; None where they are incomplete or absent."""
    try:
        return vision_digests(read_vision_weights(LocalFolder(folder, name=folder.name)))
    except ModelError:
        return None
