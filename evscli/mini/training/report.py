"""What a finished training run reports: what made it, what it cost, how it went.

JSON values only; it knows neither files nor screens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evscli.mini.training.loop import Trained
from evscli.mini.training.objective import ANSWER
from evscli.mini.training.plan import TrainingPlan
from evscli.provenance import provenance


def training_report(plan: TrainingPlan, trained: Trained, *, command: str) -> dict[str, Any]:
    """A finished run as JSON values.

    `hours` are those of all sessions, `machines` those it was trained on and `algorithms` the
    versions of the training. `history` holds mean
    losses and accuracies of the steps since the entry before; every video of it is new.
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


def naming_loss(losses: Mapping[str, float]) -> float:
    """The mean of all losses but that of the answers."""
    naming = [loss for name, loss in losses.items() if name != ANSWER]
    return sum(naming) / len(naming)


def thin_out(history: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """At most `count` entries, evenly spread, the first and the last among them."""
    if len(history) <= count:
        return list(history)
    return [history[round(i * (len(history) - 1) / (count - 1))] for i in range(count)]
