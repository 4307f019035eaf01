"""The differentiable encoder: its tokens, its losses, and where gradient goes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from evscli.encoders import VideoEncoder, load_encoder
from evscli.encoders.early import finish
from evscli.encoders.scorer import expected_shapes
from evscli.models.contract import Tower
from evscli.pruners import check_selection, select_windows
from evscli.records import PruneInputs
from evscli.train.scorer.module import Scorer
from evscli.train.scorer.passes import Scored, auxiliary_loss, keep, score
from tests.checkpoints import FAMILIES, make_checkpoint
from tests.encoders.layouts import begun, random_frames

GRID = (3, 3)
"""The grid of windows, which is the only one of the tiny Molmo2."""
FRAMES = 5
COUNT = 18


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=[] if name == "qwen3_vl" else pytest.mark.slow)
        for name in (*FAMILIES, "molmo2")
    ],
)
def encoder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> VideoEncoder:
    folder = make_checkpoint(tmp_path_factory.mktemp("made") / request.param, request.param)
    return load_encoder(str(folder), device="cpu", dtype="float32")


@pytest.fixture
def tower(encoder: VideoEncoder) -> Tower:
    merge = encoder.form.merge_size
    return encoder.for_grid((merge * GRID[0], merge * GRID[1]))


@pytest.fixture
def patches(encoder: VideoEncoder) -> Tensor:
    cell = encoder.form.patch_size * encoder.form.merge_size
    size = encoder.form.temporal_patch_size
    return encoder.form.patchify(random_frames(size * FRAMES, GRID[0] * cell, GRID[1] * cell))


def scorer_of(encoder: VideoEncoder, seed: int = 1) -> Scorer:
    return Scorer(encoder.shape.width, 16, encoder.shape.heads, seed=seed)


def scored(tower: Tower, patches: Tensor, scorer: Scorer, *, frozen: bool = True) -> Scored:
    return score(tower, patches, scorer, after=0, frozen=frozen)


def test_tokens_are_those_of_pruning_with_the_scorer(
    encoder: VideoEncoder, tower: Tower, patches: Tensor
) -> None:
    scorer = scorer_of(encoder)
    ours = keep(tower, scored(tower, patches, scorer), COUNT)
    request = check_selection("stts", COUNT / (FRAMES * GRID[0] * GRID[1]), prune_at=0)
    with torch.inference_mode():
        prefix = begun(tower, 0, patches.split(2), len(patches))
        inputs = PruneInputs(scorer=scorer.state_dict(), heads=tower.heads)
        choice = select_windows(request, prefix.windows(), inputs)
        theirs = finish(prefix, choice, patches=1000, device=patches.device)
    assert torch.equal(ours.mask, choice.kept.mask)
    near = 1e-4 * float(theirs.embeds.abs().max())
    torch.testing.assert_close(ours.embeds, theirs.embeds, rtol=0, atol=near)
    assert (ours.planes is None) == (theirs.planes is None)
    if ours.planes is not None and theirs.planes is not None:
        torch.testing.assert_close(ours.planes, theirs.planes, rtol=0, atol=near)


def test_the_auxiliary_loss_is_the_published_one(
    encoder: VideoEncoder, tower: Tower, patches: Tensor
) -> None:
    found = scored(tower, patches, scorer_of(encoder))
    states = found.states[0][:, tower.window_patches].flatten(2)
    terms = []
    for frame in range(1, FRAMES):
        for window in range(GRID[0] * GRID[1]):
            alike = cosine_similarity(states[frame, window], states[frame - 1, window], dim=0)
            terms.append((found.scores[frame].flatten()[window] - (1 - alike)) ** 2)
    torch.testing.assert_close(found.auxiliary, 0.5 * torch.stack(terms).mean())
    alone = auxiliary_loss(found.scores[:1], found.states[0][:1, None, None])
    assert alone == 0


def gradients(scorer: Scorer, loss: Tensor) -> dict[str, Tensor]:
    scorer.zero_grad()
    loss.backward(retain_graph=True)  # type: ignore[no-untyped-call]
    return {n: p.grad.clone() for n, p in scorer.named_parameters() if p.grad is not None}


def test_both_losses_reach_every_weight_of_the_scorer(
    encoder: VideoEncoder, tower: Tower, patches: Tensor
) -> None:
    """From the tokens only through the bias: without it nothing comes."""
    scorer = scorer_of(encoder)
    found = scored(tower, patches, scorer)
    kept = keep(tower, found, COUNT)
    from_tokens = gradients(scorer, kept.embeds.square().sum())
    from_change = gradients(scorer, found.auxiliary)
    for grads in (from_tokens, from_change):
        # Keys of a pooler have a bias that a softmax does not feel.
        idle = {"patch_token_pooler.wk.bias"}
        assert {n for n, g in grads.items() if g.abs().max() > 1e-12} >= set(
            dict(scorer.named_parameters())
        ) - idle
    detached = Scored(states=found.states, scores=found.scores.detach(), auxiliary=found.auxiliary)
    hard = keep(tower, detached, COUNT)
    assert torch.equal(hard.mask, kept.mask)
    assert not hard.embeds.requires_grad


def test_the_gradient_through_the_bias_is_that_of_small_changes(
    encoder: VideoEncoder, tower: Tower, patches: Tensor
) -> None:
    scorer = scorer_of(encoder)
    found = scored(tower, patches, scorer)
    probe = torch.randn(COUNT, encoder.info.embed_dim, generator=torch.Generator().manual_seed(0))

    def loss(scores: Tensor) -> Tensor:
        given = Scored(states=found.states, scores=scores, auxiliary=found.auxiliary)
        return (keep(tower, given, COUNT).embeds * probe).sum()

    scores = found.scores.detach().requires_grad_()
    loss(scores).backward()  # type: ignore[no-untyped-call]
    assert scores.grad is not None
    step = 1e-3
    direction = torch.zeros_like(scores)
    direction[1:] = torch.randn(scores[1:].shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        order = scores.flatten().argsort()
        moved = [scores + sign * step * direction for sign in (1, -1)]
        if any(not torch.equal(one.flatten().argsort(), order) for one in moved):
            step = 1e-5
            moved = [scores + sign * step * direction for sign in (1, -1)]
        measured = (loss(moved[0]) - loss(moved[1])) / (2 * step)
    expected = (scores.grad * direction).sum()
    torch.testing.assert_close(measured, expected, rtol=0.1, atol=0.02 * float(probe.norm()))


def test_a_frozen_encoder_gets_no_gradient(
    encoder: VideoEncoder, tower: Tower, patches: Tensor
) -> None:
    found = scored(tower, patches, scorer_of(encoder))
    assert not found.states[0].requires_grad


def test_weights_begin_as_published(encoder: VideoEncoder) -> None:
    scorer = scorer_of(encoder)
    width = encoder.shape.width
    shapes = {name: tuple(value.shape) for name, value in scorer.state_dict().items()}
    assert shapes == expected_shapes(width, 16)
    first = scorer.state_dict()["mlp.w1.weight"]
    deviation = (2 * width) ** -0.5
    assert first.abs().max() <= 2 * deviation
    assert float(first.std()) == pytest.approx(0.88 * deviation, rel=0.1)
    assert not any(v.any() for n, v in scorer.state_dict().items() if n.endswith("bias"))
    same, other = scorer_of(encoder).state_dict(), scorer_of(encoder, seed=2).state_dict()
    assert torch.equal(first, same["mlp.w1.weight"])
    assert not torch.equal(first, other["mlp.w1.weight"])
