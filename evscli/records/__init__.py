"""The frozen dataclasses that travel between stages. They do no work.

- `frames.py`: frames of a video
- `inputs.py`: videos to prune
- `tokens.py`: visual tokens
- `made_by.py`: encoders and files
- `place.py`: places in an encoder
- `stored.py`: contents of a store

Shapes use the field's letters: F sampled frames, T temporal patches, h x w cells of the merged
grid, D embedding width, L DeepStack planes, K kept tokens. torch is only needed for annotations,
so importing this package stays cheap.
"""

from evscli.records.frames import (
    KEPT_AS_NULL,
    FloatArray,
    FrameChunk,
    FramePlan,
    IntArray,
    Part,
    SampleBy,
    Sampling,
)
from evscli.records.inputs import HeldVideo, VideoInput
from evscli.records.made_by import ModelInfo, SourceInfo, dtype_text
from evscli.records.place import INPUT, PruneAt, place_text
from evscli.records.stored import (
    Failure,
    OptionValue,
    Origin,
    PrunedVideo,
    RunConfig,
    VideoInfo,
)
from evscli.records.tokens import (
    KeptTokens,
    PixelSource,
    PruneInputs,
    VideoTokens,
    VideoWindows,
    WindowChoice,
    WindowTokens,
)

__all__ = [
    "INPUT",
    "KEPT_AS_NULL",
    "Failure",
    "FloatArray",
    "FrameChunk",
    "FramePlan",
    "HeldVideo",
    "IntArray",
    "KeptTokens",
    "ModelInfo",
    "OptionValue",
    "Origin",
    "Part",
    "PixelSource",
    "PruneAt",
    "PruneInputs",
    "PrunedVideo",
    "RunConfig",
    "SampleBy",
    "Sampling",
    "SourceInfo",
    "VideoInfo",
    "VideoInput",
    "VideoTokens",
    "VideoWindows",
    "WindowChoice",
    "WindowTokens",
    "dtype_text",
    "place_text",
]
