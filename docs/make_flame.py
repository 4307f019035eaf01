"""Makes the flame graph of docs/performance.md again.

    pip install py-spy
    python docs/make_flame.py

Runs in the project's folder on a machine that does nothing else. py-spy looks 50 times a second at
`evs prune`, which prunes a minute of 720p by a random tower of 12 blocks of width 384, and at the
processes that it starts. Frames of the stack outside `evscli` are left out, but for modules of
models and for the innermost module of torch.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.end_to_end import BUDGET, SAMPLED, VISION, write_checkpoint, write_clip
from benchmarks.harness.towers import WIDE_384

PICTURE = Path(__file__).resolve().parent / "pictures" / "flame.png"
SECONDS, RATE, HEIGHT = 60, 50, 720
FRAME = re.compile(r"(?P<name>[^(]+) \((?P<file>[^:]+):\d+\)")
MODELS = re.compile(r"transformers/(models|activations)")
PLUMBING = (
    "evscli/__main__.py",
    "evscli/child.py",
    "evscli/cli/",
    "evscli/corpus/decoding/",
    "evscli/corpus/executors/groups.py",
    "evscli/corpus/executors/local.py",
    "evscli/encoders/chunks.py",
    "evscli/encoders/together.py",
    "evscli/encoders/transfers.py",
    "evscli/garbage.py",
    "evscli/job/",
)
"""The modules whose functions only call those below, and are left out."""
HIDDEN = ("VideoEncoder._fill", "VideoEncoder._encoded", "VideoEncoder._by_chunk")
WAITS = ("wait", "poll", "select", "recv", "_recv", "accept", "read_signed", "join")
PARTS = {
    "start": ("#9aa0a6", ("import", "load_encoder")),
    "decode": (
        "#4e79a7",
        ("_chunks", "_pixels", "_decode_part", "_run", "index_video", "survey_video"),
    ),
    "resize": ("#76b7b2", ("resize_exact", "interpolate")),
    "encode": ("#f6b26b", ("encode", "begin_pass", "patchify")),
    "matrix products": ("#e67e22", ("Linear", "embed_patches")),
    "choose and gather": ("#59a14f", ("prune", "select", "finish")),
    "write": ("#b07aa1", ("add", "_write")),
    "other": ("#d3d3d3", ()),
}
"""The colour of each part, and the functions by which it is known, innermost first."""
SMALLEST = 0.002
"""The share of the picture's width below which a function is not drawn."""

CHARACTERS = 205
"""The letters that the picture's width has room for."""

Stack = tuple[str, ...]
ENCODES = "the process that encodes, prunes and writes"
DECODES = "the processes that decode and resize"


class Box(NamedTuple):
    """One function in the picture."""

    stack: Stack
    left: int
    samples: int


def profile(folder: Path) -> Path:
    """Run the command under py-spy; return the file of its stacks."""
    clip, model, raw = folder / "clip.mp4", folder / "model", folder / "stacks.txt"
    write_clip(clip, SECONDS, HEIGHT)
    frames = SECONDS * SAMPLED
    write_checkpoint(model, {**VISION, **WIDE_384}, frames=frames, dtype=torch.float32)
    spy = ["py-spy", "record", "--subprocesses", "-r", str(RATE), "-f", "raw", "-o", str(raw), "--"]
    prune = [sys.executable, "-m", "evscli", "prune", str(clip), "--model", str(model)]
    how = ["--method", "vcast", "--budget", str(BUDGET), "-o", str(folder / "store")]
    subprocess.run([*spy, *prune, *how], check=True)
    return raw


def stacks_of(raw: Path) -> dict[str, Counter[Stack]]:
    """Count the stacks of the process that encodes and of those that decode."""
    found = {ENCODES: Counter[Stack](), DECODES: Counter[Stack]()}
    for line in raw.read_text().splitlines():
        text, _, count = line.rpartition(" ")
        *processes, stack = re.split(r'process \d+:"(?:[^"\\]|\\.)*";', text)
        frames = [match for part in stack.split(";") if (match := FRAME.fullmatch(part))]
        if not frames or frames[-1]["name"].rpartition(".")[2] in WAITS:
            continue
        role = ENCODES if len(processes) == 1 else DECODES
        if shown := (*shortened(frames),):
            found[role][shown] += int(count)
    return found


