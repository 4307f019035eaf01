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

_EPS = 1e-4
_LEAST_EVEN, _MOST_EVEN = 0.2, 0.6
"""The bounds of the share of the budget that all frames get alike."""
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


@dataclass(frozen=True, kw_only=True, eq=False)
class Bias:
    """The mean of a video's tokens and the unit direction of most variance."""

    mean: Tensor
    """[D] float32."""
    direction: Tensor
    """[D] float32."""

    @classmethod
    def of(cls, embeds: Tensor) -> Bias:
        """Return those of `embeds [T, h, w, D]`: the top right singular vector, by X^T X."""
        import torch

        from evscli.pruners.ops.frames import float_chunks

        t, h, w, width = embeds.shape
        total = torch.zeros(width, dtype=torch.float64, device=embeds.device)
        for _, _, x in float_chunks(embeds):
            total += x.sum(dim=(0, 1), dtype=torch.float64)
        mean = (total / (t * h * w)).float()
        gram = torch.zeros((width, width), dtype=torch.float32, device=embeds.device)
        for _, _, x in float_chunks(embeds):
            rows = (x - mean).flatten(0, 1)
            gram.addmm_(rows.T, rows)
        gram /= gram.diagonal().amax().clamp(min=torch.finfo(torch.float32).tiny)
        return cls(mean=mean, direction=torch.linalg.eigh(gram).eigenvectors[:, -1])

    def removed(self, x: Tensor) -> Tensor:
        """Return tokens [..., D] without their part along the direction, around the mean."""
        centred = x - self.mean
        return x - (centred @ self.direction)[..., None] * self.direction


def frame_novelty(embeds: Tensor, bias: Bias, *, history: int) -> Tensor:
    """Return the summed novelty of each frame of `embeds [T, h, w, D]`: [T] float32.

    A 2x2 cell's novelty is the length of its mean outside the span of the same cell's means in up
    to `history` frames before, by a ridge regression; each of its tokens counts.
    """
    import torch

    from evscli.pruners.ops.frames import float_chunks

    t, h, w, width = embeds.shape
    sizes = _cells(h, w, embeds).bincount()
    seen = History(min(history, t), cells=len(sizes), like=embeds)
    novelty = torch.empty(t, dtype=torch.float32, device=embeds.device)
    for start, _, x in float_chunks(embeds):
        for number, means in enumerate(_cell_means(bias.removed(x).view(-1, h, w, width)), start):
            novelty[number] = (seen.residual(means) * sizes).sum()
    return novelty


class History:
    """The means of every cell in the last frames, and their inner products."""

    def __init__(self, frames: int, *, cells: int, like: Tensor) -> None:
        """Make room for `frames` frames of `cells` cells, of the width and device of `like`."""
        import torch

        self._means = torch.zeros((cells, frames, like.shape[-1]), device=like.device)
        self._gram = torch.zeros((cells, frames, frames), device=like.device)
        self._seen = 0

    def residual(self, means: Tensor) -> Tensor:
        """Return the length of `means [P, D]` outside the span of those before, [P]; add them.

        It is the root of `|z|^2 - b^T (G + ridge I)^-1 b`, with G and b the inner products.
        """
        import torch

        frames = self._means.shape[1]
        known, slot = min(self._seen, frames), self._seen % frames
        squares = means.square().sum(dim=-1)
        products = torch.bmm(self._means[:, :known], means[:, :, None]).squeeze(2)
        left = squares
        if known:
            gram = self._gram[:, :known, :known]
            ridge = _EPS * gram.diagonal(dim1=1, dim2=2).mean(dim=1)
            ridge = torch.where(ridge > 0, ridge, 1)
            eye = torch.eye(known, device=means.device)
            factor = torch.linalg.cholesky_ex(gram + ridge[:, None, None] * eye).L
            half = torch.linalg.solve_triangular(factor, products[:, :, None], upper=False)
            left = squares - half.square().sum(dim=(1, 2))
        self._means[:, slot] = means
        self._gram[:, slot, :known] = products
        self._gram[:, :known, slot] = products
        self._gram[:, slot, slot] = squares
        self._seen += 1
        return left.clamp(min=0).sqrt()


def frame_shares(novelty: Tensor) -> Tensor:
    """Return each frame's share of the budget: [T], summing to 1.

    The more unequal the novelties `[T]` are, by their Gini coefficient, the less is shared evenly.
    """
    import torch

    frames, total = len(novelty), novelty.sum()
    even = torch.full_like(novelty, 1 / frames)
    own = torch.where(total > 0, novelty / total, even)
    ranks = torch.arange(1, frames + 1, device=novelty.device)
    gini = 2 * (ranks * own.sort().values).sum() / frames - (frames + 1) / frames
    alpha = _MOST_EVEN - (_MOST_EVEN - _LEAST_EVEN) * gini
    return alpha * even + (1 - alpha) * own


def _choose(embeds: Tensor, bias: Bias, budgets: Tensor, options: Options) -> tuple[Tensor, Tensor]:
    """Return mask and scores [T, h*w] of the top `budgets[t]` tokens of each frame."""
    import torch

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


def cell_salience(x: Tensor, tau: float) -> Tensor:
    """Return how much nearer each raw token of `x [f, h, w, D]` is to its 2x2 cell than its frame.

    The result is [f, h*w]: `softplus(tau (cos(x, cell mean) - cos(x, frame mean))) / tau`.
    """
    from torch.nn import functional

    _, h, w, _ = x.shape
    cells = _cell_means(x)[:, _cells(h, w, x)].view_as(x)
    frames = x.mean(dim=(1, 2), keepdim=True)
    near = functional.cosine_similarity(x, cells, dim=-1)
    far = functional.cosine_similarity(x, frames, dim=-1)
    return functional.softplus(tau * (near - far)).flatten(1) / tau


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


def _cells(h: int, w: int, like: Tensor) -> Tensor:
    """Return the number of the 2x2 cell of each token of a frame: [h*w] int64.

    Cells begin at the upper left corner; those at an odd edge are smaller.
    """
    import torch

    rows, columns = (torch.arange(size, device=like.device) // 2 for size in (h, w))
    return (rows[:, None] * ((w + 1) // 2) + columns).flatten()


def _cell_means(x: Tensor) -> Tensor:
    """Return the mean of each 2x2 cell of `x [f, h, w, D]`: [f, P, D]."""
    from torch.nn import functional

    planes = x.permute(0, 3, 1, 2)
    means = functional.avg_pool2d(planes, 2, ceil_mode=True, count_include_pad=False)
    rows: Tensor = means.flatten(2).transpose(1, 2)
    return rows
