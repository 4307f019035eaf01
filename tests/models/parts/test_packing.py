"""STTS's scores and bins against the authors' own (test_stts has all of it), and packing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.functional import gelu, layer_norm, linear, scaled_dot_product_attention

from evscli.models.parts import packing
from evscli.models.parts.packing import (
    Stretches,
    alone,
    attend_packed,
    first_fit,
    pack,
    refilled,
)
from evscli.pruners.methods.stts import (
    Options,
    attention_bias,
    expected_count,
    keep_windows,
    window_scores,
)

GOLDEN = sorted((Path(__file__).parents[2] / "data" / "golden").glob("stts_*.safetensors"))
SIDE, WINDOW = 27, 3
CELLS = SIDE // WINDOW
Attention = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    tensors: Mapping[str, Tensor]
    parameters: Mapping[str, str]

    @property
    def heads(self) -> int:
        return int(self.parameters["num_heads"])

    @property
    def scorer(self) -> dict[str, Tensor]:
        prefix = "weights.temporal_token_scorer."
        return {
            name.removeprefix(prefix): value
            for name, value in self.tensors.items()
            if name.startswith(prefix)
        }

    def block(self, number: int, hidden: Tensor, attend: Attention) -> Tensor:
        """A pre-norm block of the authors' tower."""
        name = f"resblocks.{number}"
        normed = self.norm(f"{name}.attention_norm", hidden)
        query, key, value = (
            self.linear(f"{name}.attention.{part}", normed).unflatten(-1, (self.heads, -1))
            for part in ("wq", "wk", "wv")
        )
        mixed = attend(query, key, value).flatten(-2)
        hidden = hidden + self.linear(f"{name}.attention.wo", mixed)
        normed = self.norm(f"{name}.ffn_norm", hidden)
        inner = gelu(self.linear(f"{name}.feed_forward.w1", normed), approximate="tanh")
        return hidden + self.linear(f"{name}.feed_forward.w2", inner)

    def linear(self, name: str, states: Tensor) -> Tensor:
        weights = (self.tensors[f"weights.{name}.{part}"] for part in ("weight", "bias"))
        return linear(states, *weights)

    def norm(self, name: str, states: Tensor) -> Tensor:
        weight, bias = (self.tensors[f"weights.{name}.{part}"] for part in ("weight", "bias"))
        return layer_norm(states, weight.shape, weight, bias, 1e-5)

    def scored(self) -> tuple[Tensor, Tensor]:
        """The output of block 3, and its windows' scores."""
        hidden = self.tensors["patches"]
        for number in range(4):
            hidden = self.block(number, hidden, dense())
        states = windows(hidden).unflatten(1, (CELLS, CELLS))
        return hidden, window_scores(states, self.scorer, heads=self.heads).flatten(1)


