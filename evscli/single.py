"""One video by one call, with everything that its method needs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import inf
from pathlib import Path

from evscli.bundled import MINI
from evscli.corpus.inputs.names import span_id
from evscli.encoders import VideoEncoder, load_encoder
from evscli.errors import UsageError
from evscli.needs import query_rows, scorer_weights
from evscli.pipeline import VideoPruner
from evscli.pruners import Method, check_selection
from evscli.pruners.budget_rule import parse_rule
from evscli.pruners.given import check_given
from evscli.records import OptionValue, PrunedVideo, Sampling, VideoInput
from evscli.video import Damaged


def prune_video(
    path: str | Path,
    *,
    method: Method,
    budget: float | str | None = None,
    model: str = MINI,
    options: Mapping[str, OptionValue] | None = None,
    prune_at: int | None = None,
    scorer: str | Path | None = None,
    query: str | None = None,
    start: float | None = None,
    end: float | None = None,
    seed: int = 0,
    store_scores: bool = False,
    sampling: Sampling | None = None,
    damaged: str = Damaged.trim,
    device: str = "auto",
    dtype: str = "auto",
    chunk_frames: int = 16,
    resize: str = "cpu",
) -> PrunedVideo:
    """Decode, encode and prune one video; nothing is written.

    `method` is a name, a `Pruner`, or a function `(tokens, inputs, budget, *, options)` that
    returns `KeptTokens`.
    `budget` is the fraction of tokens kept, 0 < budget <= 1, or a text such as `4096tok`; only
    method `none` does without. `prune_at` is the block of the encoder after which to prune,
    `scorer` the file of a learned method's weights, `query` the question of a query-aware one.
    `sampling` says how many frames and how large, where that is not left to the checkpoint.
    `start` and `end` are the seconds between which frames are taken, as of a video of their own;
    `damaged` is what is done about damage: `trim`, `skip` or `fail`.
    The encoder of the last call is kept, so that calls in a row load it once. Raises UsageError,
    ModelError, DeviceError or VideoError, each with one line that says what to do.
    """
    path = Path(path)
    rule = parse_rule(budget) if isinstance(budget, str) else budget
    request = check_selection(method, rule, options, prune_at=prune_at)
    check_span(start, end)
    video = VideoInput(
        id=span_id(path.stem, start, end),
        path=path,
        root=path.parent,
        query=query,
        start=start,
        end=end,
    )
    check_given([request], [video], scorer=scorer)
    queries = query_rows(model, [video], [request])
    encoder = _encoder(model, device, dtype, chunk_frames, resize, sampling or Sampling())
    pruner = VideoPruner(
        encoder,
        request,
        seed=seed,
        store_scores=store_scores,
        scorer=scorer_weights(scorer, model, encoder, [request]),
        queries=queries,
    )
    return pruner(video, damaged=damaged)


def check_span(start: float | None, end: float | None) -> None:
    """Raise UsageError unless 0 <= start < end."""
    if not 0 <= (start or 0.0) < (inf if end is None else end):
        raise UsageError(f"start {start} and end {end} are no part of a video: 0 <= start < end")


@lru_cache(maxsize=1)
def _encoder(
    model: str, device: str, dtype: str, chunk_frames: int, resize: str, sampling: Sampling
) -> VideoEncoder:
    return load_encoder(
        model,
        device=device,
        dtype=dtype,
        chunk_frames=chunk_frames,
        resize=resize,
        sampling=sampling,
    )
