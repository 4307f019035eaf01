"""The check that a served model's vision weights made the tokens of a store."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from evscli.encoders.checkpoint import read_config
from evscli.encoders.files import LocalFolder
from evscli.errors import ModelError, WrongModelError
from evscli.language.identity import (
    ModelIdentity,
    check_shape,
    checkpoint_folder,
    checkpoint_weights,
    is_same,
)
from evscli.language.wrapped import Held
from evscli.models import family_of
from evscli.records import ModelInfo

logger = logging.getLogger(__name__)


def check_served(made_by: ModelInfo, model: str) -> None:
    """Refuse tokens that the vision weights of the served checkpoint did not make.

    `model` is a hub id or a folder. Each kind of tokens is checked once. Raises WrongModelError,
    and ModelError where the model cannot take the tokens at all.
    """
    if (reason := refusal(made_by, model)) is not None:
        raise WrongModelError(reason)


@lru_cache(maxsize=256)
def refusal(made_by: ModelInfo, model: str) -> str | None:
    """Return why a served checkpoint cannot take tokens, in one line, or None where it can."""
    try:
        identity = served_identity(model)
        check_shape(made_by, identity)
    except ModelError as error:
        return str(error)
    same = is_same(made_by, identity)
    if same is None:
        logger.warning(
            "the vision weights of %s are not here or are rounded, so that they are not checked "
            "against those of %r, which made the tokens",
            model,
            made_by.name,
        )
    if same is False:
        return (
            f"the tokens were made by the vision weights of {made_by.name!r}, not those of the "
            f"served {model}: serve {made_by.name!r}, or prune the videos with the served model"
        )
    return None


@lru_cache(maxsize=8)
def served_identity(model: str) -> ModelIdentity:
    """Identify a checkpoint by its folder or hub id. Its weights are digested once a process."""
    weights = checkpoint_weights(model)
    config = {}
    if (folder := checkpoint_folder(model)) is not None:
        config = read_config(LocalFolder(folder, name=folder.name))
    return ModelIdentity(
        model_type=config.get("model_type"),
        width=text_config(config, model).get("hidden_size"),
        held=Held.ABSENT if weights is None else Held.WHOLE,
        weights=weights,
        checkpoints=(model,),
    )


def text_config(config: Mapping[str, Any], model: str) -> Mapping[str, Any]:
    """Return the configuration of the language model inside that of a checkpoint."""
    if config:
        part = family_of(config.get("model_type"), model=model).part
        config = config.get(f"{part}_config") or config
    return config.get("text_config") or config
