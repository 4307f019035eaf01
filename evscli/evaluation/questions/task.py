"""The task of an evaluation, which every process can load what it needs for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from evscli.evaluation.questions.multiple_choice import LoadedCheckpoint, load_both
from evscli.evaluation.questions.selecting import Selecting
from evscli.job.job import Pruning
from evscli.job.loading import make_encoder, query_rows, scorer_weights
from evscli.pruners import PruneRequest
from evscli.records import Sampling


@dataclass(frozen=True, kw_only=True, eq=False)
class EvalTask:
    """The selections to ask about, and the checkpoint to ask."""

    requests: Sequence[PruneRequest]
    job: Pruning
    samplings: Sequence[Sampling]

    def checkpoints(self) -> Iterator[tuple[LoadedCheckpoint, Selecting, int | None]]:
        """Yield the checkpoint with the encoder of each sampling, and what selections need."""
        job = replace(self.job, encoding=self.job.encoding.resolved())
        queries, checkpoint = query_rows(job), None
        for sampling in self.samplings:
            if checkpoint is None:
                checkpoint = load_both(job.encoding, sampling)
            else:
                encoder = make_encoder(job.encoding, sampling, job.encoding.device)
                checkpoint = replace(checkpoint, encoder=encoder)
            selecting = Selecting(
                requests=self.requests,
                scorer=scorer_weights(job, checkpoint.encoder),
                queries=queries,
                query=job.selection.query,
                seed=job.selection.seed,
            )
            yield checkpoint, selecting, sampling.num_frames
