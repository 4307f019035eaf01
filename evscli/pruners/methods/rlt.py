"""RLT, Run-Length Tokenization (arXiv 2411.05222): drop what stands still until it changes.

A token begins a run where its pixels change: the last of its frames is compared with the first of
the temporal patch before, so that a change within either counts as well. Only beginnings are kept.
The authors add the length of a run to its token, which needs training, and is left out here: the
positions of the tokens kept show where the next run of a cell begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from evscli.budget import CountRule, first_frame_count, first_frame_notes, first_frame_rule
from evscli.option import Option
from evscli.pruners.method import Pruner
from evscli.records import KeptTokens, PruneInputs, VideoTokens

LEVELS = 255


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of RLT."""

    threshold: Annotated[
        float | None,
        Option(
            "The mean difference in levels of 255 up to which a token is dropped, whatever the "
            "budget; the default of the authors' function is 2.",
            least=0,
        ),
    ] = None


def rlt(tokens: VideoTokens, inputs: PruneInputs, budget: float, options: Options) -> KeptTokens:
    """Keep the tokens whose pixels changed most, as many as the budget allows, frame 0 whole.

    A threshold drops further tokens, whatever the budget: those that differ by no more than it.
    """
    from evscli.pruners.ops.frame_change import keep_changed, run_change

    assert inputs.pixels is not None, "a method names in `needs` what it needs"
    t, h, w = tokens.grid_thw
    count = first_frame_count(t, h * w, budget)
    scores = run_change(inputs.pixels, tokens.grid_thw).to(tokens.embeds.device) * LEVELS
    changed = None if options.threshold is None else scores > options.threshold
    return keep_changed(scores, changed, count, first_frame_notes(t, h * w, budget))


def count_rule(cells: int, options: Options) -> CountRule | None:
    """Return the rule of the count, which a threshold leaves to the content."""
    return first_frame_rule(cells) if options.threshold is None else None


PRUNER = Pruner(
    name="rlt",
    summary="keeps the first frame and each cell's pixels where they begin to differ",
    paper="Run-Length Tokenization (RLT), arXiv 2411.05222",
    order=5,
    function=rlt,
    option_type=Options,
    expected_count=first_frame_count,
    nested=count_rule,
    content_decides_by_option=frozenset({"threshold"}),
    needs=frozenset({"pixels"}),
)
