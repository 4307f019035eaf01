"""What loading the vision part of a large checkpoint costs; writes results/checkpoint_reading.md.

    python -m benchmarks.checkpoint_reading

The checkpoint is made here: a small random vision tower beside a language model of about 2 GB,
whose weights are holes in sparse files, in three shards of which one holds both. Each way loads it
in a process of its own, with the files dropped from the page cache before; afterwards the kernel
says how much of the files it had to bring in (`mincore`).
"""

from __future__ import annotations

import argparse
import ctypes
import json
import mmap
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoModelForImageTextToText, Qwen3VLConfig

from benchmarks.machine import describe_machine

RESULTS = Path(__file__).parent / "results" / "checkpoint_reading.md"
MB = 1 << 20
VISION = {
    "depth": 8,
    "hidden_size": 384,
    "num_heads": 6,
    "intermediate_size": 1536,
    "out_hidden_size": 2048,
    "deepstack_visual_indexes": [1, 3, 5],
}
TEXT = {
    "hidden_size": 2048,
    "intermediate_size": 6144,
    "num_hidden_layers": 14,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "vocab_size": 80000,
}
PROCESSOR = {"patch_size": 16, "temporal_patch_size": 2, "merge_size": 2, "fps": 2}
WAYS = {
    "evs: `load_encoder`": ("evs", "auto"),
    "transformers: `AutoModelForImageTextToText.from_pretrained`": ("transformers", "auto"),
    "evs, `dtype=float32`": ("evs", "float32"),
    "transformers, `dtype=float32`": ("transformers", "float32"),
}
"""Who loads, and in which dtype: as stored, or converted."""


def make_checkpoint(folder: Path) -> tuple[int, int]:
    """Write the checkpoint; returns bytes of vision weights and of all weights."""
    config = Qwen3VLConfig(vision_config=VISION, text_config=TEXT, dtype="bfloat16")
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config, dtype=torch.bfloat16)
    config.save_pretrained(folder)
    (folder / "video_preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    weights = model.state_dict()
    vision = {name: value for name, value in weights.items() if ".visual." in name}
    rest = sorted(weights.keys() - vision.keys())
    parts = [[*vision, *rest[: len(rest) // 3]], rest[len(rest) // 3 :: 2], []]
    parts[2] = sorted(set(rest) - set(parts[0]) - set(parts[1]))
    weight_map = {}
    for number, names in enumerate(parts):
        filename = f"model-{number + 1:05}-of-{len(parts):05}.safetensors"
        write_shard(folder / filename, {name: weights[name] for name in names}, set(vision))
        weight_map |= dict.fromkeys(names, filename)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return _total(vision), _total(weights)


def write_shard(path: Path, weights: dict[str, Tensor], filled: set[str]) -> None:
    """A bfloat16 safetensors file; weights that are not `filled` are holes."""
    header, offset = {}, 0
    for name, value in weights.items():
        span = [offset, offset + value.nbytes]
        header[name] = {"dtype": "BF16", "shape": list(value.shape), "data_offsets": span}
        offset = span[1]
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        start = file.tell()
        for name in filled & weights.keys():
            random = torch.randn(weights[name].shape, dtype=torch.bfloat16) / 50
            file.seek(start + header[name]["data_offsets"][0])
            file.write(random.view(torch.uint8).numpy().tobytes())
        file.truncate(start + offset)


def load(way: str, dtype: str, folder: str) -> dict[str, float]:
    """Load in this process; seconds, and growth of memory in MB."""
    if way == "evs":
        from evscli.encoders import load_encoder

        load_encoder("mini", device="cpu")  # so that imports are not counted
    before, start = _memory(), time.perf_counter()
    kept: object = (
        load_encoder(folder, device="cpu", dtype=dtype)
        if way == "evs"
        else AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype)
    )
    seconds, after = time.perf_counter() - start, _memory()
    del kept
    return {
        "seconds": seconds,
        "peak": (after["VmHWM"] - before["VmRSS"]) / 1024,
        "anonymous": (after["RssAnon"] - before["RssAnon"]) / 1024,
    }


def _memory() -> dict[str, int]:
    """VmRSS, VmHWM and RssAnon in KB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return {
        name: int(value.split()[0])
        for name, value in (line.split(":", 1) for line in lines)
        if name in ("VmRSS", "VmHWM", "RssAnon")
    }


def drop_from_cache(folder: Path) -> None:
    """Make the kernel forget the pages of every file."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def brought_in(folder: Path) -> float:
    """MB of the weight files that are in the page cache."""
    return sum(_cached_pages(path) for path in folder.glob("*.safetensors")) * mmap.PAGESIZE / MB


def _cached_pages(path: Path) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as view:
        pages = (ctypes.c_ubyte * -(-len(view) // mmap.PAGESIZE))()
        address = ctypes.addressof(ctypes.c_char.from_buffer(view))
        if libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(len(view)), pages):
            raise OSError(ctypes.get_errno(), "mincore failed")
        return sum(page & 1 for page in pages)


def measure(way: tuple[str, str], folder: Path) -> dict[str, float]:
    """What one way costs, in a fresh process."""
    drop_from_cache(folder)
    assert brought_in(folder) < 1, "this file system keeps pages that it was asked to drop"
    command = [sys.executable, "-m", "benchmarks.checkpoint_reading", "--load", *way, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    costs: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return {**costs, "read": brought_in(folder)}


def report() -> str:
    """The results as a Markdown page."""
    with tempfile.TemporaryDirectory() as name:
        vision, total = make_checkpoint(Path(name))
        rows = [
            f"| {label} | {cost['read']:.0f} | {cost['peak']:.0f} | {cost['anonymous']:.0f} | "
            f"{cost['seconds']:.1f} |"
            for label, cost in ((label, measure(way, Path(name))) for label, way in WAYS.items())
        ]
    return "\n".join([*_head(vision, total), *rows, ""])


def _head(vision: int, total: int) -> list[str]:
    return [
        "# Loading the vision part of a large checkpoint",
        "",
        f"`python -m benchmarks.checkpoint_reading`, {describe_machine()}",
        "",
        "Qwen3-VL architecture in bfloat16, three shards, "
        f"{total / MB:.0f} MB of weights of which {vision / MB:.0f} MB are the vision "
        "tower's, beside language weights in one shard. Each way in a fresh process, files not in "
        "the page cache before. Memory is growth over the process with everything imported. In the "
        "stored dtype transformers maps the language weights and reads them when they are used; "
        "what it reads here is the kernel's read-ahead.",
        "",
        "| way | MB of the files read | peak resident MB | anonymous MB after | seconds |",
        "|---|---|---|---|---|",
    ]


def _total(weights: dict[str, Tensor]) -> int:
    return sum(value.nbytes for value in weights.values())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--load", nargs=3, metavar=("WAY", "DTYPE", "FOLDER"), help=argparse.SUPPRESS
    )
    options = parser.parse_args()
    if options.load:
        print(json.dumps(load(*options.load)))
    else:
        text = report()
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(text)
        print(text)