@pytest.fixture(params=GOLDEN, ids=lambda path: path.stem)
def reference(request: pytest.FixtureRequest) -> Reference:
    with safe_open(request.param, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return Reference(tensors=tensors, parameters=file.metadata())


def dense(bias: Tensor | None = None) -> Attention:
    def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        states = (s.transpose(1, 2) for s in (query, key, value))
        return scaled_dot_product_attention(*states, attn_mask=bias).transpose(1, 2)

    return attend


def windows(hidden: Tensor) -> Tensor:
    """[T, 729, C] to [T, 81, 9, C]."""
    cells = hidden.view(len(hidden), CELLS, WINDOW, CELLS, WINDOW, -1)
    return cells.transpose(2, 3).reshape(len(hidden), CELLS**2, WINDOW**2, -1)


def patches(windows: Tensor) -> Tensor:
    """A value for each window [T, 81] as one for each of its patches [T, 729]."""
    cells = windows.view(-1, CELLS, 1, CELLS, 1)
    return cells.expand(-1, CELLS, WINDOW, CELLS, WINDOW).reshape(len(windows), -1)


def test_the_golden_files_are_here() -> None:
    assert len(GOLDEN) == 3


def test_scores_and_windows_are_those_of_the_authors(reference: Reference) -> None:
    _, scores = reference.scored()
    torch.testing.assert_close(scores, reference.tensors["scores"], atol=1e-5, rtol=0)
    budget = 1 - float(reference.parameters["budget_pruned"])
    keep = keep_windows(scores, expected_count(*scores.shape, budget, Options()))
    assert torch.equal(keep, reference.tensors["keep"])
    assert torch.equal(patches(keep), reference.tensors["patch_keep"])


def test_bins_and_refill_are_those_of_the_authors(reference: Reference) -> None:
    keep = reference.tensors["patch_keep"]
    bins = first_fit(keep.sum(1).tolist(), SIDE**2)
    assert len(bins) == int(reference.parameters["packed_frames"])
    kept = int(keep.sum())
    ratio = (int(refilled(keep).sum()) - kept) / kept
    assert ratio == pytest.approx(float(reference.parameters["refill_ratio"]))


def test_first_fit_puts_large_frames_first() -> None:
    assert first_fit([3, 7, 0, 5, 2], 8) == [[1], [3, 0], [4]]
    assert alone([3, 7, 0, 5, 2], 8) == [1, 4]


masks = st.tuples(st.integers(1, 6), st.integers(1, 8), st.integers(0, 2**32 - 1))


@settings(deadline=None, max_examples=60)
@given(shape=masks, refill=st.booleans())
def test_packed_attention_is_attention_within_frames(
    shape: tuple[int, int, int], refill: bool
) -> None:
    frames, size, seed = shape
    generator = torch.Generator().manual_seed(seed)
    keep = torch.rand((frames, size), generator=generator) < 0.5
    context = refilled(keep) if refill else keep
    query, key, value = torch.randn((3, frames, size, 2, 4), generator=generator)
    packing = pack(context)
    packed = (
        packing.take(states.flatten(-2)).unflatten(-1, (2, 4)) for states in (query, key, value)
    )
    ours = torch.zeros((frames * size, 8))
    ours[packing.rows] = attend_packed(*packed, packing.frames).flatten(-2)
    lonely = alone(keep.sum(1).tolist(), size) if refill else []
    for t in range(frames):
        seen = torch.ones(size, dtype=torch.bool) if t in lonely else keep[t]
        states = (s[t, seen].transpose(0, 1) for s in (query, key, value))
        wanted = torch.zeros((size, 8))
        wanted[seen] = scaled_dot_product_attention(*states).transpose(0, 1).flatten(1)
        torch.testing.assert_close(ours.view(frames, size, 8)[t], wanted, atol=1e-6, rtol=1e-5)


@settings(deadline=None)
@given(frames=st.integers(1, 9), cells=st.integers(1, 9), budget=st.floats(0.01, 1))
def test_the_first_frame_is_kept_and_counts(frames: int, cells: int, budget: float) -> None:
    generator = torch.Generator().manual_seed(frames)
    count = expected_count(frames, cells, budget, Options())
    keep = keep_windows(torch.rand((frames, cells), generator=generator), count)
    assert keep[0].all()
    assert int(keep.sum()) == count >= min(budget * frames * cells - 1e-6, cells)


def test_without_scores_that_differ_the_bias_is_the_least_one() -> None:
    bias = attention_bias(torch.full((3, 2, 2), 0.4))
    assert bias[0].eq(0).all()
    torch.testing.assert_close(bias[1:], torch.full((2, 2, 2), -2.0))


@pytest.mark.parametrize(
    ("dtype", "head", "capability", "built", "at_once"),
    [
        (torch.bfloat16, 64, (9, 0), True, True),
        (torch.float16, 72, (8, 0), True, True),
        (torch.float32, 64, (9, 0), True, False),
        (torch.bfloat16, 64, (7, 5), True, False),  # Turing
        (torch.bfloat16, 64, (9, 0), False, False),  # a build without the kernels
        (torch.bfloat16, 20, (9, 0), True, False),
        (torch.bfloat16, 264, (9, 0), True, False),
    ],
)
def test_a_gpu_attends_to_all_lengths_at_once_where_it_has_kernels_for_it(
    monkeypatch: pytest.MonkeyPatch,
    dtype: torch.dtype,
    head: int,
    capability: tuple[int, int],
    built: bool,
    at_once: bool,
) -> None:
    called: list[bool] = []
    monkeypatch.setattr(torch.backends.cuda, "is_flash_attention_available", lambda: built)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    for name, flash in (("_attend_at_once", True), ("_attend_by_length", False)):
        monkeypatch.setattr(packing, name, lambda *states, f=flash: called.append(f) or states[0])
    packing._has_flash.cache_clear()
    within = Stretches(order=None, lengths=((2, 1), (3, 1)), device=torch.device("cpu"))
    with FakeTensorMode():
        states = torch.empty((5, 2, head), dtype=dtype, device="cuda")
        attend_packed(states, states, states, within)
    packing._has_flash.cache_clear()
    assert called == [at_once]
