"""The identity of a language model's vision weights, and whether they are those that made a shard.

A shard is only meaningful to the model whose vision tower made it, in whatever dtype that is held,
or to one whose language part alone was trained further or quantised. Digests decide, which travel
to other processes: those of a loaded model, or of a checkpoint on this machine where no model is at
hand. No model is loaded here.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from torch import Tensor, nn

from evscli.bundled import MINI, MINI_FOLDER
from evscli.encoders.checkpoint import family_of_checkpoint, read_vision_weights
from evscli.encoders.digest import VisionDigests, weights_digests
from evscli.encoders.files import LocalFolder
from evscli.errors import ModelError, WrongModelError
from evscli.language.wrapped import Held, inner_model, vision_side
from evscli.models import family_of
from evscli.records import ModelInfo

Dtypes = tuple[tuple[str, torch.dtype], ...]

State = tuple[tuple[int, int], ...]
"""The address of each weight, and how often it was written in place."""

_known: WeakKeyDictionary[nn.Module, tuple[State, Held, Weights | None]] = WeakKeyDictionary()


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Vision weights, by their digests."""

    digests: VisionDigests
    dtypes: Dtypes
    """The dtype of every weight by its name inside the vision tower."""


@dataclass(frozen=True, kw_only=True)
class ModelIdentity:
    """The facts about a model that decide whether tokens may go into it."""

    model_type: str | None
    """The type of its checkpoint; None without a model."""
    width: int | None
    """The width of its token embeddings; None without a model."""
    held: Held
    weights: Weights | None
    """The vision weights; None unless they are whole."""
    checkpoints: tuple[str, ...]
    """Hub ids and folders that it may have been loaded from."""


def identity_of(model: nn.Module) -> ModelIdentity:
    """Identify a loaded model, whatever wraps it. Raises UsageError.

    Its weights are digested once, and again where they were written or replaced since.
    """
    inner, side = inner_model(model), vision_side(model)
    state = state_of(side.weights) if side.held is Held.WHOLE else ()
    known = _known.get(inner)
    if known is None or known[:2] != (state, side.held):
        weights = weights_of(side.weights) if side.held is Held.WHOLE else None
        known = _known[inner] = state, side.held, weights
    _, held, weights = known
    return ModelIdentity(
        model_type=inner.config.model_type,
        width=inner.config.get_text_config().hidden_size,
        held=held,
        weights=weights,
        checkpoints=(inner.name_or_path,),
    )


def state_of(weights: Mapping[str, Tensor]) -> State:
    """Return a state that changes when weights are written in place or replaced."""
    return tuple(
        (weight.data_ptr(), 0 if weight.is_inference() else weight._version)
        for weight in weights.values()
    )


def identity_beside(processor: Any) -> ModelIdentity:
    """Identify the checkpoint that a processor or tokenizer was loaded from, if it is here."""
    tokenizer = getattr(processor, "tokenizer", processor)
    weights = checkpoint_weights(tokenizer.name_or_path)
    return ModelIdentity(
        model_type=None,
        width=None,
        held=Held.ABSENT if weights is None else Held.WHOLE,
        weights=weights,
        checkpoints=(),
    )


def weights_of(weights: Mapping[str, Tensor]) -> Weights:
    """Return the digests and dtypes of vision weights."""
    return Weights(
        digests=weights_digests(weights),
        dtypes=tuple((name, value.dtype) for name, value in sorted(weights.items())),
    )


def checkpoint_weights(name: str) -> Weights | None:
    """Return the weights of a checkpoint on this machine; None if it is absent or incomplete."""
    folder = checkpoint_folder(name)
    return None if folder is None else folder_weights(folder)


def rounded_digests(name: str, stored: str, dtypes: Dtypes) -> frozenset[str] | None:
    """Return the digests that a checkpoint's vision weights have when they are held in `dtypes`.

    They are digests as loaded, and as loaded from a copy in float16 or bfloat16. None is returned
    unless the checkpoint is on this machine and its weights have the digest `stored`.
    """
    folder = checkpoint_folder(name)
    found = None if folder is None else folder_weights(folder)
    if folder is None or found is None or found.digests.stored != stored:
        return None
    return _rounded(folder, dtypes)


@lru_cache(maxsize=8)
def folder_weights(folder: Path) -> Weights | None:
    """Return the weights of the checkpoint in `folder`; None if incomplete or absent."""
    try:
        return weights_of(folder_tensors(folder))
    except ModelError:
        return None


def folder_tensors(folder: Path) -> dict[str, Tensor]:
    """Read the vision weights of the checkpoint in `folder`. Raises ModelError."""
    files = LocalFolder(folder, name=folder.name)
    return read_vision_weights(files, family_of_checkpoint(files))


