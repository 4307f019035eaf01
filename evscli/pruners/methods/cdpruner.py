"""CDPruner (arXiv 2506.10967): a diverse subset, conditioned on a question.

The rule is a determinantal point process over the cosines between tokens, weighted by how far each
is from the question: the authors' sign, which favours tokens UNLIKE the text. They compare in
CLIP's space; here the question's words are the language model's own input embeddings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from evscli.option import Option
from evscli.pruners.method import Pruner, nearest_count
from evscli.records import KeptTokens, PruneInputs, VideoTokens

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of CDPruner."""

    part: Annotated[
        int,
        Option("The most tokens that are compared with each other.", metavar="tokens", least=1),
    ] = 4096


def cdpruner(
    tokens: VideoTokens, inputs: PruneInputs, budget: float, options: Options
) -> KeptTokens:
    """Keep a subset that is diverse and, by the authors' rule, relevant to `inputs.query`.

    A video of more than a part is cut into runs of whole frames that share the budget evenly.
    """
    from evscli.pruners.ops.cosines import unit_query, unit_tokens
    from evscli.pruners.ops.frames import keep_in_parts

    t, h, w = tokens.grid_thw
    count = nearest_count(t, h * w, budget)
    quality = _quality(tokens.embeds, unit_query(inputs, tokens.embeds))

    def choose(start: int, stop: int, share: int) -> Tensor:
        unit = unit_tokens(tokens.embeds[start:stop])
        return determinantal_points(unit, quality[start:stop].flatten(), share)

    mask = keep_in_parts(tokens.embeds, count, options.part, choose)
    return KeptTokens(mask=mask, scores=quality.view(t, h, w), expected=count)


PRUNER = Pruner(
    name="cdpruner",
    summary="keeps tokens that are unlike each other and unlike the question",
    paper="CDPruner, arXiv 2506.10967",
    order=7,
    function=cdpruner,
    option_type=Options,
    needs=frozenset({"query"}),
)


def _quality(embeds: Tensor, query: Tensor) -> Tensor:
    """Return the negated mean cosine to the query's rows, rescaled to 0..1 by video: [T, h*w]."""
    from evscli.pruners.ops.cosines import unit_tokens
    from evscli.pruners.ops.frames import float_chunks

    t, h, w, _ = embeds.shape
    unlike = query.new_empty((t, h * w))
    text = query.mean(dim=0)
    for start, stop, x in float_chunks(embeds):
        unlike[start:stop] = -(unit_tokens(x) @ text).view(stop - start, -1)
    low, high = unlike.aminmax()
    return (unlike - low + 1e-6) / (high - low + 1e-6)


def determinantal_points(unit: Tensor, quality: Tensor, count: int) -> Tensor:
    """Choose `count` of `unit [n, D]` by a determinantal point process: row numbers [count].

    The determinant of `diag(q) cos diag(q)` with `quality q [n]` is maximised greedily, by
    Cholesky updates. Rows in the span of the chosen ones come last, the better ones first. The
    steps are a loop by nature; nothing in it waits for a device.
    """
    kernel = quality[:, None] * (unit @ unit.T) * quality
    gain = quality.square()
    least = 1e-6 * gain.amax()
    open_ = gain.new_ones(len(unit))
    factors = unit.new_zeros((count, len(unit)))
    order = unit.new_zeros(count).long()
    for step in range(count):
        spanned = gain <= least
        key = (least * quality).where(spanned, gain)
        chosen = key.where(open_ > 0, -1.0).argmax().view(1)
        order[step] = chosen[0]
        row = kernel.index_select(0, chosen)[0]
        row = row - factors[:step].index_select(1, chosen)[:, 0] @ factors[:step]
        own = gain.index_select(0, chosen)
        row = (row / own.clamp(min=least).sqrt()).where(own > least, 0.0)
        factors[step] = row
        gain = gain - row.square()
        open_.index_fill_(0, chosen, 0)
    return order
