"""The vision towers of the Omni thinkers, made of the thinkers' configuration."""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers.models.qwen2_5_omni.modeling_qwen2_5_omni import Qwen2_5OmniVisionEncoder
from transformers.models.qwen3_omni_moe.modeling_qwen3_omni_moe import Qwen3OmniMoeVisionEncoder


def vision_of_second(thinker: Any) -> nn.Module:
    """Return the tower of Qwen2.5-Omni, of the thinker's configuration."""
    vision: nn.Module = Qwen2_5OmniVisionEncoder(thinker.vision_config)
    return vision


def vision_of_third(thinker: Any) -> nn.Module:
    """Return the tower of Qwen3-Omni, of the thinker's configuration."""
    vision: nn.Module = Qwen3OmniMoeVisionEncoder(thinker.vision_config)
    return vision
