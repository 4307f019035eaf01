"""The bundled checkpoint `mini`: where it lies and what must be said when it is used."""

from __future__ import annotations

import json
from pathlib import Path

MINI = "mini"
MINI_FOLDER = Path(__file__).parent / "mini"
EXAMPLE_QUESTIONS: tuple[str, ...] = (
    "what color is the ball?",
    "how many scenes are there?",
    "when does the light flash?",
    "which way does the red ball move, left or right?",
)
"""One for each kind of question that `mini` was taught; every word is of its vocabulary."""


def mini_notice() -> str:
    """One sentence that every command using `mini` shows."""
    training = json.loads((MINI_FOLDER / "config.json").read_text())["evs_training"]
    return f"mini is the bundled demonstration model ({training}); use --model for real work"
