"""What libraries do anew for every command and model of a process, done once or not at all."""

from __future__ import annotations

from functools import cache

import typer
from transformers import PreTrainedConfig


def save_repetitions() -> None:
    """Have typer build the commands once, and transformers describe no configurations.

    It describes each several times for a log that is not shown, which is a third of the time in
    which a tiny model is loaded.
    """
    typer.main.get_command = cache(typer.main.get_command)
    PreTrainedConfig.__repr__ = object.__repr__
