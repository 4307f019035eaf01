"""Finds the family of a checkpoint by its `model_type`: a built-in one, or one of another package.

Other packages add families by entry points of the group `evscli.models`, whose names are model
types and which lead to a `FamilySpec` each. Imports neither torch nor transformers.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points, version
from importlib.util import find_spec

from evscli.errors import ModelError
from evscli.models.spec import FamilySpec

ENTRY_POINT_GROUP = "evscli.models"

EXAMPLE_ID = "Qwen/Qwen3-VL-2B-Instruct"
"""A hub id for messages that show how one is written."""

FOLDERS = (
    "qwen2_5_vl",
    "qwen3_vl",
    "molmo2",
)
"""The folders of the built-in families, each with its `FAMILIES`, in the order of lists."""


@cache
def built_in() -> dict[str, FamilySpec]:
    """Return the built-in families by their `model_type`."""
    folders = (import_module(f"evscli.models.{folder}") for folder in FOLDERS)
    return {spec.model_type: spec for folder in folders for spec in folder.FAMILIES}


@cache
def added() -> dict[str, EntryPoint]:
    """Return the entry points of families that installed packages add; nothing is imported."""
    found = sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name)
    return {point.name: point for point in found if point.name not in built_in()}


def list_families() -> dict[str, str]:
    """Map every supported `model_type` to a one-line summary.

    A family of another package that cannot be used is listed with the reason.
    """
    summaries = {model_type: spec.summary for model_type, spec in built_in().items()}
    for model_type in added():
        try:
            summaries[model_type] = load_added(model_type).summary
        except ModelError as error:
            summaries[model_type] = f"broken: {error}"
    return summaries


def family_of(model_type: object, *, model: str) -> FamilySpec:
    """Return the family of a checkpoint `model` whose configuration says `model_type`.

    Raises ModelError for a type that evs does not support, for one that the installed transformers
    does not have, and for one whose package is broken.
    """
    known = (*built_in(), *added())
    if not isinstance(model_type, str) or model_type not in known:
        raise ModelError(
            f"{model}: model type {model_type!r} is not supported; "
            f"use a checkpoint of type {', '.join(known)}"
        )
    spec = built_in().get(model_type) or load_added(model_type)
    _require_installed(spec, model=model)
    return spec


@cache
def load_added(model_type: str) -> FamilySpec:
    """Import the family that a package adds. Raises ModelError where it is broken."""
    point = added()[model_type]
    package = f"{point.dist.name} {point.dist.version}" if point.dist else "its package"
    mend = f"repair or uninstall {package}"
    try:
        spec = point.load()
    except (Exception, SystemExit) as error:  # whatever a foreign module does when imported
        reason = (str(error).splitlines() or [""])[0]
        raise ModelError(
            f"{point.value} cannot be loaded ({type(error).__name__}: {reason}): {mend}"
        ) from error
    if not isinstance(spec, FamilySpec):
        raise ModelError(f"{point.value} is a {type(spec).__name__} and not a FamilySpec: {mend}")
    if spec.model_type != model_type:
        raise ModelError(
            f"{point.value} has the model type {spec.model_type!r} and not {model_type!r} as its "
            f"entry point: {mend}"
        )
    return spec


def _require_installed(spec: FamilySpec, *, model: str) -> None:
    """Raise ModelError where the installed transformers is older than the family."""
    if spec.since is not None and find_spec(f"transformers.models.{spec.model_type}") is None:
        raise ModelError(
            f"{model}: model type {spec.model_type!r} needs transformers {spec.since} or newer, "
            f"and {version('transformers')} is installed; run pip install -U "
            f"'transformers>={spec.since}'"
        )
