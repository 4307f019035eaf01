"""The roofline of a vision tower: what a call computes and moves, and how fast that could be done.

FLOPs are counted from the sizes of the tower: twice the multiplications of its matrix products,
attention included. Bytes are those that must move whatever the order of the work: weights and
pixels once, and the states that every block reads and writes. The ceilings are measured on the same
device with the same number of threads: the fastest of the matrix products of one of the tower's
blocks, on all rows of the call in the same dtype, and a copy in memory. Neither of the two ceilings
can be reached by a whole tower, since it also normalises and activates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from benchmarks.harness.turns import Clock, clock_of

COPIED = {"cpu": 1 << 26, "cuda": 1 << 28}
"""The bytes that are copied to measure the memory of a kind of device, more than caches hold."""


@dataclass(frozen=True, kw_only=True)
class TowerSizes:
    """The sizes of a vision tower that its FLOPs follow from."""

    width: int
    inner: int
    """The width inside a block's MLP."""
    blocks: int
    """The number of blocks that are run."""
    values: int
    """The values of a patch."""
    connector: int
    """The multiplications of a window in the part that makes tokens of it."""
    products: int = 2
    """The matrix products of an MLP: three where it is gated."""

    @property
    def dense(self) -> int:
        """The weights of a block, each of which a patch is multiplied with once."""
        return 4 * self.width**2 + self.products * self.width * self.inner

    def block(self, counts: Sequence[int]) -> int:
        """Return the multiplications of a block on frames of `counts` patches."""
        return sum(count * self.dense + 2 * count * count * self.width for count in counts)

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """The inputs and outputs of the matrix products of a block."""
        up, down = (self.width, self.inner), (self.inner, self.width)
        return (self.width, 3 * self.width), (self.width, self.width), up, down


@dataclass(frozen=True)
class Work:
    """The FLOPs of a call, and the bytes that it must move."""

    flops: float
    moved: float


def work_of(
    sizes: TowerSizes, *, frames: int, patches: int, windows: int, itemsize: int, attended: int = 0
) -> Work:
    """Count the work of a call on `frames` temporal patches of `patches`, which are `windows`.

    `itemsize` is the bytes of a value, and `attended` the number of patches that one patch attends
    to on average, those of its frame unless given.
    """
    rows = frames * patches
    attention = 2 * rows * (attended or patches) * sizes.width
    block = rows * sizes.dense + attention
    multiplied = rows * sizes.values * sizes.width + sizes.blocks * block
    multiplied += frames * windows * sizes.connector
    weights = sizes.values * sizes.width + sizes.blocks * sizes.dense + sizes.connector
    states = rows * (sizes.values + 2 * sizes.blocks * sizes.width)
    return Work(flops=2.0 * multiplied, moved=float(itemsize * (weights + states)))


@dataclass(frozen=True)
class Ceiling:
    """The FLOPs and the bytes that a device does in a second, as measured."""

    flops: float
    moved: float

    def least(self, work: Work) -> float:
        """Return the least seconds that the work can take."""
        return max(work.flops / self.flops, work.moved / self.moved)

    def share(self, work: Work, seconds: float) -> float:
        """Return what was reached of the ceiling, 0 to about 1."""
        return self.least(work) / seconds

    def line(self, work: Work, seconds: float) -> str:
        """Return the line of a report about work that took some seconds."""
        limit = "arithmetic" if work.flops / self.flops >= work.moved / self.moved else "memory"
        return (
            f"Roofline: {work.flops / 1e9:,.1f} GFLOP and {work.moved / 1e6:,.0f} MB in "
            f"{seconds:.3g} s, {work.flops / seconds / 1e9:,.0f} GFLOP/s, are "
            f"{100 * self.share(work, seconds):.0f} % of the measured ceiling "
            f"({self.flops / 1e9:,.0f} GFLOP/s, {self.moved / 1e9:,.0f} GB/s; {limit} limits)."
        )


def measure_ceiling(
    sizes: TowerSizes,
    *,
    rows: int,
    dtype: torch.dtype,
    device: str = "cpu",
    repeats: int = 3,
    of_processor: bool = False,
) -> Ceiling:
    """Measure the ceilings on `rows` rows, each as the best of `repeats` runs after one."""
    clock = clock_of(device, of_processor=of_processor)
    flops = 0.0
    for taken, given in sizes.shapes:
        left, right, out = (
            torch.randn(shape, device=device).to(dtype)
            for shape in ((rows, taken), (taken, given), (rows, given))
        )
        seconds = best(partial(torch.mm, left, right, out=out), repeats, clock)
        flops = max(flops, 2.0 * rows * taken * given / seconds)
    source = torch.ones(COPIED[torch.device(device).type], dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    moved = 2 * len(source)
    return Ceiling(flops, moved / best(partial(target.copy_, source), repeats, clock))


def best(run: Callable[[], Tensor], repeats: int, clock: Clock) -> float:
    """Return the seconds of the fastest of some runs after one that warms up."""
    run()
    taken = []
    for _ in range(repeats):
        start = clock()
        run()
        taken.append(clock() - start)
    return max(min(taken), 1e-9)
