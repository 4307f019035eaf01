"""Offline video tokenization and token pruning for vision-language models.

    from evscli import prune_video, open_store, prefill

The names load on first use, so that importing this package stays cheap.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evscli.api import prune_video, prune_videos
    from evscli.language.prefill import prefill
    from evscli.store import open_store

    __version__: str

logging.getLogger(__name__).addHandler(logging.NullHandler())

__all__ = ["__version__", "open_store", "prefill", "prune_video", "prune_videos"]

_HOMES = {
    "open_store": "evscli.store",
    "prefill": "evscli.language.prefill",
    "prune_video": "evscli.api",
    "prune_videos": "evscli.api",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # it imports the parsers of e-mails

        return version("evscli")
    if name not in _HOMES:
        raise AttributeError(f"module 'evscli' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
