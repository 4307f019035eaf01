"""DTD, Differential Token Drop (TimeChat-Online, arXiv 2504.17343): drop repeated tokens.

A token that is like its own cell of the real previous frame is dropped. Frame 0 is always kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from evscli.budget import CountRule, first_frame_count, first_frame_notes, first_frame_rule
from evscli.errors import UsageError
from evscli.option import Option
from evscli.pruners.method import Pruner
from evscli.records import KeptTokens, PruneInputs, VideoTokens


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of DTD. Raises UsageError for a `threshold` outside the range of its scores."""

    space: Annotated[
        Literal["feature", "pixel"],
        Option("What is compared: embeddings, or the resized pixels."),
    ] = "feature"
    threshold: Annotated[
        float | None,
        Option("The cosine above which a token is dropped (of pixels the difference below which)."),
    ] = None

    def __post_init__(self) -> None:
        low = -1 if self.space == "feature" else 0
        if self.threshold is not None and not low <= self.threshold <= 1:
            raise UsageError(
                f"option threshold of dtd must be from {low} to 1 with space={self.space}, "
                f"got {self.threshold:g}: the authors use 0.5 with space=feature"
            )


def dtd(tokens: VideoTokens, inputs: PruneInputs, budget: float, options: Options) -> KeptTokens:
    """Keep the tokens that differ most from the frame before, as many as the budget allows.

    A threshold drops further tokens, whatever the budget: those whose cosine to the frame before is
    above it (the authors use 0.5), or whose mean absolute pixel difference, in 0..1, is below it.
    """
    from evscli.pruners.ops.frame_change import keep_changed, token_change

    t, h, w = tokens.grid_thw
    count = first_frame_count(t, h * w, budget)
    scores = token_change(tokens, inputs, of_pixels=options.space == "pixel")
    changed = None
    if options.threshold is not None:
        likeness = options.space == "feature"
        changed = scores >= (1 - options.threshold if likeness else options.threshold)
    return keep_changed(scores, changed, count, first_frame_notes(t, h * w, budget))


def count_rule(cells: int, options: Options) -> CountRule | None:
    """Return the rule of the count, which a threshold leaves to the content."""
    return first_frame_rule(cells) if options.threshold is None else None


PRUNER = Pruner(
    name="dtd",
    summary="keeps the first frame and what differs from the frame before",
    paper="TimeChat-Online, arXiv 2504.17343",
    order=4,
    function=dtd,
    option_type=Options,
    expected_count=first_frame_count,
    nested=count_rule,
    content_decides_by_option=frozenset({"threshold"}),
    needs_by_option={("space", "pixel"): "pixels"},
)
