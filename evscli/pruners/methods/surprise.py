"""Surprise, a method of evs: keep what neither space nor time predicts, in one order of all tokens.

Four scores add up: how unlike its frame's mean a token is, how rare what is left of it is among all
tokens of the video, how unlike its neighbours, and how unlike anything near it in the frame before.
Frames weigh by how much of them is new. A token's place in the one order follows from its place in
its frame and the frame's weight, and not from the budget: a smaller budget keeps a subset of a
larger one, counts are exact, and nothing is rounded.

Frames and scores of other methods may be put in their place, to see what each part does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from evscli.errors import UsageError
from evscli.option import Option
from evscli.pruners.method import Pruner, nearest_count, nearest_rule
from evscli.records import KeptTokens, PruneInputs, VideoTokens

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS = {
    "outlier": 1.0,
    "rarity": 4.0,
    "contrast": 1.0,
    "change": 1.0,
    "uniqueness": 1.0,
    "salience": 1.0,
}
"""The weight of every part of the score, each rescaled to 0..1 over its frame."""
OWN = ("outlier", "rarity", "contrast", "change")
"""The parts that are this method's own, computed together."""
_EVEN = 0.5
"""The share of the budget that all frames get alike."""
_TAU_VCAST, _TAU_GLEAN = 0.7, 4.0
_COSINES = 1.0
"""The size of cosines, beside which differences of rounding are none."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of surprise. Raises UsageError for a score of unknown parts."""

    frames: Annotated[
        Literal["surprise", "even", "curvature", "novelty"],
        Option(
            "What frames weigh by: what is new in them, nothing, V-CAST's curvature or GleanVID's "
            "novelty."
        ),
    ] = "surprise"
    score: Annotated[
        str,
        Option(
            "Parts that add up: outlier (V-CAST's), rarity, contrast, change, uniqueness "
            "(VidCom2's), salience (GleanVID's).",
            metavar="PART+PART",
        ),
    ] = "+".join(OWN)

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of the score."""
        return tuple(self.score.split("+"))

    def __post_init__(self) -> None:
        if unknown := [part for part in self.parts if part not in WEIGHTS]:
            raise UsageError(
                f"option score of surprise is {self.score!r}, and {unknown[0]!r} is not a part: "
                f"join some of {', '.join(WEIGHTS)} by +"
            )
        if len(set(self.parts)) < len(self.parts):
            raise UsageError(f"option score of surprise names a part twice: {self.score!r}")


def surprise(
    tokens: VideoTokens, inputs: PruneInputs, budget: float, options: Options
) -> KeptTokens:
    """Keep the first tokens of the one order, the number nearest to the budget."""
    import torch

    from evscli.pruners.ops.ranking import places

    t, h, w = tokens.grid_thw
    count = nearest_count(t, h * w, budget)
    with torch.no_grad():
        own = own_parts(tokens.embeds)
        scores = total_score(tokens.embeds, own, options.parts)
        weights = frame_shares_by(tokens.embeds, own["change"], options.frames)
        order = places(-entries(scores, weights)).view(t, h, w)
    return KeptTokens(mask=order < count, scores=scores.view(t, h, w), expected=count, order=order)


PRUNER = Pruner(
    name="surprise",
    summary="keeps what neither its frame nor the frame before predicts",
    paper="this project",
    order=0,
    function=surprise,
    nested=nearest_rule,
    option_type=Options,
)


def entries(scores: Tensor, weights: Tensor) -> Tensor:
    """Return the budget at which each token comes in, up to a factor: [T, N] float64.

    The token at place j of its frame, by `scores [T, N]`, comes in at `(j + 1/2) / weights[t]`, as
    if each frame's budget were rounded to the nearest whole number.
    """
    place = scores.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    return (place.double() + 0.5) / weights.double()[:, None]


def total_score(embeds: Tensor, own: Mapping[str, Tensor], parts: tuple[str, ...]) -> Tensor:
    """Return the weighted sum of the parts, each rescaled to 0..1 over its frame: [T, N]."""
    import torch

    from evscli.pruners.ops.ranking import rescaled

    total = torch.zeros_like(own["change"])
    for part in parts:
        values = own[part] if part in OWN else borrowed_part(embeds, part)
        total += WEIGHTS[part] * rescaled(values, size=_COSINES)
    return total


def borrowed_part(embeds: Tensor, part: str) -> Tensor:
    """Return a score of another method for `embeds [T, h, w, D]`: [T, N] float32."""
    import torch

    from evscli.pruners.ops.cells import cell_salience
    from evscli.pruners.ops.frames import float_chunks
    from evscli.pruners.ops.likeness import likeness

    if part == "uniqueness":
        to_video, to_frame = likeness(embeds)
        return -(to_video + to_frame)
    chunks = (x.view(-1, *embeds.shape[1:]) for _, _, x in float_chunks(embeds))
    return torch.cat([cell_salience(x, _TAU_GLEAN) for x in chunks])


def frame_shares_by(embeds: Tensor, change: Tensor, by: str) -> Tensor:
    """Return the share of the budget of each frame: [T], summing to 1 and all above 0."""
    import torch

    from evscli.pruners.ops.novelty import Bias, frame_novelty, frame_shares
    from evscli.pruners.ops.outliers import (
        curvature,
        curvature_shares,
        frame_directions_and_scores,
    )

    if by == "novelty":
        return frame_shares(frame_novelty(embeds, Bias.of(embeds), history=256))
    if by == "curvature":
        directions, _ = frame_directions_and_scores(embeds)
        return curvature_shares(curvature(directions), _TAU_VCAST)
    even = torch.full_like(change[:, 0], 1 / len(change))
    if by == "even":
        return even
    new = change.sum(dim=1)
    total = new.sum()
    return _EVEN * even + (1 - _EVEN) * torch.where(total > 0, new / total, even)


def own_parts(embeds: Tensor) -> dict[str, Tensor]:
    """Return the parts of the score that are this method's own, by name: each [T, N] float32.

    Two walks over the tokens, a few frames at a time, compute them from short sketches.
    """
    import torch

    from evscli.pruners.ops.frame_change import nearest_change
    from evscli.pruners.ops.sketch import sketches

    t, h, w, _ = embeds.shape
    whiten = whitening(embeds)
    parts = {name: torch.empty((t, h * w), device=embeds.device) for name in OWN}
    before = None
    for start, stop, z in sketches(embeds):
        mean, units = z.mean(dim=1, keepdim=True), unit(z)
        grid = units.view(len(z), h, w, -1)
        parts["outlier"][start:stop] = outlier(z, units, unit(mean))
        parts["rarity"][start:stop] = torch.linalg.vector_norm((z - mean).double() @ whiten, dim=-1)
        parts["contrast"][start:stop] = contrast(grid)
        known = grid if before is None else torch.cat([before, grid])
        changed = nearest_change(known, reach=1).flatten(1)
        parts["change"][stop - len(changed) : stop] = changed
        before = grid[-1:].clone()
    parts["change"][0] = parts["change"][1:].amax(dim=0) if t > 1 else 1.0
    return parts


def whitening(embeds: Tensor) -> Tensor:
    """Return a matrix W [d, d] float64 so that `x W` has the lengths of Mahalanobis distances.

    The covariance is that of the sketches around their frames' means, with the mean of its diagonal
    added to that.
    """
    import torch

    from evscli.pruners.ops.sketch import sketches

    covariance: Tensor | None = None
    for _, _, z in sketches(embeds):
        # In float64, which no setting of CUDA rounds further.
        off = (z - z.mean(dim=1, keepdim=True)).flatten(0, 1).double()
        covariance = off.T @ off if covariance is None else covariance.addmm_(off.T, off)
    assert covariance is not None, "a video has a frame"
    covariance /= embeds.shape[:3].numel()
    ridge = covariance.diagonal().mean()
    eye = torch.eye(len(covariance), dtype=torch.float64, device=embeds.device)
    factor = torch.linalg.cholesky_ex(covariance + torch.where(ridge > 0, ridge, 1) * eye).L
    inverse: Tensor = torch.linalg.solve_triangular(factor, eye, upper=False)
    return inverse.T


def outlier(z: Tensor, units: Tensor, mean: Tensor) -> Tensor:
    """Return V-CAST's score of tokens `z [f, N, d]`: 1 - cos to the frame's mean, plus length.

    `units` are the tokens and `mean [f, 1, d]` the means of their frames, both of length 1.
    """
    import torch

    from evscli.pruners.ops.ranking import rescaled

    far = 1 - (units * mean).sum(dim=-1)
    return far + rescaled(torch.linalg.vector_norm(z, dim=-1))


def contrast(grid: Tensor) -> Tensor:
    """Return 1 - the mean cosine to the 5x5 neighbourhood of unit tokens [f, h, w, d]: [f, h*w]."""
    from torch.nn import functional

    planes = grid.permute(0, 3, 1, 2)
    near = functional.avg_pool2d(planes, 5, stride=1, padding=2, count_include_pad=False)
    raw = (grid * near.permute(0, 2, 3, 1)).sum(dim=-1)
    ones = planes.new_ones(1, 1, *planes.shape[2:])
    count = 25 * functional.avg_pool2d(ones, 5, stride=1, padding=2)[0, 0]
    own = grid.square().sum(dim=-1)
    return (1 - (count * raw - own) / (count - 1).clamp(min=1)).flatten(1)


def unit(x: Tensor) -> Tensor:
    """Return rows of length 1; zero rows stay zero."""
    from torch.nn import functional

    return functional.normalize(x, dim=-1, eps=1e-30)
