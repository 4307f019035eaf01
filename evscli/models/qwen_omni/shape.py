"""The sizes of an Omni thinker: those of its vision tower, and the temporal ids in a second."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evscli.models.contract import VisionShape
from evscli.models.parts.shape import config_values, qwen_shape
from evscli.models.parts.values import POSITIVE

SECONDS_PER_CHUNK = 2
"""The seconds of frames, and then of sound, that stand together in prompts of Qwen2.5-Omni."""
SOUND_WINDOW = 50
"""Half the spectra that the sound encoder of Qwen3-Omni makes 13 tokens of."""


def shape_of_second(config: Any, processor: Any, *, model: str) -> VisionShape:
    """Read the sizes of a thinker of Qwen2.5-Omni.

    Raises ModelError for a value that cannot be, or that prompts are not written for.
    """
    found = getattr(config, "seconds_per_chunk", SECONDS_PER_CHUNK)
    if found != SECONDS_PER_CHUNK:
        values = config_values(config, model, within="")
        raise values.refuse("seconds_per_chunk", found, f"which must be {SECONDS_PER_CHUNK}")
    return timed_shape(config, processor, model=model)


def shape_of_third(config: Any, processor: Any, *, model: str) -> VisionShape:
    """Read the sizes of a thinker of Qwen3-Omni. Raises ModelError as `shape_of_second` does."""
    found = config.audio_config.n_window
    if found != SOUND_WINDOW:
        values = config_values(config.audio_config, model, within="audio_config.")
        raise values.refuse("n_window", found, f"which must be {SOUND_WINDOW}")
    return timed_shape(config, processor, model=model)


def timed_shape(config: Any, processor: Any, *, model: str) -> VisionShape:
    """Read the sizes of a vision tower and the temporal ids in a second."""
    rate = config.position_id_per_seconds
    config_values(config, model, within="").check("position_id_per_seconds", rate, POSITIVE)
    shape = qwen_shape(config.vision_config, processor, model=model)
    return replace(shape, tokens_per_second=float(rate))
