"""The settings that every run which trains a checkpoint has. Importing this imports no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, ClassVar, Literal

from evscli.errors import UsageError
from evscli.option import Checked, Option
from evscli.train.rates import RateDistribution, parse_rates

DEFAULT = "default"
"""The value in a report of a setting that was left to the model."""


@dataclass(frozen=True, kw_only=True)
class TuningPlan(Checked):
    """The settings of a run. Two runs of one plan on one machine give the same weights."""

    GROUP: ClassVar = "Training"
    ALGORITHM: ClassVar = 1
    """The version of the training, raised with every change that gives one plan other weights."""

    rate_dist: Annotated[
        str,
        Option(
            "Distribution of the share of tokens pruned, drawn for every batch: beta:A,B, uniform, "
            "uniform:LOW,HIGH or fixed:RATE.",
            metavar="DIST",
        ),
    ] = "beta:1.2,1.2"
    steps: Annotated[int, Option("Batches to learn from.", metavar="N", least=1)] = 600
    batch: Annotated[
        int,
        Option(
            "Conversations in a batch, over all processes; videos where there are no "
            "conversations.",
            metavar="N",
            least=1,
        ),
    ] = 16
    accumulate: Annotated[
        int,
        Option("Parts that a batch is run in, one after the other.", metavar="N", least=1),
    ] = 1
    rate: Annotated[
        float,
        Option(
            "Highest learning rate.", names=("--learning-rate",), metavar="RATE", above=0, below=1
        ),
    ] = 1e-4
    warmup: Annotated[
        int, Option("Steps in which the learning rate rises.", metavar="N", least=1)
    ] = 20
    weight_decay: Annotated[
        float, Option("Decay of the weights.", metavar="RATE", least=0, below=1)
    ] = 0.0
    lora: Annotated[
        int | None,
        Option(
            "Rank of adapters that learn in place of the weights (LoRA, peft); they are merged "
            "into the weights at the end. Default: the weights themselves learn.",
            metavar="RANK",
            least=1,
        ),
    ] = None
    context: Annotated[
        int | None,
        Option(
            "Most tokens of a conversation; longer ones are left out. Default: those that the "
            "model has positions for.",
            metavar="N",
            least=1,
        ),
    ] = None
    recompute: Annotated[
        bool,
        Option(
            "Layers of the language part are computed again in the backward pass, a third more "
            "work for a fraction of the memory."
        ),
    ] = False
    precision: Annotated[
        Literal["no", "bf16", "fp16"],
        Option("Mixed precision of the arithmetic; weights that learn are float32."),
    ] = "no"
    seed: Annotated[
        int, Option("Seed of the order and of the rates.", metavar="N", least=0, below=2**32)
    ] = 0
    data: str = ""
    """The digest of what is learned from, and of the checkpoint, without which no run goes on."""
    more: int = 0
    """The number of steps after `steps`, of which this training knows none."""

    def __post_init__(self) -> None:
        """Check the distribution, and the parts. Raises UsageError."""
        super().__post_init__()
        parse_rates(self.rate_dist)
        if self.accumulate > self.batch:
            raise UsageError(
                f"--accumulate {self.accumulate} is more parts than a batch of {self.batch} has: "
                "give fewer, or a larger --batch"
            )

    @property
    def rates(self) -> RateDistribution:
        """The distribution of pruning rates."""
        return parse_rates(self.rate_dist)

    @property
    def total(self) -> int:
        """The number of all steps."""
        return self.steps

    @property
    def algorithm(self) -> int:
        """The version of the training."""
        return self.ALGORITHM

    def rate_at(self, step: int) -> float:
        """Return the learning rate of step 0, 1, ...: it rises, then falls in a line to 0."""
        rise = min(1.0, (step + 1) / self.warmup)
        return self.rate * rise * (1 - step / self.steps)

    def values(self) -> dict[str, float | str]:
        """Return all settings by name, with the version of the training."""
        values = {**asdict(self), "rate_dist": str(self.rates), "algorithm": self.algorithm}
        return {name: as_setting(value) for name, value in values.items()}


def as_setting(value: object) -> float | str:
    """Return a setting as one that JSON holds: `default` for None, and words for a tuple."""
    if isinstance(value, tuple):
        return " ".join(value)
    return value if isinstance(value, int | float | str) else DEFAULT
