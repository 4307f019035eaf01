"""The encoder stage: resized frames in, visual tokens out. It knows no video file and no method.

`load_encoder` and what it needs are imported on first use, so that listing families stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from evscli.garbage import held_off
from evscli.models import list_families

if TYPE_CHECKING:
    from evscli.encoders.digest import VisionDigests, vision_digests
    from evscli.encoders.encoder import VideoEncoder
    from evscli.encoders.load import load_encoder

__all__ = ["VideoEncoder", "VisionDigests", "list_families", "load_encoder", "vision_digests"]

_NEEDS_TORCH = {
    "VideoEncoder": "evscli.encoders.encoder",
    "VisionDigests": "evscli.encoders.digest",
    "load_encoder": "evscli.encoders.load",
    "vision_digests": "evscli.encoders.digest",
}


def __getattr__(name: str) -> Any:
    if name not in _NEEDS_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with held_off():
        return getattr(import_module(_NEEDS_TORCH[name]), name)
