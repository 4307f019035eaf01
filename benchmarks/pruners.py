"""The speed of the pruners, in passes of one norm over the same tokens.

Every round runs the norm passes, the methods of evs and plain forms of them written from the
published formulas in turns, so that a busy machine slows all of them alike. The figures are
medians, ratios those of ratios within a round.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial, reduce

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.harness import Benchmark, Report
from benchmarks.harness.turns import Spread, Turns, medians_of, ranges_of, spread_of, take_turns
from evscli.pruners import check_selection, select_tokens
from evscli.records import VideoTokens

CELLS = (14, 14)
WIDTH = 2048
BUDGET = 0.25


def reference_evs(embeds: Tensor) -> Tensor:
    """Compute EVS as one cosine_similarity over the video, frame 0 above every score."""
    x = embeds.flatten(1, 2)
    change = 1 - functional.cosine_similarity(x[1:], x[:-1], dim=-1)
    scores = torch.cat([torch.full_like(change[:1], 255.0), change]).flatten()
    order = scores.argsort(descending=True, stable=True)
    mask = torch.zeros(len(scores), dtype=torch.bool)
    mask[order[: max(x.shape[1], int(len(scores) * BUDGET))]] = True
    return mask.view(embeds.shape[:3])


def reference_vcast(embeds: Tensor) -> Tensor:
    """Compute V-CAST as its formulas stand, its left-over tokens handed out one at a time."""
    x = embeds.flatten(1, 2)
    directions = functional.normalize(x.mean(dim=1), dim=-1)
    scores = reference_spread(x, directions[:, None])
    return reference_top(scores, directions).view(embeds.shape[:3])


def reference_vcast_frames(embeds: Tensor) -> Tensor:
    """Compute V-CAST with the scores of one frame after the other, which caches like better."""
    x = embeds.flatten(1, 2)
    directions = functional.normalize(x.mean(dim=1), dim=-1)
    frames = zip(x, directions, strict=True)
    scores = torch.stack([reference_spread(tokens, direction) for tokens, direction in frames])
    return reference_top(scores, directions).view(embeds.shape[:3])


def reference_spread(tokens: Tensor, direction: Tensor) -> Tensor:
    """Return the distance of tokens [..., N, D] from their frame's direction, plus their length."""
    cosine = functional.cosine_similarity(tokens, direction.expand_as(tokens), dim=-1)
    norms = tokens.norm(dim=-1)
    low, high = norms.amin(-1, keepdim=True), norms.amax(-1, keepdim=True)
    spread: Tensor = 1 - cosine + (norms - low) / (high - low + 1e-6)
    return spread


def reference_top(scores: Tensor, directions: Tensor) -> Tensor:
    """Keep the highest scores [T, N] of every frame, as many as its budget has."""
    budgets = reference_frame_budgets(reference_curvature(directions), scores.shape[1])
    mask = torch.zeros(scores.shape, dtype=torch.bool)
    for t, of_frame in enumerate(scores):
        mask[t, of_frame.topk(int(budgets[t])).indices] = True
    return mask


def reference_curvature(directions: Tensor) -> Tensor:
    """Return the curvature at each frame, 1 at the ends."""
    bends = torch.ones(len(directions))
    for t in range(1, len(directions) - 1):
        arriving = directions[t] - directions[t - 1]
        leaving = directions[t + 1] - directions[t]
        bends[t] = 1 - functional.cosine_similarity(arriving, leaving, dim=0, eps=1e-6)
    return bends


def reference_frame_budgets(bends: Tensor, cells: int) -> Tensor:
    """Return softmax shares, rounded down, the rest to the frame with the largest fraction."""
    frames = len(bends)
    total = round(frames * cells * BUDGET)
    shares = torch.softmax(bends / 0.7, dim=0) * (total - frames)
    budgets = 1 + shares.floor().long().clamp(max=cells - 1)
    fractions = shares - shares.floor()
    for _ in range(total - int(budgets.sum())):
        fractions[budgets >= cells] = -1
        budgets[fractions.argmax()] += 1
    return budgets


