"""The sound of videos, as the feature extractor of a model's processor gives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from torch import Tensor

from evscli.errors import UsageError
from evscli.models.contract import PromptFormat
from evscli.records import PrunedVideo

FEATURES = "input_features"
MASKS = ("feature_attention_mask", "attention_mask")
"""The names of the mask: the model's own, and that of the feature extractor."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sound:
    """The sound of every video of a call."""

    features: Tensor
    """[n, M, F] spectra of M values."""
    mask: Tensor
    """[n, F]: 1 for spectra, 0 for what fills shorter sounds up."""

    @classmethod
    def of(cls, audio: object, videos: int, form: PromptFormat) -> Sound:
        """Take the features of `videos` videos. Raises UsageError where they are not that."""
        if form.sounding is None:
            raise UsageError("the model of these records hears no sound: leave audio out")
        values: Mapping[str, Any] = audio if isinstance(audio, Mapping) else {}
        features = values.get(FEATURES)
        mask = next((values[name] for name in MASKS if name in values), None)
        if not (isinstance(features, Tensor) and isinstance(mask, Tensor)):
            raise UsageError(
                f"audio must hold the tensors {FEATURES} and {MASKS[1]}: pass what the feature "
                'extractor makes of the waves with return_attention_mask=True, return_tensors="pt"'
            )
        if features.ndim != 3 or mask.shape != (len(features), features.shape[2]):
            raise UsageError(
                f"audio has {FEATURES} {tuple(features.shape)} and a mask {tuple(mask.shape)}: "
                "pass [n, M, F] and [n, F] of one feature extractor"
            )
        if len(features) != videos:
            raise UsageError(
                f"audio has {len(features)} sounds for {videos} videos: give one for each video of "
                "the call, in their order, or call prefill once for those without sound"
            )
        return cls(features=features, mask=mask)

    def spectra(self, groups: Sequence[Sequence[PrunedVideo]]) -> list[list[int]]:
        """Return how many spectra the sound of each video has, for the videos of each prompt."""
        counts: list[int] = self.mask.sum(-1).tolist()
        ends = [0]
        for group in groups:
            ends.append(ends[-1] + len(group))
        return [counts[start:end] for start, end in pairwise(ends)]

    def inputs(self) -> dict[str, Tensor]:
        """Return the features and their mask under the model's own names."""
        return {FEATURES: self.features, MASKS[0]: self.mask}
