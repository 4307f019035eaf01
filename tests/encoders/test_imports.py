"""What a fresh interpreter imports, and what it leaves behind."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from transformers.utils import is_torchvision_available

pytestmark = pytest.mark.slow

CODE = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from evscli.models.registry import built_in
from evscli.encoders.processor import import_class
from transformers.utils import is_torchvision_available

with ThreadPoolExecutor(8) as pool:
    classes = set(pool.map(import_class, [built_in()["qwen2_5_vl"].video_processors[0]] * 8))
found = {"classes": len(classes), "said": is_torchvision_available()}
found["stand_ins"] = [name for name in sys.modules if name.partition(".")[0] == "torchvision"]
try:
    import torchvision
    found["torchvision"] = True
except ImportError:
    found["torchvision"] = False

import evscli.encoders, evscli.language

evscli.encoders.load_encoder("mini")
names = [name for name in sys.modules if "transformers" in name]
found["molmo2"] = [name for name in names if "molmo2." in name]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found() -> Any:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.skipif(is_torchvision_available(), reason="torchvision is installed")
def test_class_that_imports_torchvision_loads_in_threads_and_leaves_no_stand_in(found: Any) -> None:
    assert found["classes"] == 1
    assert (found["stand_ins"], found["said"], found["torchvision"]) == ([], False, False)


def test_only_the_family_in_use_is_imported(found: Any) -> None:
    assert found["molmo2"] == []
