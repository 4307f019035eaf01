"""The base of classes that are mixed with classes of vLLM, whose attributes they use."""

from __future__ import annotations

from typing import Any

Mixin: Any = object
"""The base `object`, of which a check of types does not ask what vLLM's class brings along."""
