"""The cost of loading the vision part of a large checkpoint.

The checkpoint is made here: a small random vision tower beside a language model of about 2 GB,
whose weights are holes in sparse files, in three shards of which one holds both. Each way loads it
in a process of its own, with the files dropped from the page cache before. The bytes read are the
pages that the kernel has in its cache afterwards (`mincore`).
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoModelForImageTextToText, Qwen3VLConfig

from benchmarks.harness import Benchmark, Report, interpreter

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
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "vocab_size": 80000,
}
PROCESSOR = {"patch_size": 16, "temporal_patch_size": 2, "merge_size": 2, "fps": 2}
WAYS = {
    "evs": "evs: `load_encoder`",
    "transformers": "transformers: `AutoModelForImageTextToText.from_pretrained`",
    "evs float32": "evs, `dtype=float32`",
    "transformers float32": "transformers, `dtype=float32`",
}
"""The loaders, each with the stored dtype or with another one."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The seconds and MB of one way."""

    seconds: float
    peak: float
    """The most resident MB above those before."""
    anonymous: float
    """The anonymous MB afterwards above those before."""
    read: float = 0.0
    """The MB read of the files."""


def make_checkpoint(folder: Path, layers: int) -> tuple[int, int]:
    """Write the checkpoint. Return the bytes of the vision weights and of all weights."""
    text = {**TEXT, "num_hidden_layers": layers}
    config = Qwen3VLConfig(vision_config=VISION, text_config=text, dtype="bfloat16")
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config, dtype=torch.bfloat16)
    config.save_pretrained(folder)
    (folder / "video_preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    weights = model.state_dict()
    vision = {name: value for name, value in weights.items() if ".visual." in name}
    rest = sorted(weights.keys() - vision.keys())
    parts = [[*vision, *rest[: len(rest) // 3]], rest[len(rest) // 3 :: 2], []]
    parts[2] = sorted(set(rest) - set(parts[0]) - set(parts[1]))
    weight_map: dict[str, str] = {}
    for number, names in enumerate(parts):
        filename = f"model-{number + 1:05}-of-{len(parts):05}.safetensors"
        write_shard(folder / filename, {name: weights[name] for name in names}, set(vision))
        weight_map |= dict.fromkeys(names, filename)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return _total(vision), _total(weights)


def write_shard(path: Path, weights: dict[str, Tensor], filled: set[str]) -> None:
    """Write a bfloat16 safetensors file. Weights that are not `filled` are holes."""
    header: dict[str, object] = {}
    starts, offset = {}, 0
    for name, value in weights.items():
        starts[name], end = offset, offset + value.nbytes
        span = [offset, end]
        header[name] = {"dtype": "BF16", "shape": list(value.shape), "data_offsets": span}
        offset = end
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        start = file.tell()
        for name in filled & weights.keys():
            random = torch.randn(weights[name].shape, dtype=torch.bfloat16) / 50
            file.seek(start + starts[name])
            file.write(random.view(torch.uint8).numpy().tobytes())
        file.truncate(start + offset)


def load(way: str, dtype: str, folder: str) -> None:
    """Load in this process, and print the cost."""
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
    cost = Cost(
        seconds=seconds,
        peak=(after["VmHWM"] - before["VmRSS"]) / 1024,
        anonymous=(after["RssAnon"] - before["RssAnon"]) / 1024,
    )
    print(json.dumps(asdict(cost)))


def _memory() -> dict[str, int]:
    """Return VmRSS, VmHWM and RssAnon in KB."""
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
    """Return the MB of the weight files that are in the page cache."""
    return sum(_cached_pages(path) for path in folder.glob("*.safetensors")) * mmap.PAGESIZE / MB


def _cached_pages(path: Path) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as view:
        pages = (ctypes.c_ubyte * -(-len(view) // mmap.PAGESIZE))()
        address = ctypes.addressof(ctypes.c_char.from_buffer(view))
        if libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(len(view)), pages):
            raise OSError(ctypes.get_errno(), "mincore failed")
        return sum(page & 1 for page in pages)


def cost_of(way: str, folder: Path) -> Cost:
    """Return the cost of one way, in a fresh process."""
    drop_from_cache(folder)
    assert brought_in(folder) < 1, "this file system keeps pages that it was asked to drop"
    who, _, dtype = way.partition(" ")
    code = "import sys; from benchmarks.checkpoint_reading import load; load(*sys.argv[1:])"
    said = interpreter.printed(code, who, dtype or "auto", str(folder))
    cost = Cost(**json.loads(said.splitlines()[-1]))
    return replace(cost, read=brought_in(folder))


def measure(*, layers: int = 14, ways: str = ",".join(WAYS)) -> Report:
    """Measure `ways` with a language model of `layers` layers."""
    with tempfile.TemporaryDirectory() as name:
        vision, total = make_checkpoint(Path(name), layers)
        costs = {way: cost_of(way, Path(name)) for way in ways.split(",")}
    rows = "\n".join(
        f"| {WAYS[way]} | {cost.read:.0f} | {cost.peak:.0f} | {cost.anonymous:.0f} | "
        f"{cost.seconds:.1f} |"
        for way, cost in costs.items()
    )
    figures = {
        f"{way} {name}": value for way in costs for name, value in asdict(costs[way]).items()
    }
    for dtype in ("", " float32"):
        for name in ("read", "peak"):
            ours, theirs = (figures.get(f"{who}{dtype} {name}") for who in ("evs", "transformers"))
            if ours and theirs:
                figures[f"transformers / evs{dtype} {name}"] = theirs / ours
    return Report(
        title="Loading the vision part of a large checkpoint",
        body=(
            f"Qwen3-VL architecture in bfloat16, three shards, {total / MB:.0f} MB of weights of "
            f"which {vision / MB:.0f} MB are the vision tower's, beside language weights in one "
            "shard. Each way in a fresh process, files not in the page cache before. Memory is "
            "growth over the process with everything imported. In the stored dtype transformers "
            "maps the language weights and reads them when they are used; what it reads here is "
            "the kernel's read-ahead.\n\n"
            "| way | MB of the files read | peak resident MB | anonymous MB after | seconds |\n"
            f"|---|---|---|---|---|\n{rows}"
        ),
        figures={**figures, "weights": total / MB / 1024, "vision": vision / MB},
    )


def _total(weights: dict[str, Tensor]) -> int:
    return sum(value.nbytes for value in weights.values())


BENCHMARK = Benchmark(
    measure=measure,
    smoke={"layers": 1, "ways": "evs"},
    smoke_is_partial=True,
    code=("encoders/load.py", "encoders/checkpoint.py", "encoders/files.py"),
    minutes=1.5,
)
