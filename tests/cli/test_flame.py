"""The flame graph of docs/performance.md, from stacks as py-spy writes them."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"
ENCODES = 'process 7:"python -m evscli prune";'
DECODES = f"{ENCODES}process 8:\"python -c 'main(3)'\";"
STACKS = f"""\
{ENCODES}run (evscli/cli/prune.py:3);begin_pass (evscli/pipeline/passes.py:9);\
Module._call_impl (torch/nn/modules/module.py:7);Linear.forward (torch/nn/modules/linear.py:1) 5
{ENCODES}begin_pass (evscli/pipeline/passes.py:9);\
VisionMLP.forward (transformers/models/some/modeling_some.py:1);\
GELU.forward (transformers/activations.py:51) 2
{ENCODES}begin_pass (evscli/pipeline/passes.py:9);Condition.wait (threading.py:3) 40
{ENCODES}prune (evscli/cli/prune.py:3);_find_and_load (<frozen importlib._bootstrap>:1) 3
{DECODES}serve (evscli/corpus/decoding/decoder.py:4);_chunks (evscli/video/decode.py:8) 4
"""


@pytest.mark.slow
def test_stacks_become_boxes_of_what_was_at_work(tmp_path: Path) -> None:
    made: dict[str, Any] = runpy.run_path(str(DOCS / "make_flame.py"))
    raw = tmp_path / "stacks.txt"
    raw.write_text(STACKS)
    found = made["stacks_of"](raw)
    assert found == {
        made["ENCODES"]: {
            ("begin_pass", "Linear"): 5,
            ("begin_pass", "VisionMLP", "GELU"): 2,
            ("import",): 3,
        },
        made["DECODES"]: {("_chunks",): 4},
    }
    boxes = [*made["boxes"](found[made["ENCODES"]])]
    assert boxes[0] == (("begin_pass",), 0, 7)
    assert boxes[-1] == (("import",), 7, 3)
    assert {made["part_of"](box.stack) for box in boxes} == {"encode", "matrix products", "start"}
    made["picture"](found).savefig(tmp_path / "flame.png")
    assert (tmp_path / "flame.png").stat().st_size > 5_000
