"""The settings of an evaluation, as JSON values to repeat it with."""

from __future__ import annotations

from typing import Any

from evscli.encoders import VideoEncoder
from evscli.provenance import provenance


def setup_of(encoder: VideoEncoder, *, seed: int, **asked: Any) -> dict[str, Any]:
    """Return the encoder with its settings, the requests `asked`, the seed, and the machine."""
    return {
        "model": encoder.info.name,
        "encoder": dict(encoder.settings),
        **asked,
        "seed": seed,
        "provenance": provenance(device=str(encoder.device)),
    }
