"""The bundled checkpoint `mini`: its folder, example questions, and the notice about its use."""

from __future__ import annotations

from pathlib import Path

MINI = "mini"
MINI_FOLDER = Path(__file__).parent / "mini"
EXAMPLE_QUESTIONS: tuple[str, ...] = (
    "what color is the ball?",
    "which shape appears briefly?",
    "when does the light flash?",
    "which appears first, the red ball or the blue star?",
    "which way does the red ball move, left or right?",
    "how many stars are there?",
    "how many times does the light flash?",
    "how many scenes are there?",
)
"""One question of each kind that `mini` was trained on. Every word is in its vocabulary."""

MINI_NOTICE = (
    f"{MINI} is the bundled demonstration model, which knows simple shapes and movements only; "
    "use --model for real work"
)
"""The notice that every command prints which uses `mini`."""


def usual_question(model: str) -> str:
    """Return a question in a checkpoint's vocabulary."""
    return EXAMPLE_QUESTIONS[1] if model == MINI else "What happens in this video?"
