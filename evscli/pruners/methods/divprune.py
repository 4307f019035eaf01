"""DivPrune (arXiv 2503.02175): the most diverse subset, by distances between tokens.

Every token kept is as far as can be from those kept before it. The rule compares all pairs, so
long videos are cut into parts of whole frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Annotated

from evscli.option import Option
from evscli.pruners.method import Pruner, nearest_count
from evscli.records import KeptTokens, PruneInputs, VideoTokens

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of DivPrune."""

    part: Annotated[
        int,
        Option("The most tokens that are compared with each other.", metavar="tokens", least=1),
    ] = 4096


def divprune(
    tokens: VideoTokens, inputs: PruneInputs, budget: float, options: Options
) -> KeptTokens:
    """Keep a subset whose tokens are far from each other in cosine distance.

    A video of more than a part is cut into runs of whole frames that share the budget evenly.
    """
    from evscli.pruners.ops.cosines import unit_tokens
    from evscli.pruners.ops.frames import keep_in_parts

    t, h, w = tokens.grid_thw
    count = nearest_count(t, h * w, budget)

    def choose(start: int, stop: int, share: int) -> Tensor:
        return farthest_points(unit_tokens(tokens.embeds[start:stop]), share)

    mask = keep_in_parts(tokens.embeds, count, options.part, choose)
    return KeptTokens(mask=mask, expected=count)


PRUNER = Pruner(
    name="divprune",
    summary="keeps tokens that are far from each other",
    paper="DivPrune, arXiv 2503.02175",
    order=6,
    function=divprune,
    option_type=Options,
)


def farthest_points(unit: Tensor, count: int) -> Tensor:
    """Choose `count` of the rows of `unit [n, D]`, each far from those before: [count] int64.

    The distance is 1 - cos. The first is the row whose nearest neighbour is farthest. The steps are
    a loop by nature; nothing in it waits for a device.
    """
    distance = 1 - unit @ unit.T
    order = unit.new_zeros(count).long()
    nearest = distance.clone().fill_diagonal_(inf).amin(dim=1)
    for step in range(count):
        chosen = nearest.argmax()
        order[step] = chosen
        row = distance.index_select(0, chosen.view(1))[0]
        nearest = row if step == 0 else nearest.minimum(row)
        nearest.index_fill_(0, chosen.view(1), -inf)
    return order
