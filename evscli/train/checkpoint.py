"""Checkpoints of a training run: one safetensors file that appears whole or not at all.

Training that goes on from one gives the same weights as training that was never stopped.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from evscli.errors import UsageError
from evscli.store.durable import make_folder, replace_file
from evscli.train.task import Plan

TrainingReport = dict[str, Any]

CHECKPOINT_FILE = "training.safetensors"
RECORD = "evs"
"""The one metadata key: several would be written in random order."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingProgress:
    """The state of a run between two steps, except for the weights."""

    step: int = 0
    """The number of steps done."""
    seconds: float = 0.0
    """The seconds that they took, over all sessions."""
    history: list[TrainingReport] = field(default_factory=list)
    """The reports so far."""
    machines: list[dict[str, Any]] = field(default_factory=list)
    """The machines of the run, one after the other."""
    algorithms: list[int] = field(default_factory=list)
    """The versions of the training in this run, one after the other."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint(TrainingProgress):
    """A run that can go on."""

    tensors: Mapping[str, Tensor]


def save_checkpoint(folder: Path, plan: Plan, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint in `folder`, durably."""
    record = {each.name: getattr(checkpoint, each.name) for each in fields(TrainingProgress)}
    record |= {"plan": plan.values(), "seconds": round(checkpoint.seconds, 1)}
    tensors = {name: tensor.contiguous() for name, tensor in checkpoint.tensors.items()}
    make_folder(folder)
    replace_file(
        folder / CHECKPOINT_FILE, save(tensors, {RECORD: json.dumps(record, sort_keys=True)})
    )


def goes_on(folder: Path, plan: Plan) -> bool:
    """Return whether a run is under way in `folder`. Raises UsageError as `load_checkpoint` does.

    The digest of the data may not be known yet, and is not compared then.
    """
    return load_checkpoint(folder, plan, weights=False) is not None


def load_checkpoint(folder: Path, plan: Plan, *, weights: bool = True) -> Checkpoint | None:
    """Load the checkpoint in `folder`, or return None where there is none.

    Without `weights` it comes without tensors. Raises UsageError where it belongs to another plan,
    or cannot be read.
    """
    path = folder / CHECKPOINT_FILE
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            record = json.loads(file.metadata()[RECORD])
            made_by = record["plan"]
            found = Checkpoint(
                step=record["step"],
                seconds=record["seconds"],
                history=record["history"],
                machines=record["machines"],
                algorithms=record.get("algorithms", [made_by["algorithm"]]),
                tensors={name: file.get_tensor(name) for name in file.keys() if weights},  # noqa: SIM118
            )
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise unreadable(path, error) from error
    refuse_other_plan(path, made_by, plan, step=found.step)
    if not 0 <= found.step <= plan.total:
        raise unreadable(path, f"it is of step {found.step} of {plan.total}")
    if torn := torn_states(found.tensors):
        raise unreadable(path, f"the state of {torn[0]} is not whole")
    return found


def torn_states(names: Iterable[str]) -> list[str]:
    """Return the weights of which the optimizer has a part of its state alone.

    It has none of a weight that nothing has reached so far.
    """
    states = defaultdict(set)
    for name in names:
        weight, _, part = name.rpartition("/")
        if weight.startswith("adamw/"):
            states[weight].add(part)
    whole = set().union(*states.values())
    return sorted(weight for weight, parts in states.items() if parts != whole)


def unreadable(path: Path, reason: object) -> UsageError:
    """Return the error for a checkpoint that is not whole."""
    return UsageError(
        f"{path} cannot be read ({reason}): remove it to start again, or choose another folder"
    )


def refuse_other_plan(
    path: Path, found: Mapping[str, float | str], plan: Plan, *, step: int
) -> None:
    """Raise UsageError where the settings `found`, after `step` steps, are not those of `plan`.

    The number of `more` steps does not matter before they begin. Steps that a former version of the
    training has finished may be followed by `more` steps of this one.
    """
    asked = plan.values()
    if asked.get("data") == "":
        del asked["data"]
    if step <= plan.steps:
        del asked["more"]
    if step == plan.steps and plan.more:
        del asked["algorithm"]
    differ = [name for name in asked if found.get(name) != asked[name]]
    if differ:
        shown = ", ".join(
            "another checkpoint, other videos or other conversations"  # of which it is a digest
            if name == "data"
            else f"{name} {found.get(name)} there, {asked[name]} asked"
            for name in differ
        )
        raise UsageError(
            f"{path} is from another training run ({shown}): give the same settings to go on "
            "with it, or choose another folder"
        )
