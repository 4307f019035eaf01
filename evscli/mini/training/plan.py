"""The plan of a training run: every setting that its result follows from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, ClassVar, Literal

from evscli.errors import UsageError
from evscli.option import Checked, Option

TRAINING_ALGORITHM = 3
"""The version of the training, raised with every change that gives one plan other weights."""

AGAIN = 0.5
"""The height to which the learning rate rises after `steps`, against the first time."""


@dataclass(frozen=True, kw_only=True)
class TrainingPlan(Checked):
    """The settings of a run. Two runs of one plan on one machine give the same weights."""

    GROUP: ClassVar = "Training"

    seed: Annotated[
        int, Option("Seed of the weights and the videos.", metavar="N", least=0, below=2**32)
    ] = 1
    steps: Annotated[int, Option("Batches to learn from.", metavar="N", least=1)] = 12000
    looks: int = -1
    """The number of first steps, in which the vision tower alone learns to name what single moments
    show. The default is about a fifth."""
    tokens: Annotated[int, Option("Visual tokens in a batch, about.", metavar="N", least=1)] = 2560
    rate: Annotated[float, Option("Highest learning rate.", metavar="RATE", above=0)] = 2e-3
    warmup: int = 100
    """The steps in which the learning rate rises, again when the language model joins in. Otherwise
    it falls in a straight line to 0 at the end of `steps`."""
    weight_decay: float = 0.02
    more: Annotated[
        int,
        Option(
            "Steps behind these, in which the learning rate rises and falls once more; a finished "
            "run may be given some too.",
            metavar="N",
            least=0,
        ),
    ] = 0
    """The number of steps after `steps`, in which the learning rate rises to half its height."""
    view: Annotated[
        Literal["whole", "first-frame", "shuffled-frames"],
        Option("Part left of every video, to see what can be answered without the rest."),
    ] = "whole"

    def __post_init__(self) -> None:
        """Fill in the defaults that follow from other settings. Raises UsageError for bad ones."""
        super().__post_init__()
        if self.looks == -1:
            object.__setattr__(self, "looks", 5 * self.steps // 24)
        if self.warmup < 1:
            raise UsageError(f"warmup must be at least 1, got {self.warmup}")
        if not 0 <= self.looks < self.steps:
            raise UsageError(
                f"looks must be fewer than the {self.steps} steps, got {self.looks}: "
                "leave it out for a fifth"
            )

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
