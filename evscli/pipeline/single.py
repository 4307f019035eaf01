"""One video by one call."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from evscli.bundled import MINI
from evscli.encoders import VideoEncoder, load_encoder
from evscli.pipeline.pruner import VideoPruner
from evscli.pruners import check_selection
from evscli.records import OptionValue, PrunedVideo, Sampling, VideoInput


def prune_video(
    path: str | Path,
    *,
    method: str,
    budget: float | None = None,
    model: str = MINI,
    options: Mapping[str, OptionValue] | None = None,
    seed: int = 0,
    store_scores: bool = False,
    sampling: Sampling | None = None,
    device: str = "auto",
    dtype: str = "auto",
    chunk_frames: int = 16,
    resize: str = "cpu",
) -> PrunedVideo:
    """Decode, encode and prune one video; nothing is written.

    `budget` is the fraction of tokens kept, 0 < budget <= 1; only method `none` does without. The
    encoder of the last call is
    kept, so that calls in a row load it once. Raises UsageError, ModelError, DeviceError or
    VideoError, each with one line that says what to do.
    """
    path = Path(path)
    request = check_selection(method, budget, options)
    encoder = _encoder(model, device, dtype, chunk_frames, resize, sampling or Sampling())
    pruner = VideoPruner(encoder, request, seed=seed, store_scores=store_scores)
    return pruner(VideoInput(id=path.stem, path=path, root=path.parent))


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
