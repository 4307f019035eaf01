"""With what something was evaluated, as JSON values to repeat it with."""

from __future__ import annotations

from typing import Any

from evscli.encoders import VideoEncoder
from evscli.provenance import provenance


def setup_of(encoder: VideoEncoder, *, seed: int, **asked: Any) -> dict[str, Any]:
    """The encoder with its settings, what was `asked` of whom, the seed, and where it ran."""
    return {
        "model": encoder.info.name,
        "encoder": dict(encoder.settings),
        **asked,
        "seed": seed,
        "provenance": provenance(device=str(encoder.device)),
    }
