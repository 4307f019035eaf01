"""GleanVID (arXiv 2609.37042): keep what the frames before cannot rebuild from what was kept.

The direction that all tokens share is taken out first. Frames share the budget by the part of them
that lies outside the span of the frames before; within a frame the tokens stay that stand out of it
together with their neighbours, and that lie outside the span of the tokens kept before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from evscli.budget import floor_count
from evscli.errors import UsageError
from evscli.option import Option
from evscli.pruners.method import Pruner
from evscli.records import KeptTokens, PruneInputs, VideoTokens

if TYPE_CHECKING:
    from torch import Tensor

    from evscli.pruners.ops.novelty import Bias

_EPS = 1e-4
_DECAY = 0.9


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of GleanVID. Raises UsageError for a `tau` that is not above 0."""

    basis: Annotated[
        Literal["paper", "decayed"],
        Option(
            "What spans the tokens kept: all of them, which fills up once as many tokens are kept "
            "as they have values, or the main directions, older ones weaker."
        ),
    ] = "paper"
    history: Annotated[
        int,
        Option("The most frames before whose span is known. The paper takes all.", least=1),
    ] = 256
    tau: Annotated[float, Option("The sharpness of the comparison of cell and frame.")] = 4.0

    def __post_init__(self) -> None:
        if not self.tau > 0:
            raise UsageError(
                f"option tau of glean must be above 0, got {self.tau:g}: the paper uses 4"
            )


def glean(tokens: VideoTokens, inputs: PruneInputs, budget: float, options: Options) -> KeptTokens:
    """Keep the top tokens of each frame, more of them in frames that the ones before do not span.

    The scores depend on the budget, as they compare with what was kept. The method waits for the
    device once a frame, to learn the number of new directions.
    """
    import torch

    from evscli.pruners.ops.allocation import frame_budgets
    from evscli.pruners.ops.novelty import Bias, frame_novelty, frame_shares

    t, h, w = tokens.grid_thw
    count = expected_count(t, h * w, budget, options)
    with torch.no_grad():
        bias = Bias.of(tokens.embeds)
        novelty = frame_novelty(tokens.embeds, bias, history=options.history)
        budgets = frame_budgets(
            frame_shares(novelty), cells=h * w, total=count, min_k=0, largest_remainder=True
        )
        mask, scores = _choose(tokens.embeds, bias, budgets, options)
    return KeptTokens(mask=mask.view(t, h, w), scores=scores.view(t, h, w), expected=count)


def expected_count(frames: int, cells: int, budget: float, options: Options) -> int:
    """Count the tokens kept of `frames` temporal patches of `cells`."""
    return max(1, floor_count(frames * cells, budget))


PRUNER = Pruner(
    name="glean",
    summary="gives more to frames that earlier ones do not span, keeps what kept tokens do not",
    paper="GleanVID, arXiv 2609.37042",
    order=4,
    function=glean,
    option_type=Options,
    expected_count=expected_count,
)


def _choose(embeds: Tensor, bias: Bias, budgets: Tensor, options: Options) -> tuple[Tensor, Tensor]:
    """Return mask and scores [T, h*w] of the top `budgets[t]` tokens of each frame."""
    import torch

    from evscli.pruners.ops.cells import cell_salience
    from evscli.pruners.ops.frames import float_chunks
    from evscli.pruners.ops.ranking import rescaled

    t, h, w, width = embeds.shape
    scores = torch.empty((t, h * w), dtype=torch.float32, device=embeds.device)
    mask = torch.zeros((t, h * w), dtype=torch.bool, device=embeds.device)
    span = Span(width, embeds) if options.basis == "paper" else DecayedSpan(width, embeds)
    counts = budgets.tolist()
    for start, _, x in float_chunks(embeds):
        saliences = cell_salience(x.view(-1, h, w, width), options.tau)
        for number, (frame, salience) in enumerate(zip(x, saliences, strict=True), start):
            clean = bias.removed(frame)
            scores[number] = rescaled(salience) + rescaled(span.residual(clean))
            kept = scores[number].argsort(descending=True, stable=True)[: counts[number]]
            mask[number, kept] = True
            span.add(clean[kept])
    return mask, scores


class Span:
    """The span of all tokens kept, by an orthonormal basis that grows."""

    def __init__(self, width: int, like: Tensor) -> None:
        """Make room for the at most `width` directions there are, on the device of `like`."""
        import torch

        self._basis = like.new_empty((width, width), dtype=torch.float32)
        self._known = 0

    def residual(self, x: Tensor) -> Tensor:
        """Return the length of each row of `x [n, D]` outside the span: [n]; 0 once that is all."""
        if self._known == len(self._basis):
            return x.new_zeros(len(x))
        inside = (x @ self._basis[:, : self._known]).square().sum(dim=1)
        return (x.square().sum(dim=1) - inside).clamp(min=0).sqrt()

    def add(self, rows: Tensor) -> None:
        """Add the directions of `rows [k, D]` that are new."""
        import torch

        width = len(self._basis)
        if len(rows) == 0 or self._known == width:
            return
        basis = self._basis[:, : self._known]
        new, triangle = torch.linalg.qr((rows - (rows @ basis) @ basis.T).T)
        sizes = triangle.diagonal().abs()
        new = new[:, sizes > _EPS * sizes.max()][:, : width - self._known]
        self._basis[:, self._known : self._known + new.shape[1]] = new
        self._known += new.shape[1]


class DecayedSpan:
    """The main directions of the tokens kept, at most D/4, older ones weaker: a form of ours."""

    def __init__(self, width: int, like: Tensor) -> None:
        """Begin with no direction of `width` values, on the device of `like`."""
        import torch

        self._rows = like.new_empty((0, width), dtype=torch.float32)
        """The unit directions."""
        self._sizes = like.new_empty(0, dtype=torch.float32)
        self._most = max(1, width // 4)

    def residual(self, x: Tensor) -> Tensor:
        """Return the length of each row of `x [n, D]` outside the directions: [n]."""
        return (x - (x @ self._rows.T) @ self._rows).square().sum(dim=1).sqrt()

    def add(self, rows: Tensor) -> None:
        """Add the directions of `rows [k, D]`, and forget the weakest."""
        import torch

        if len(rows):
            older = _DECAY * self._sizes[:, None] * self._rows
            _, sizes, directions = torch.linalg.svd(torch.cat([rows, older]), full_matrices=False)
            self._rows, self._sizes = directions[: self._most], sizes[: self._most]
