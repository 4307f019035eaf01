"""The processes and the precision of a run, which accelerate starts and knows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import torch
from accelerate import Accelerator, InitProcessGroupKwargs
from torch.utils.data import Dataset

from evscli.errors import UsageError
from evscli.train.task import B, TrainingTask
from evscli.train.tuning.learner import TuningLearner
from evscli.train.tuning.plan import TuningPlan

LONGEST = timedelta(days=30)
"""The time that processes wait for each other, as while one of them encodes all videos."""


def make_accelerator(plan: TuningPlan, device: torch.device) -> Accelerator:
    """Return the accelerator of this process, one of several where `accelerate launch` began them.

    Raises UsageError for a precision that the device does not have.
    """
    try:
        if plan.precision == "fp16" and device.type == "cpu":  # which accelerate passes over
            raise ValueError("a CPU has no units for it")
        return Accelerator(
            mixed_precision=plan.precision,
            cpu=device.type == "cpu",
            kwargs_handlers=[InitProcessGroupKwargs(timeout=LONGEST)],
        )
    except ValueError as error:
        raise UsageError(
            f"--precision {plan.precision} cannot be had on {device} ({error}): leave it out, or "
            "choose another device"
        ) from None


def tuning_task(
    learner: TuningLearner[Any], batches: Dataset[B]
) -> tuple[TrainingTask[B], torch.device]:
    """Return the task of a learner that is made already, with the device of this process."""

    def made(_: torch.device) -> Any:  # each learner takes batches of its own kind
        return learner

    task = TrainingTask(
        plan=learner.plan,
        make_learner=made,
        batches=batches,
        leads=learner.accelerator.is_main_process,
        in_any=lambda holds: learner.in_all(int(holds)) > 0,
    )
    return task, learner.device
