"""Steps about methods: what they choose on the device and on the CPU, and how fast they are."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.gpu.steps import Outcome, Setting
from benchmarks.harness.turns import clock_of, take_turns
from evscli.encoders.scorer import expected_shapes
from evscli.pruners import (
    check_selection,
    get_pruner,
    list_pruners,
    select_tokens,
    select_windows,
)
from evscli.pruners.registry import is_built_in
from evscli.records import KeptTokens, PixelSource, PruneInputs, VideoTokens, VideoWindows

PATCHES, HEADS, HIDDEN = 4, 4, 8
"""The patches of a window, and the sizes of the random scorer."""
TIMED = ("evs", "vcast", "vidcom2", "surprise", "dtd", "divprune", "cdpruner", "dycoke", "norm")


@dataclass(frozen=True)
class Video:
    """Random tokens, windows and pixels of one video, and a query; made on the CPU."""

    shape: tuple[int, int, int, int]
    """(T, h, w, D)"""

    def kept(self, method: str, device: str, dtype: torch.dtype = torch.bfloat16) -> KeptTokens:
        """Return what a method chooses on a device, on the CPU."""
        t, h, w, width = self.shape
        pruner = get_pruner(method)
        request = check_selection(pruner, None if pruner.keeps_all else 0.3)
        if pruner.inside is not None:
            states = self.noise(t, h, w, PATCHES, width).to(device, dtype)
            scorer = {
                name: 0.1 * self.noise(*shape).to(device)
                for name, shape in expected_shapes(width, HIDDEN).items()
            }
            inputs = PruneInputs(scorer=scorer, heads=HEADS)
            return select_windows(request, VideoWindows(states=states), inputs).kept.on_cpu()
        generator = torch.Generator().manual_seed(1)
        pixels = torch.randint(
            0, 256, (2 * t, 3, 8 * h, 8 * w), dtype=torch.uint8, generator=generator
        )
        inputs = PruneInputs(
            query=self.noise(3, width),
            pixels=PixelSource(chunks=lambda: iter(torch.split(pixels, 8)), temporal_patch_size=2),
        )
        tokens = VideoTokens.from_embeds(self.noise(*self.shape).to(device, dtype))
        return select_tokens(request, tokens, inputs).on_cpu()

    @staticmethod
    def noise(*shape: int) -> Tensor:
        """Return the random values of a shape, always the same."""
        return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def methods(setting: Setting, folder: Path) -> Outcome:  # noqa: ARG001
    """Compare every method's choice of bfloat16 tokens on the device with that on the CPU.

    The waits are the warnings of torch about calls that the host waits for.
    """
    video = Video(setting.of((32, 14, 14, 2048), (4, 4, 5, 160)))
    rows, problems, figures = [], [], {}
    for name in [pruner.name for pruner in list_pruners() if is_built_in(pruner)]:
        try:
            expected = video.kept(name, "cpu")
            video.kept(name, setting.device)  # the first call starts libraries
            kept, waits = watched(partial_of(video, name, setting.device), setting.device)
        except Exception as error:
            problems.append(f"{name}: {type(error).__name__}: {error}".partition("\n")[0])
            continue
        alike = float((kept.mask & expected.mask).sum() / expected.mask.sum())
        figures[f"{name}, alike"], figures[f"{name}, waits"] = alike, waits
        rows.append(f"| {name} | {alike:.4f} | {waits} |")
        if kept.expected != expected.expected:
            problems.append(f"{name}: {kept.expected} tokens in place of {expected.expected}")
    text = "| method | kept alike | waits |\n|---|---:|---:|\n" + "\n".join(rows)
    return Outcome(text=text, figures=figures, problems=problems)


def partial_of(video: Video, name: str, device: str) -> partial[KeptTokens]:
    """Return a method's choice as a function of nothing."""
    return partial(video.kept, name, device)


def watched(run: partial[KeptTokens], device: str) -> tuple[KeptTokens, int]:
    """Return the result of a run, and the number of times that the host waited for the device.

    Copies of the inputs to the device and of the choice from it are among them.
    """
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        if device != "cpu":
            torch.cuda.set_sync_debug_mode("warn")
        try:
            kept = run()
        finally:
            if device != "cpu":
                torch.cuda.set_sync_debug_mode("default")
    return kept, sum("synchroniz" in str(one.message) for one in seen)


def selection(setting: Setting, folder: Path) -> Outcome:  # noqa: ARG001
    """Measure methods on tokens that lie on the device."""
    shape, rounds = setting.of((384, 14, 14, 2048), (4, 4, 5, 160)), setting.of(5, 1)
    embeds = Video.noise(*shape).to(setting.device, torch.bfloat16)
    requests = {name: check_selection(name, 0.25) for name in TIMED}
    inputs = PruneInputs(query=Video.noise(3, shape[-1]))

    def choose(name: str) -> KeptTokens:
        return select_tokens(requests[name], VideoTokens.from_embeds(embeds), inputs)

    ways = {"one norm": partial(torch.linalg.vector_norm, embeds, dim=-1)}
    ways |= {name: partial(choose, name) for name in TIMED}
    turns = take_turns(ways, rounds=rounds, clock=clock_of(setting.device))
    norms = {way: turns.ratio(way, "one norm").text(".1f") for way in ways}
    rows = "\n".join(
        f"| {way} | {turns.of(way).text('.2f', 1000)} | {norms[way]} |" for way in ways
    )
    size = "x".join(map(str, shape))
    text = f"{size} bfloat16 tokens at 0.25, medians (least to most) of {rounds} rounds in turns."
    return Outcome(
        text=f"{text}\n\n| method | ms | passes of a norm |\n|---|---:|---:|\n{rows}",
        figures={f"{way}, ms": 1000 * taken for way, taken in turns.medians.items()},
    )
