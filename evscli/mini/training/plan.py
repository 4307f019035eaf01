"""The plan of a training run: every setting that its result follows from."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from evscli.errors import UsageError
from evscli.mini.world.views import FIRST_FRAME, SHUFFLED, WHOLE

TRAINABLE = (WHOLE, FIRST_FRAME, SHUFFLED)
"""The views of a video that a model can be trained with."""

TRAINING_ALGORITHM = 3
"""The version of the training, raised with every change that gives one plan other weights."""

AGAIN = 0.5
"""The height to which the learning rate rises after `steps`, against the first time."""


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """The settings of a run. Two runs of one plan on one machine give the same weights."""

    seed: int = 1
    steps: int = 12000
    looks: int = -1
    """The number of first steps, in which the vision tower alone learns to name what single moments
    show. The default is about a fifth."""
    tokens: int = 2560
    """The number of visual tokens in a batch, about."""
    rate: float = 2e-3
    """The highest learning rate."""
    warmup: int = 100
    """The steps in which the learning rate rises, again when the language model joins in. Otherwise
    it falls in a straight line to 0 at the end of `steps`."""
    weight_decay: float = 0.02
    more: int = 0
    """The number of steps after `steps`, in which the learning rate rises once more, to half its
    height, and falls to 0 again. A finished run may be given some too."""
    view: str = WHOLE
    """The view of every video, to learn what can be answered without the rest."""

    def __post_init__(self) -> None:
        """Fill in the defaults that follow from other settings. Raises UsageError for bad ones."""
        if self.looks == -1:
            object.__setattr__(self, "looks", 5 * self.steps // 24)
        for name in ("steps", "tokens", "warmup"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.looks < self.steps:
            raise UsageError(
                f"looks must be fewer than the {self.steps} steps, got {self.looks}: "
                "leave it out for a fifth"
            )
        if self.more < 0:
            raise UsageError(f"more must be 0 or more steps, got {self.more}")
        if self.view not in TRAINABLE:
            raise UsageError(
                f"there is no view {self.view!r} to train with: choose from {', '.join(TRAINABLE)}"
            )
        if not (math.isfinite(self.rate) and self.rate > 0):
            raise UsageError(f"rate must be a number above 0, got {self.rate}; 0.002 is usual")

    @property
    def total(self) -> int:
        """The number of all steps."""
        return self.steps + self.more

    @property
    def algorithm(self) -> int:
        """The version of the training itself."""
        return TRAINING_ALGORITHM

    def rate_at(self, step: int) -> float:
        """Return the learning rate of step 0, 1, ..."""
        if step >= self.steps:
            begun = step - self.steps
            rise = min(1.0, (begun + 1) / self.warmup)
            return AGAIN * self.rate * rise * (1 - begun / self.more) if self.more else 0.0
        begun = step if step < self.looks else step - self.looks
        rise = min(1.0, (begun + 1) / self.warmup)
        return self.rate * rise * (1 - step / self.steps)

    def values(self) -> dict[str, float | str]:
        """Return all settings by name, with the version of the training itself."""
        return {**asdict(self), "algorithm": self.algorithm}
