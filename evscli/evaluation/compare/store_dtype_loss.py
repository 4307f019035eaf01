"""The effect of a store's dtype on the language model's next token, on one stored video.

The video is pruned again, and its tokens are prefilled as stored and as computed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from evscli.corpus.inputs import local_file
from evscli.errors import MismatchError
from evscli.evaluation.compare.agreement import agreement, next_logits
from evscli.job import Job
from evscli.job.loading import make_pruner
from evscli.language.generate import enough_memory, load_language_model
from evscli.language.memory_check import check_memory
from evscli.records import PrunedVideo, VideoInput


@dataclass(frozen=True, kw_only=True)
class StoreDtypeLoss:
    """The next token after a video's tokens as stored, against the same tokens as computed."""

    video: str
    store_dtype: str | None
    question: str
    logit_difference: float
    """The largest difference of a logit, over the vocabulary."""
    kl: float
    """The KL divergence of the stored tokens' distribution from the other, in nats."""
    same_token: bool
    """Whether the likeliest token is the same."""


def measure_loss(
    stored: PrunedVideo, video: VideoInput, job: Job, *, question: str
) -> StoreDtypeLoss:
    """Measure one video of the store that the job's first selection made.

    Raises ModelError where the checkpoint's language model is not there or not whole, DeviceError
    where it does not fit, VideoError, and MismatchError where other tokens are kept now.
    """
    files, device, dtype = job.encoding.files, job.encoding.device, job.encoding.dtype
    check_memory(files, device=device, dtype=dtype)
    computed = prune_again(video, replace(job, storage=replace(job.storage, store_dtype="auto")))
    if not torch.equal(computed.keep_mask, stored.keep_mask):
        raise MismatchError(
            f"pruned again, {video.name} keeps other tokens than the store holds: check that it is "
            "still the same file"
        )
    language = load_language_model(files, device=device, dtype=dtype)
    with enough_memory(language.model.device, f"to prefill {stored.id}"):
        # In float64, since the divergence of a small loss is lost in float32's last digits.
        full, narrow = (next_logits(language, one, question).double() for one in (computed, stored))
    found = agreement(full.log_softmax(-1), narrow.log_softmax(-1))
    return StoreDtypeLoss(
        video=stored.id,
        store_dtype=stored.info.store_dtype,
        question=question,
        logit_difference=float((full - narrow).abs().max()),
        kl=found.kl,
        same_token=found.same_token,
    )


def prune_again(video: VideoInput, job: Job) -> PrunedVideo:
    """Prune the video by the job's first selection. Raises VideoError, ModelError."""
    with local_file(video) as path:
        pruner = make_pruner(job, job.encoding.device)
        return pruner(replace(video, path=path, root=path.parent, held=None))