def reference_vidcom2(embeds: Tensor) -> Tensor:
    """Compute VidCom2 as its formulas stand, totals not made exact."""
    x = embeds.flatten(1, 2)
    steady = x.flatten(0, 1).var(dim=0, unbiased=False).argsort()[: x.shape[-1] // 2]
    x = functional.normalize(x[..., steady], dim=-1)
    near_video = reference_nearness(x, x.mean(dim=(0, 1)))
    near = near_video + reference_nearness(x, x.mean(dim=1, keepdim=True))
    unusual = -near_video.mean(dim=1)
    shares = torch.softmax((unusual - unusual.max()) / 0.01, dim=0)
    rates = (BUDGET * (1 + shares - shares.mean())).clamp(max=1)
    mask = torch.zeros(x.shape[:2], dtype=torch.bool)
    for t, of_frame in enumerate(near):
        count = max(1, round(float(rates[t]) * len(of_frame)))
        mask[t, of_frame.topk(count, largest=False).indices] = True
    return mask.view(embeds.shape[:3])


def reference_nearness(tokens: Tensor, centre: Tensor) -> Tensor:
    """Return the sum of five Gaussians of the distance to `centre`."""
    squares = (tokens - centre).square().sum(dim=-1)
    return reduce(torch.add, (torch.exp(-squares / (2 * a)) for a in (1 / 8, 1 / 4, 1 / 2, 1, 2)))


def ours(method: str, **options: object) -> Callable[[Tensor], Tensor]:
    """Return a method of evs as a function from embeddings to a mask."""
    request = check_selection(method, BUDGET, options)
    return lambda embeds: select_tokens(request, VideoTokens.from_embeds(embeds)).mask


CASES: dict[str, Callable[[Tensor], Tensor]] = {
    "x.norm(dim=-1)": lambda embeds: embeds.norm(dim=-1),
    "torch.linalg.vector_norm": lambda embeds: torch.linalg.vector_norm(embeds, dim=-1),
    "surprise": ours("surprise"),
    "evs": ours("evs"),
    "evs, window=1": ours("evs", window=1),
    "evs, plain cosine_similarity": reference_evs,
    "vcast": ours("vcast"),
    "vcast, formulas as they stand": reference_vcast,
    "vcast, loop over frames": reference_vcast_frames,
    "vidcom2": ours("vidcom2"),
    "vidcom2, formulas as they stand": reference_vidcom2,
}
ONCE = {"glean": ours("glean")}
"""Cases that take so long that they are run once, after the rounds."""
PLAIN = {
    "evs": "evs, plain cosine_similarity",
    "vcast": "vcast, formulas as they stand",
    "vidcom2": "vidcom2, formulas as they stand",
}
"""The plain form that a method is compared with."""


def synthetic_tokens(frames: int, dtype: torch.dtype) -> Tensor:
    """Make a drifting scene with noise: [T, h, w, D]."""
    generator = torch.Generator().manual_seed(0)
    embeds = torch.randn((frames, *CELLS, WIDTH), generator=generator).mul_(0.3)
    for t in range(1, frames):
        embeds[t] += 0.9 * embeds[t - 1]
    return embeds.to(dtype)


def compare(embeds: Tensor, rounds: int) -> Turns[Tensor]:
    """Run all cases in turns."""
    runs = {name: partial(run, embeds) for name, run in CASES.items()}
    return take_turns(runs, rounds=max(1, rounds), warm=1 if rounds else 0)


def timed(run: Callable[[Tensor], Tensor], embeds: Tensor) -> float:
    """Return the seconds of one run."""
    start = time.perf_counter()
    run(embeds)
    return time.perf_counter() - start


def agreement(embeds: Tensor) -> dict[str, float]:
    """Return the share of the plain form's kept tokens that the method of evs keeps too."""
    shares = {}
    for name, plain in PLAIN.items():
        wanted = CASES[plain](embeds)
        shares[name] = float((ours(name)(embeds) & wanted).sum() / wanted.sum())
    return shares


def table(turns: Turns[Tensor], once: dict[str, float]) -> str:
    """Return a Markdown table of one dtype's medians."""
    medians = turns.medians | once
    fastest = min(medians["x.norm(dim=-1)"], medians["torch.linalg.vector_norm"])
    lines = [
        "| case | ms | passes of `x.norm` | passes of the fastest norm |",
        "|---|---:|---:|---:|",
    ]
    for name, value in medians.items():
        took = turns.of(name) if name in turns.seconds else spread_of([value])
        passes = value / medians["x.norm(dim=-1)"]
        lines.append(
            f"| {name} | {took.text('.1f', by=1000)} | {passes:.2f} | {value / fastest:.2f} |"
        )
    gains = [
        f"{name} {turns.ratio(plain, name).text('.1f')} times" for name, plain in PLAIN.items()
    ]
    lines += ["", f"Faster than the plain form: {', '.join(gains)}."]
    looped = turns.ratio("vcast, loop over frames", "vcast").text(".1f")
    lines.append(f"Than a loop over frames, which caches like better: vcast {looped} times.")
    return "\n".join(lines)


def spreads_of(turns: Turns[Tensor], dtype: str) -> dict[str, Spread]:
    """Return the spreads of one dtype: milliseconds by case, and how much faster ours are."""
    found = {
        f"{dtype} {case}": spread_of([1000 * value for value in values])
        for case, values in turns.seconds.items()
    }
    for method, plain in PLAIN.items():
        found[f"{dtype} plain / {method}"] = turns.ratio(plain, method)
    return found | {f"{dtype} loop / vcast": turns.ratio("vcast, loop over frames", "vcast")}


def measure(*, rounds: int = 5, frames: int = 384) -> Report:
    """Measure medians over `rounds` rounds on `frames` frames, in two dtypes."""
    body = (
        f"{frames} x {CELLS[0] * CELLS[1]} tokens of width {WIDTH}, budget {BUDGET}; medians "
        f"(least to most) over {rounds} rounds in turns; glean once."
    )
    spreads: dict[str, Spread] = {}
    for name in ("float32", "bfloat16"):
        embeds = synthetic_tokens(frames, getattr(torch, name))
        turns, shares = compare(embeds, rounds), agreement(embeds)
        once = {case: timed(run, embeds) for case, run in ONCE.items()}
        kept = ", ".join(f"{key} {value:.4f}" for key, value in shares.items())
        body += (
            f"\n\n## {name}\n\n{table(turns, once)}\n"
            f"Share of the plain form's tokens (scored in this dtype) that ours keeps: {kept}."
        )
        spreads |= spreads_of(turns, name)
        spreads |= {f"{name} {case}": spread_of([1000 * value]) for case, value in once.items()}
    return Report(
        title="Speed of the pruners",
        body=body,
        figures=medians_of(spreads),
        spread=ranges_of(spreads),
    )


BENCHMARK = Benchmark(
    measure=measure,
    smoke={"rounds": 0, "frames": 4},
    code=(
        "pruners/methods/surprise.py",
        "pruners/ops/sketch.py",
        "pruners/ops/frame_change.py",
        "pruners/methods/glean.py",
        "pruners/methods/evs.py",
        "pruners/methods/vcast.py",
        "pruners/ops/outliers.py",
        "pruners/methods/vidcom2.py",
        "pruners/ops/likeness.py",
        "records/tokens.py",
    ),
    minutes=3,
)
