"""The house stays easy to take over: small files, small functions, documents that are true."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from statistics import median

import evscli

PACKAGE = Path(evscli.__file__).parent
ROOT = Path(__file__).parents[1]
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST_FILE = 320
MOST_LINES = 27_000 + sum(
    {
        "glean": 280,
        "nested masks": 190,
        "surprise": 350,
        "checks of types, defaults and headers": 300,
        "evaluation of every method": 390,
        "methods compared with themselves": 160,
        "uptraining": 1020,
        "conversations in one row": 170,
        "switches of stts": 130,
        "training of a scorer": 1080,
        "checks of conversations": 200,
        "folders and processes of training": 295,
        "procedural videos that are stored": 105,
        "weights that are blended": 90,
        "processes that end and checkpoints that are whole": 115,
        "serving engines": 1605,
        "stores that change under a serving engine": 120,
        "plain positions in vLLM": 180,
        "positions beyond what vLLM counts to": 50,
        "the start of commands": 140,
        "Qwen3.5 and Qwen4-exp": 95,
        "InternVL": 270,
        "thinkers of Omni models": 240,
        "sound between frames": 230,
        "thinkers of Omni models in vLLM": 170,
        "facts about families": 80,
        "options in models of every family": 25,
        "GLM-4.1V to 4.6V, and rows that a model joins": 290,
        "VideoLLaMA3": 240,
        "frame-diff": 110,
        "pruning before the encoder": 310,
        "rlt": 95,
        "patches side by side, and limits of a process": 60,
        "lanczos, and outputs of encoders as a dict": 60,
        "SmolVLM2: frames resized twice, and lengths in words": 310,
        "Nemotron-Omni: names of weights, pixels between levels, times of frames": 510,
        "devices that fail or lack memory": 180,
        "devices of a store": 125,
        "selections on the device": 85,
        "memory before scratch files": 75,
        "copies beside the computation": 95,
        "attention of any length": 20,
        "whole float32 and constants on devices": 65,
        "LLaVA-OneVision: shared patches, and a token behind a video": 470,
        "frames of HEVC and AV1 that stay undecoded": 165,
        "decoding by hardware": 195,
        "short videos encoded together": 375,
        "hidden states that stay on a device": 85,
        "decoders that grow in number while the encoder waits": 120,
        "one video decoded by several threads": 165,
        "patches in blocks, for units of matrices": 35,
        "interrupts from the start on, and systems that refuse threads": 85,
    }.values()
)
"""The most lines of the package that are not blank: those of the redesign, and for each capability
since then its own."""


def tree_of(path: Path) -> ast.Module:
    """Parse a module."""
    return ast.parse(path.read_text())


def functions() -> list[int]:
    """Return the lines of every function."""
    nodes = (node for path in FILES for node in ast.walk(tree_of(path)))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node.end_lineno - node.lineno + 1 for node in nodes if isinstance(node, kinds)]


def test_files_and_functions_are_small() -> None:
    lines = {path: path.read_text().splitlines() for path in FILES}

    assert {path.name for path, text in lines.items() if len(text) >= LONGEST_FILE} == set()
    assert median(functions()) < 10
    assert sum(bool(line.strip()) for text in lines.values() for line in text) <= MOST_LINES


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from evscli.cli import run; run(['--help'], debug=False); "
        "heavy = {'torch', 'transformers', 'numpy', 'av', 'importlib.metadata'}; "
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "prune" in done.stdout


def test_files_that_a_package_names_are_there() -> None:
    for init in PACKAGE.rglob("__init__.py"):
        named = re.findall(r"\b[a-z_0-9]+\.py\b", ast.get_docstring(tree_of(init)) or "")
        assert [name for name in named if not (init.parent / name).exists()] == [], init


def walk() -> list[tuple[Path, list[str]]]:
    """Return the files of the walk in CONTRIBUTING.md, each with the names that its item says."""
    page = (ROOT / "CONTRIBUTING.md").read_text()
    items = re.findall(r"^\d+\. `(evscli/\S+\.py)`:((?:.|\n   +)*)", page, re.MULTILINE)
    return [(ROOT / path, re.findall(r"`([A-Za-z_.]+)`", text)) for path, text in items]


def test_the_walk_leads_from_the_command_to_the_shard_in_ten_files() -> None:
    steps = walk()

    assert len(steps) <= 10
    assert (steps[0][0].name, steps[-1][0].name) == ("prune.py", "writer.py")
    for number, (path, names) in enumerate(steps):
        code = path.read_text()
        here = [name for name in names if name.rsplit(".", 1)[-1] in code]
        assert here, f"nothing that item {number + 1} names is in {path}"
        others = "".join(other.read_text() for other, _ in steps)
        assert all(name.rsplit(".", 1)[-1] in others for name in names)
        defined = [name for name in names if f"def {name.rsplit('.', 1)[-1]}(" in code]
        assert defined, f"item {number + 1} names no function of {path}"
