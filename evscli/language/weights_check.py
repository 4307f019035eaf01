"""Does this language model carry the vision weights that made a shard?

A shard is only meaningful to the model whose vision tower made it, in whatever dtype that is held,
or to one whose language part alone was trained further or quantised. Digests decide. Knows no
prompts and loads no model.
"""

from __future__ import annotations

import warnings

import torch

from evscli.errors import ModelError, WrongModelError
from evscli.language.identity import (
    ModelIdentity,
    Weights,
    checkpoint_weights,
    rounded_digests,
)
from evscli.language.wrapped import Held
from evscli.models import family_of
from evscli.records import ModelInfo


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
    """Whether the weights are those that made the tokens, in any dtype; None if nothing decides.

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
    """Whether other digests may only mean that values were rounded.

    To float16, which no digest of a shard is of, all of them or some; or some to bfloat16.
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
