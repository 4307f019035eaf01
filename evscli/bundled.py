"""The bundled checkpoint `mini`: where it lies and what must be said when it is used."""

from __future__ import annotations

import json
from pathlib import Path

MINI = "mini"
MINI_FOLDER = Path(__file__).parent / "mini"


def mini_notice() -> str:
    """One sentence that every command using `mini` shows."""
    training = json.loads((MINI_FOLDER / "config.json").read_text())["evs_training"]
    return f"mini is the bundled demonstration model ({training}); use --model for real work"
