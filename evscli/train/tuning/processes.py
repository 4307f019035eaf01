"""The processes and the precision of a run, which accelerate starts and knows."""

from __future__ import annotations

import torch
from accelerate import Accelerator

from evscli.errors import UsageError
from evscli.train.tuning.plan import TuningPlan


def make_accelerator(plan: TuningPlan, device: torch.device) -> Accelerator:
    """Return the accelerator of this process, one of several where `accelerate launch` began them.

    Raises UsageError for a precision that the device does not have.
    """
    try:
        return Accelerator(mixed_precision=plan.precision, cpu=device.type == "cpu")
    except ValueError as error:
        raise UsageError(
            f"--precision {plan.precision} cannot be had on {device} ({error}): leave it out, or "
            "choose another device"
        ) from None