@lru_cache(maxsize=8)
def _rounded(folder: Path, dtypes: Dtypes) -> frozenset[str]:
    weights = folder_tensors(folder)
    if weights.keys() != {name for name, _ in dtypes}:
        return frozenset()
    copies = (None, torch.float16, torch.bfloat16)
    return frozenset(
        weights_digests({n: weights[n].to(copy or width).to(width) for n, width in dtypes}).stored
        for copy in copies
    )


def checkpoint_folder(name: str) -> Path | None:
    """Return the folder of `mini`, of a local checkpoint or of one in the hub's cache."""
    if not name:
        return None
    folder = MINI_FOLDER if name == MINI else Path(name)
    if folder.is_dir():
        return folder
    try:
        config = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        return None
    return Path(config).parent if isinstance(config, str) else None


def check_weights(made_by: ModelInfo, model: ModelIdentity, *, force: bool) -> None:
    """Refuse tokens made by other vision weights than the model's own.

    Warns where that cannot be decided. Raises WrongModelError where they differ, or are quantised
    and nothing says what they were (a warning with `force`), and ModelError where the model cannot
    take the tokens at all.
    """
    check_shape(made_by, model)
    same = is_same(made_by, model)
    if same is False:
        refuse(
            f"these tokens were made by the vision weights of {made_by.name!r}, not this model's",
            f"use {made_by.name!r}, prune the video again with this model",
            force=force,
        )
    elif same is None and model.held is Held.QUANTISED:
        refuse(
            "the vision weights of this model are quantised, and those that made these tokens "
            f"({made_by.name!r}) are not",
            "load the model with its vision tower left out of quantisation",
            force=force,
        )
    elif same is None:
        warnings.warn(not_checked(made_by, model), stacklevel=3)


def is_same(made_by: ModelInfo, model: ModelIdentity) -> bool | None:
    """Return whether the weights made the tokens, in any dtype; None if nothing decides.

    Values may have been rounded in a way that digests cannot follow (`is_rounded`): then the
    weights that made the tokens are rounded likewise, where a checkpoint on this machine has them.
    """
    # Weights that are not whole in memory are taken for those of the checkpoint they came from.
    weights = model.weights or next(filter(None, map(checkpoint_weights, model.checkpoints)), None)
    if weights is None:
        return None
    digests = weights.digests
    if made_by.vision_sha256 in (digests.stored, digests.f16):
        return True
    if digests.is_bf16 and digests.bf16 == made_by.vision_bf16_sha256:
        return True
    for name in (*model.checkpoints, made_by.name):
        rounded = rounded_digests(name, made_by.vision_sha256, weights.dtypes)
        if rounded is not None:
            return digests.stored in rounded
    return None if is_rounded(made_by, weights) else False


def is_rounded(made_by: ModelInfo, weights: Weights) -> bool:
    """Return whether other digests may only mean that values were rounded.

    All or some may be rounded to float16, which no digest of a shard is of, or some to bfloat16.
    """
    dtypes = {dtype for _, dtype in weights.dtypes}
    some_bf16 = len(dtypes) > 1 and weights.digests.bf16 == made_by.vision_bf16_sha256
    return weights.digests.f16 is not None or torch.float16 in dtypes or some_bf16


def refuse(message: str, remedy: str, *, force: bool) -> None:
    """Raise WrongModelError, or warn where the caller insists."""
    if not force:
        raise WrongModelError(f"{message}: {remedy}, or go on with force=True (--force-model)")
    warnings.warn(f"{message}: going on as force was given", stacklevel=4)


def not_checked(made_by: ModelInfo, model: ModelIdentity) -> str:
    """Return one line about weights that cannot be checked."""
    message = f"vision weights not checked against those of {made_by.name!r}"
    if model.weights is not None:
        return (
            f"{message}: they are rounded, and the checkpoint that made these tokens is not on "
            "this machine to compare with"
        )
    if model.model_type is None:
        return f"{message}: pass model= to check them"
    return f"{message}: they are {model.held.value}"


def check_shape(made_by: ModelInfo, model: ModelIdentity) -> None:
    """Raise ModelError unless the model's family and width are those of the tokens."""
    if model.model_type is None:
        return
    theirs = family_of(model.model_type, model="this model")
    if theirs.prompt != family_of(made_by.model_type, model=made_by.name).prompt:
        raise ModelError(
            f"tokens of a {made_by.model_type} model cannot go into a {model.model_type} "
            f"model: use {made_by.name!r}"
        )
    if model.width != made_by.embed_dim:
        raise ModelError(
            f"tokens {made_by.embed_dim} wide cannot go into a model {model.width} wide: "
            f"use {made_by.name!r}"
        )
