"""The task of an uptraining run: checkpoint, learner and batches put together."""

from __future__ import annotations

import torch

from evscli.encoders.device import resolve_device
from evscli.encoders.files import ModelFiles
from evscli.language.generate import load_language_model
from evscli.train.task import TrainingTask
from evscli.train.tuning.loaded import collator_of, positions_of, prepare
from evscli.train.tuning.processes import make_accelerator, tuning_task
from evscli.train.uptrain.batches import Examples, PrunedBatches, TuningBatch
from evscli.train.uptrain.learner import UptrainLearner
from evscli.train.uptrain.plan import UptrainPlan


def uptrain_task(
    files: ModelFiles,
    plan: UptrainPlan,
    examples: Examples,
    *,
    device: str = "auto",
) -> tuple[TrainingTask[TuningBatch], torch.device]:
    """Load a checkpoint and return the task of training it, with the device of this process.

    Conversations about one video run as one row where the model's attention takes that. Several
    processes are those of `accelerate launch`; each takes its share of every batch. Raises
    ModelError and DeviceError as `load_language_model` does, and UsageError where adapters are
    asked for without peft.
    """
    target = resolve_device(device)
    accelerator = make_accelerator(plan, target)
    loaded = load_language_model(files, device="cpu")
    prepare(loaded.model, recompute=plan.recompute)
    learner = UptrainLearner(loaded.model, plan, accelerator)
    batches = PrunedBatches(
        examples,
        collator_of(loaded),
        plan,
        context=plan.context or positions_of(loaded.model),
        rank=accelerator.process_index,
        world=accelerator.num_processes,
    )
    return tuning_task(learner, batches)
