"""Finds the family of a checkpoint by its `model_type`: a built-in one, or one of another package.

Other packages add families by entry points of the group `evscli.models`, whose names are model
types and which lead to a `FamilySpec` each. Imports neither torch nor transformers.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import version

from evscli.added import Added
from evscli.errors import ModelError
from evscli.models.spec import FamilySpec

ADDED = Added(
    group="evscli.models",
    kind=FamilySpec,
    noun="model family",
    name_of=lambda spec: spec.model_type,
)
"""The families of other packages."""

_load = cache(ADDED.load)
"""The function that returns the family a package adds, or the reason why it cannot be used."""

EXAMPLE_ID = "Qwen/Qwen3-VL-2B-Instruct"
"""A hub id for messages that show how one is written."""

FOLDERS = (
    "qwen2_5_vl",
    "qwen3_vl",
    "qwen3_5",
    "qwen_omni",
    "llava_onevision",
    "internvl",
    "glm4v",
    "videollama3",
    "molmo2",
    "nemotron_h_omni",
    "smolvlm",
)
"""The folders of the built-in families, each with its `FAMILIES`, in the order of lists."""


@cache
def built_in() -> dict[str, FamilySpec]:
    """Return the built-in families by their `model_type`."""
    folders = (import_module(f"evscli.models.{folder}") for folder in FOLDERS)
    return {spec.model_type: spec for folder in folders for spec in folder.FAMILIES}


def added_names() -> tuple[str, ...]:
    """Return the model types that installed packages add to the built-in ones."""
    return tuple(name for name in ADDED.names if name not in built_in())


def list_families() -> dict[str, str]:
    """Map every supported `model_type` to a one-line summary.

    A family of another package that cannot be used is listed with the reason.
    """
    summaries = {model_type: spec.summary for model_type, spec in built_in().items()}
    for model_type in added_names():
        loaded = _load(model_type)
        summaries[model_type] = f"broken: {loaded}" if isinstance(loaded, str) else loaded.summary
    return summaries


def family_of(model_type: object, *, model: str) -> FamilySpec:
    """Return the family of a checkpoint `model` whose configuration says `model_type`.

    Raises ModelError for a type that evs does not support, for one that the installed transformers
    does not have, and for one whose package is broken.
    """
    known = (*built_in(), *added_names())
    if not isinstance(model_type, str) or model_type not in known:
        raise ModelError(
            f"{model}: model type {model_type!r} is not supported; "
            f"use a checkpoint of type {', '.join(known)}"
        )
    spec = built_in().get(model_type) or _load(model_type)
    if isinstance(spec, str):
        raise ModelError(f"{model}: model type {model_type!r} is broken: {spec}")
    _require_installed(spec, model=model)
    return spec


def _require_installed(spec: FamilySpec, *, model: str) -> None:
    """Raise ModelError where the installed transformers is older than the family."""
    if spec.since is None:
        return
    installed = version("transformers")
    if release(installed) < release(spec.since):
        raise ModelError(
            f"{model}: model type {spec.model_type!r} needs transformers {spec.since} or newer, "
            f"and {installed} is installed; run pip install -U 'transformers>={spec.since}'"
        )


def release(version: str) -> tuple[int, ...]:
    """Return the first two numbers of a version."""
    return tuple(map(int, version.split(".")[:2]))
