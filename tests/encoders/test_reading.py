"""Only the vision part of a checkpoint is read: counted in bytes and pages, not in seconds."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from evscli.encoders import load_encoder
from evscli.encoders.checkpoint import read_checkpoint
from evscli.encoders.digest import vision_digests
from evscli.encoders.files import LocalFolder
from tests.encoders.layouts import copy_checkpoint, write_sparse

LANGUAGE_BYTES = 256 << 20
SLACK = 2 << 20

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts by /proc")


@pytest.fixture
def large(tmp_path: Path, qwen3: Path) -> Path:
    """Two shards: vision weights in front of a large language tensor, and language alone."""
    folder = copy_checkpoint(qwen3, tmp_path / "large")
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    vision = {name: value for name, value in weights.items() if "visual" in name}
    mixed = {"model.language_model.embed_tokens.weight": LANGUAGE_BYTES}
    alone = {"lm_head.weight": LANGUAGE_BYTES}
    write_sparse(folder / "mixed.safetensors", vision, mixed)
    write_sparse(folder / "alone.safetensors", {}, alone)
    weight_map = dict.fromkeys([*vision, *mixed], "mixed.safetensors")
    weight_map |= dict.fromkeys(alone, "alone.safetensors")
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def test_language_weights_are_neither_read_nor_held(large: Path) -> None:
    before = bytes_read()

    checkpoint = read_checkpoint(LocalFolder(large, name="large"))
    vision_digests(checkpoint.weights)

    vision_bytes = sum(value.nbytes for value in checkpoint.weights.values())
    assert bytes_read() - before < SLACK
    assert vision_bytes <= resident(large / "mixed.safetensors") < vision_bytes + SLACK
    assert resident(large / "alone.safetensors") == 0


def test_loaded_encoder_keeps_no_file_open(large: Path) -> None:
    encoder = load_encoder(str(large), device="cpu")

    assert encoder.info.embed_dim == 48
    assert str(large) not in Path("/proc/self/maps").read_text()
    assert not [link for link in Path("/proc/self/fd").iterdir() if str(large) in target(link)]


def bytes_read() -> int:
    """Bytes this process has read by system calls, whatever from."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["rchar"])


def resident(path: Path) -> int:
    """Bytes of the file's mappings that are in memory of this process."""
    total, counts = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            counts = line.endswith(str(path))
        elif counts and line.startswith("Rss:"):
            total += int(line.split()[1]) * 1024
    return total


def target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # the descriptor the listing itself used
        return ""
