"""The choice of frames and of their size by the rules of an Omni model's own processor.

It sizes frames by numbers of its own, whatever the checkpoint's video processor has, and takes the
frames for sampled at the rate that was asked for, whatever their number became.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from transformers.image_utils import SizeDict
from transformers.models.qwen2_5_omni.processing_qwen2_5_omni import Qwen2_5OmniProcessor
from transformers.models.qwen3_omni_moe.processing_qwen3_omni_moe import Qwen3OmniMoeProcessor

from evscli.models.parts.rules import ProcessorRules
from evscli.records import FloatArray, IntArray, Sampling


class OmniRules(ProcessorRules):
    """Sampling and sizing of one checkpoint under one `Sampling`."""

    def prompt_times(self, source_index: IntArray, fps: float) -> FloatArray:
        """Return [T] seconds by which position ids grow, from 0, evenly.

        They are those of the rate that was asked for. Frames that were asked for by their number
        are counted at the rate that they have on average.
        """
        patches = -(-len(source_index) // self.temporal_patch_size)
        rate = self.sampling.fps or mean_rate(source_index, fps)
        seconds: FloatArray = np.arange(patches, dtype=np.float64)
        return seconds * (self.temporal_patch_size / rate)


def mean_rate(source_index: IntArray, fps: float) -> float:
    """Return the frames per second of frames that were chosen of a source of `fps`."""
    apart = float(source_index[-1] - source_index[0])
    return fps * (len(source_index) - 1) / apart if apart else fps


def rules_of_second(
    processor: Any, asked: Sampling, own_fps: float | None = None
) -> ProcessorRules:
    """Return the rules of a checkpoint of Qwen2.5-Omni. Raises as `ProcessorRules` does."""
    return OmniRules(with_size_of(Qwen2_5OmniProcessor, processor), asked, own_fps)


def rules_of_third(processor: Any, asked: Sampling, own_fps: float | None = None) -> ProcessorRules:
    """Return the rules of a checkpoint of Qwen3-Omni. Raises as `ProcessorRules` does."""
    return OmniRules(with_size_of(Qwen3OmniMoeProcessor, processor), asked, own_fps)


def with_size_of(whole: Any, processor: Any) -> Any:
    """Return a copy of a video processor with the size that the whole processor's class gives it.

    Older releases of transformers keep it among the defaults of keyword arguments.
    """
    values = getattr(whole, "videos_kwargs", None)
    if values is None:
        values = whole.valid_processor_kwargs._defaults["videos_kwargs"]
    sized = copy(processor)
    sized.size = SizeDict(**values["size"])
    return sized
