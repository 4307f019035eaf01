"""FamilySpec: what a model family consists of, in names that are imported when they are used.

Needs neither torch nor transformers, so that families can be listed at once, and a family that the
installed transformers lacks does not keep the others from working.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True, kw_only=True)
class FamilySpec:
    """One model family. Parts are written `module:name`; `load_name` imports them."""

    model_type: str
    """The `model_type` of the family's checkpoints (config.json)."""
    summary: str
    """One line for `evs models`."""
    frames: str = ""
    """The frames that a checkpoint's processor takes and their size, in words."""
    positions: str = ""
    """The position ids of visual tokens in a prompt, in words."""
    planes: int = 0
    """The DeepStack planes of published checkpoints, each as wide as a token."""
    served: str = ""
    """The serving engines that prefill from its stores, in words."""
    tested: str = ""
    """The comparisons that its tests make, in words."""
    vision: str
    """The vision tower: a torch module made of the vision configuration, with published names."""
    video_processors: tuple[str, ...]
    """The video processor's class in transformers, and behind it others that `rules` and `pixels`
    are for as well."""
    tower: str
    """The `Tower` that runs the vision tower on batched frames, made of (vision, grid_hw)."""
    shape: str
    """The function that reads sizes: (configuration, processor, model=) to a `VisionShape`."""
    rules: str
    """The `SamplingRules` that choose frames and sizes, made of (processor, sampling, own_fps)."""
    pixels: str
    """The function that makes a `PixelFormat` of (processor, model=)."""
    prompt: str
    """The `PromptFormat`: what a video looks like in a prompt."""
    suffix: str | None = None
    """The function that returns, of the vision tower, the tokens [n, D] that stand behind those of
    a whole video. No method prunes them."""
    own_fps: float | None = None
    """Frames per second where the processor samples none: its users sample before it."""
    since: str | None = None
    """The first release of transformers that has the family and takes its tokens, where evs itself
    needs less."""
    part: str | None = None
    """The part of the whole model that sees and reads, where checkpoints hold others beside it. Its
    configuration is under this name and `_config`, and this name begins those of its weights."""
    whole_config: bool = False
    """Whether `vision` and `shape` are given the configuration of the whole model, or of `part`,
    and not the vision configuration in it."""
    left_out_of_config: tuple[str, ...] = ()
    """Parts of config.json that are not read, because they are about neither vision nor text."""
    vision_modules: tuple[str, ...] = ("visual",)
    """The modules and single weights of a loaded model that are its vision side. Weights of a
    single module are named as inside it, those of several with the module's name before them."""
    older_weights: str | None = None
    """A part of the names that vision weights had in older checkpoints, which transformers
    renames."""
    older_modules: tuple[str, ...] = ()
    """Names that modules of the vision side have in older checkpoints, beside those above."""
    weights: str | None = None
    """The function that makes {name: weight} of the vision side of what a checkpoint or a loaded
    model has under names that begin as those modules'."""
    left_out_of_names: str | None = None
    """A part of the names of vision weights that newer checkpoints leave out."""
    input_embeddings: tuple[str, ...] = (
        "model.language_model.embed_tokens.weight",
        "model.embed_tokens.weight",
    )
    """The names of the table of input embeddings in checkpoints, newer and older."""


def load_name(name: str) -> Any:
    """Import the object that `module:name` stands for."""
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)
