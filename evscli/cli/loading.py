"""The start of commands that load a model: a line on the screen at once, and the imports.

This module imports neither torch nor transformers before it is asked to.
"""

from __future__ import annotations

import sys
from importlib import import_module

from evscli.garbage import held_off

HEAVY = (
    "evscli.encoders.load",
    "transformers.modeling_utils",
    "transformers.video_processing_utils",
)
"""The modules that every model needs, and that take most of the time."""


def say_loading(model: str) -> None:
    """Print, on a terminal only, that a model is being loaded, which takes seconds."""
    if sys.stderr.isatty():
        print(f"loading {model} ...", file=sys.stderr, flush=True)


def import_models() -> None:
    """Import what every model needs."""
    with held_off(for_good=True):
        for name in HEAVY:
            import_module(name)


def quiet_loading() -> None:
    """Import what every model needs; loading shows no progress bars but on a terminal."""
    import_models()
    from transformers.utils import logging

    if not sys.stderr.isatty():
        logging.disable_progress_bar()
