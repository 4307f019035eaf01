"""The pruning of one video or of many by one call, with everything that their methods need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from math import inf, isfinite
from numbers import Real
from pathlib import Path

from evscli.bundled import MINI
from evscli.corpus.executors.engine import Listener
from evscli.corpus.inputs.names import span_id
from evscli.corpus.tasks import Summary
from evscli.errors import UsageError
from evscli.job import Encoding, Job, Reading, Selection, Storage
from evscli.job.encoding import ResizePlace
from evscli.job.loading import make_encoder, make_pruner, query_rows
from evscli.job.reading import DamagedPolicy
from evscli.job.run import run_job
from evscli.paths import check_current_folder, path_text
from evscli.pruners import Method
from evscli.records import OptionValue, PrunedVideo, Sampling, VideoInput

_resolved = lru_cache(maxsize=1)(Encoding.resolved)
_encoder = lru_cache(maxsize=1)(make_encoder)


def prune_video(
    path: str | Path,
    *,
    method: Method,
    budget: float | str | None = None,
    model: str | Path = MINI,
    revision: str | None = None,
    options: Mapping[str, OptionValue] | None = None,
    prune_at: str | int | None = None,
    scorer: str | Path | None = None,
    query: str | None = None,
    start: float | None = None,
    end: float | None = None,
    seed: int = 0,
    store_scores: bool = False,
    sampling: Sampling | None = None,
    damaged: DamagedPolicy = "trim",
    device: str = "auto",
    dtype: str = "auto",
    chunk_frames: int | None = None,
    chunk_patches: int | None = None,
    resize: ResizePlace = "cpu",
) -> PrunedVideo:
    """Decode, encode and prune one video; nothing is written.

    `method` is a name, a `Pruner`, or a function `(tokens, inputs, budget, *, options)` that
    returns `KeptTokens`.
    `budget` is the fraction of tokens kept, 0 < budget <= 1, or a text such as `4096tok`; only
    method `none` needs no budget. `prune_at` is the block of the encoder after which to prune,
    or `input` to do it before the first, `scorer` the file of a learned method's weights, `query`
    the question of a query-aware one.
    `sampling` sets the number and the size of frames, where they are not left to the checkpoint.
    `start` and `end` are the seconds between which frames are taken, as if they were a whole video.
    `damaged` is the policy about damage: `trim`, `skip` or `fail`.
    The encoder of the last call is kept, so that calls in a row find and load it once. Raises
    UsageError, ModelError, DeviceError or VideoError, each with one line on what to do.
    """
    check_current_folder()
    job = Job(
        selection=Selection(
            methods=(method,),
            budgets=() if budget is None else (budget,),
            options=options or {},
            prune_at=prune_at,
            scorer=scorer,
            query=query,
            seed=seed,
        ),
        reading=Reading(damaged=damaged),
        sampling=sampling or Sampling(),
        encoding=Encoding(
            model=model,
            revision=revision,
            device=device,
            dtype=dtype,
            chunk_frames=chunk_frames,
            chunk_patches=chunk_patches,
            resize=resize,
        ),
        storage=Storage(scores=store_scores),
    )
    video = _video(Path(path_text(path, "path")), query, start, end)
    job.check([video])
    job = replace(job, encoding=_resolved(job.encoding))
    queries = query_rows(job, [video])
    encoder = _encoder(job.encoding, job.sampling, job.encoding.device)
    pruner = make_pruner(job, job.encoding.device, encoder=encoder, queries=queries)
    return pruner(video, damaged=damaged)


def prune_videos(
    inputs: str | Path | Sequence[str | Path], job: Job, *, listener: Listener | None = None
) -> list[Summary]:
    """Prune videos into stores, as `evs prune` does, and return the sums for each store.

    `inputs` is one input of that command, or a sequence of them: videos, folders, globs, lists,
    tars and addresses. A finished video is skipped, and a failing one is recorded and the rest go
    on, so that the same call again goes on where the last one ended. `listener` gets every result.
    Raises an `EvsError` with one line on what to do.

        prune_videos(
            ["clips"],
            Job(
                selection=Selection(methods=("vcast",), budgets=(0.3,)),
                storage=Storage(output="store"),
            ),
        )
    """
    check_current_folder()
    if not isinstance(job, Job):
        raise UsageError(f"job must be a Job of evscli.job, got a {type(job).__name__}")
    if listener is not None and not (hasattr(listener, "begin") and hasattr(listener, "done")):
        raise UsageError("listener must have the methods begin and done, as evscli.api.Silent has")
    listed = inputs if isinstance(inputs, Sequence) and not isinstance(inputs, str) else [inputs]
    if not listed:
        raise UsageError("there is no input: give a video, a folder or a list")
    videos = job.find_videos([path_text(given, "an input") for given in listed])
    return run_job(job.resolved(), videos, listener=listener or Silent())


class Silent:
    """A listener that prints nothing."""

    def begin(self, jobs: object, summaries: object) -> None:
        """Ignore the beginning of a run."""

    def done(self, done: object, *, again: bool) -> None:
        """Ignore a result."""


def _video(path: Path, query: str | None, start: float | None, end: float | None) -> VideoInput:
    """Return a path, or a part of its video, as an input. Raise UsageError unless start < end."""
    for name, value in (("start", start), ("end", end)):
        if value is not None and not (isinstance(value, Real) and isfinite(value)):
            raise UsageError(f"{name} must be a number of seconds or None, got {value!r}")
    if not 0 <= (start or 0.0) < (inf if end is None else end):
        raise UsageError(f"start {start} and end {end} name no part of a video: 0 <= start < end")
    return VideoInput(
        id=span_id(path.stem, start, end),
        path=path,
        root=path.parent,
        query=query,
        start=start,
        end=end,
    )