def shortened(frames: Sequence[re.Match[str]]) -> Iterator[str]:
    """Yield the names of the frames that are shown."""
    if any(frame["name"].startswith("_find_and_load") for frame in frames):
        yield "import"
        return
    for number, frame in enumerate(frames):
        name, file = frame["name"], frame["file"]
        last = not any("evscli/" in other["file"] for other in frames[number:])
        if file.startswith("evscli/") and not file.startswith(PLUMBING):
            if ".<locals>." not in name and name not in HIDDEN:
                yield name
        elif last and (MODELS.search(file) or (frame is frames[-1] and "torch/nn" in file)):
            yield name.removesuffix(".forward")


def part_of(stack: Stack) -> str:
    """Return the part that a function belongs to, by the innermost that is known."""
    for frame in reversed(stack):
        for part, (_, names) in PARTS.items():
            if frame.rpartition(".")[2] in names:
                return part
    return "other"


def boxes(stacks: Counter[Stack], prefix: Stack = (), left: int = 0) -> Iterator[Box]:
    """Yield the functions of stacks that begin with a prefix, and their samples, largest first."""
    groups: dict[str, Counter[Stack]] = {}
    for stack, count in stacks.items():
        if len(stack) > len(prefix):
            groups.setdefault(stack[len(prefix)], Counter())[stack] = count
    for name, group in sorted(groups.items(), key=lambda item: -item[1].total()):
        stack = (*prefix, name)
        yield Box(stack, left, group.total())
        yield from boxes(group, stack, left)
        left += group.total()


def draw(axes: Axes, stacks: Counter[Stack], title: str, widest: int) -> None:
    """Draw stacks from the top down, `widest` samples in the picture's width."""
    depth = 0
    for box in boxes(stacks):
        if box.samples < SMALLEST * widest:
            continue
        row, depth = len(box.stack) - 1, max(depth, len(box.stack))
        colour = PARTS[part_of(box.stack)][0]
        form = Rectangle((box.left, row), box.samples, 0.94, color=colour, ec="white", lw=0.6)
        axes.add_patch(form)
        letters = int(CHARACTERS * box.samples / widest)
        name = box.stack[-1].lstrip("_")
        if letters >= min(4, len(name)):
            cut = name if len(name) <= letters else name[: letters - 1] + "…"
            axes.text(box.left + 0.002 * widest, row + 0.5, cut, va="center", fontsize=7.5)
    axes.set(xlim=(0, widest), ylim=(depth, 0), yticks=[])
    axes.set_title(f"{title}: {stacks.total() / RATE:.1f} s", loc="left", fontsize=10)
    ticks = range(0, widest + 1, 5 * RATE)
    axes.set_xticks(ticks, [f"{tick // RATE} s" for tick in ticks], fontsize=8)
    axes.spines[["left", "right", "top"]].set_visible(False)


def picture(found: Mapping[str, Counter[Stack]]) -> Figure:
    """Draw the processes one below the other, on one scale of seconds."""
    depths = [max(map(len, stacks)) for stacks in found.values()]
    figure, rows = plt.subplots(
        len(found),
        height_ratios=depths,
        figsize=(14, 0.27 * sum(depths) + 1.5),
        layout="constrained",
    )
    widest = max(stacks.total() for stacks in found.values())
    for axes, (title, stacks) in zip(rows, found.items(), strict=True):
        draw(axes, stacks, title, widest)
    handles = [Rectangle((0, 0), 1, 1, color=colour) for colour, _ in PARTS.values()]
    figure.legend(handles, [*PARTS], ncols=len(PARTS), loc="outside upper right", frameon=False)
    return figure


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        stacks = stacks_of(profile(Path(folder)))
    picture(stacks).savefig(PICTURE, dpi=100)
