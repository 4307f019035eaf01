"""Model families as one suite tests them: a tiny checkpoint, and what its own code makes of frames.

A family is a file here with its `CASES`, and one line below.
"""

from __future__ import annotations

from importlib import import_module

from tests.families.case import Case

FILES = (
    "qwen_vl",
    "molmo2",
    "qwen3_5",
    "qwen_omni",
    "llava_onevision",
    "internvl",
    "glm4v",
    "videollama3",
    "nemotron_h_omni",
    "smolvlm",
)

CASES: dict[str, Case] = {
    case.model_type: case
    for name in FILES
    for case in import_module(f"tests.families.{name}").CASES
}
