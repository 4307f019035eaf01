"""The report of a finished training run as JSON values: its settings, cost and course."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evscli.provenance import provenance
from evscli.train.loop import Trained
from evscli.train.task import Plan


def training_report(plan: Plan, trained: Trained, *, command: str) -> dict[str, Any]:
    """Return a finished run as JSON values.

    `hours` are those of all sessions, `machines` those it was trained on and `algorithms` the
    versions of the training. `history` holds mean losses and accuracies of the steps since the
    entry before, on batches that were new to the learner.
    """
    return {
        "trained_by": command,
        "plan": plan.values(),
        "steps": trained.step,
        "hours": round(trained.seconds / 3600, 3),
        "machines": trained.machines,
        "algorithms": trained.algorithms,
        "finished_with": provenance(device=str(trained.learner.device)),
        "history": trained.history,
    }


def thin_out(history: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Keep at most `count` entries, evenly spread, the first and the last among them."""
    if len(history) <= count:
        return list(history)
    return [history[round(i * (len(history) - 1) / (count - 1))] for i in range(count)]
