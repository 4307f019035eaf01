"""The task of training a scorer: checkpoint, learner and batches put together."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from evscli.encoders.checkpoint import family_of_checkpoint
from evscli.encoders.device import resolve_device
from evscli.encoders.load import BY_CHECKPOINT
from evscli.job import Encoding
from evscli.job.loading import make_encoder
from evscli.language.generate import load_language_model
from evscli.language.wrapped import inner_model, vision_parts
from evscli.models.contract import Tower
from evscli.models.spec import load_name
from evscli.train.scorer.batches import PatchedVideos, ScorerBatch, ScorerBatches
from evscli.train.scorer.learner import ScorerLearner
from evscli.train.scorer.model import ScoredModel, vision_of
from evscli.train.scorer.module import Scorer
from evscli.train.scorer.plan import ScorerPlan
from evscli.train.task import TrainingTask
from evscli.train.tuning.loaded import collator_of, positions_of, prepare
from evscli.train.tuning.processes import make_accelerator, tuning_task
from evscli.train.tuning.weights import let_learn, speaks, with_adapters

SCORER, LANGUAGE = "scorer", "language"


def scorer_task(
    encoding: Encoding, plan: ScorerPlan, videos: PatchedVideos
) -> tuple[TrainingTask[ScorerBatch], torch.device]:
    """Load what learns and return the task of training it, with the device of this process.

    Without conversations the language part is not loaded. Raises ModelError and DeviceError as the
    loaders do, and UsageError for a block that the encoder does not have, or adapters without peft.
    """
    device = resolve_device(encoding.device)
    accelerator = make_accelerator(plan, device)
    if videos.talks:
        module = talking(encoding, plan)
    else:
        own = accelerator.device  # of several processes, each has one; on CPUs with a number too
        module = looking(encoding, plan, "cpu" if own.type == "cpu" else str(own))
    learner = ScorerLearner(module, plan, accelerator)
    batches = ScorerBatches(
        videos, plan, rank=accelerator.process_index, world=accelerator.num_processes
    )
    return tuning_task(learner, batches)


def looking(encoding: Encoding, plan: ScorerPlan, device: str) -> ScoredModel:
    """Return a scorer that learns alone, with the vision side of a checkpoint on a device."""
    encoder = make_encoder(encoding, BY_CHECKPOINT, device)
    after = plan.block(encoder.shape.depth)
    encoder.check_block(after)
    shape = encoder.shape
    return ScoredModel(
        new_scorer(plan, shape.width, shape.heads),
        nn.Module(),
        tower=by_pixels(encoder.for_grid, shape.patch_size),
        collate=None,
        after=after,
        frozen=True,
        auxiliary=plan.auxiliary,
        context=None,
    )


def talking(encoding: Encoding, plan: ScorerPlan) -> ScoredModel:
    """Return a scorer with a whole checkpoint, of which the plan's parts learn."""
    encoder = make_encoder(encoding, BY_CHECKPOINT, "cpu")
    after, shape = plan.block(encoder.shape.depth), encoder.shape
    encoder.check_block(after)
    loaded = load_language_model(encoding.files, device="cpu")
    prepare(loaded.model, recompute=plan.recompute)
    collate, context = collator_of(loaded), plan.context or positions_of(loaded.model)
    if resolve_device(encoding.device).type == "cpu":
        loaded.model.float()  # what does not learn would else run in bfloat16, slowly
    model = learning_parts(loaded.model, plan)
    vision = vision_of(vision_parts(model), inner_model(model).config)
    family = family_of_checkpoint(encoding.files)
    return ScoredModel(
        new_scorer(plan, shape.width, shape.heads),
        model,
        tower=by_pixels(partial(load_name(family.tower), vision), shape.patch_size),
        collate=collate,
        after=after,
        frozen=plan.learn != "all",
        auxiliary=plan.auxiliary,
        context=context,
    )


def learning_parts(model: nn.Module, plan: ScorerPlan) -> nn.Module:
    """Mark the weights of a checkpoint that learn by a plan, or give it adapters."""

    def learns(name: str) -> bool:
        return plan.learn == "all" or (plan.learn == LANGUAGE and speaks(name))

    if plan.lora and plan.learn != SCORER:
        return with_adapters(model, learns, rank=plan.lora, seed=plan.seed)
    return let_learn(model, learns)


def new_scorer(plan: ScorerPlan, width: int, heads: int) -> Scorer:
    """Return the scorer that a run begins with."""
    return Scorer(width, plan.units or 4 * width, heads, seed=plan.seed)


def by_pixels(
    tower: Callable[[tuple[int, int]], Tower], patch: int
) -> Callable[[tuple[int, int]], Tower]:
    """Return the function that prepares a tower for frames of (height, width) pixels."""
    return lambda size: tower((size[0] // patch, size[1] // patch))
