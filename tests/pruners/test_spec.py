from __future__ import annotations

import subprocess
import sys

import pytest

from evscli.errors import UsageError
from evscli.pruners.registry import get_pruner
from evscli.pruners.spec import MethodSpec, method_spec


def written(spec: MethodSpec) -> tuple[str, dict[str, object], int | None]:
    return spec.pruner.name, dict(spec.options), spec.prune_at


@pytest.mark.parametrize(
    ("method", "means"),
    [
        ("vcast", ("vcast", {}, None)),
        ("vcast:tau=0.5", ("vcast", {"tau": "0.5"}, None)),
        ("vcast: tau = 0.5 , min_k=2", ("vcast", {"tau": "0.5", "min_k": "2"}, None)),
        ("vcast:prune_at=1", ("vcast", {}, 1)),
        ("vcast:prune_at=input", ("vcast", {}, "input")),
        ("surprise:score=outlier+rarity,prune_at=0", ("surprise", {"score": "outlier+rarity"}, 0)),
        (get_pruner("evs"), ("evs", {}, None)),
    ],
)
def test_a_method_has_what_is_written_behind_its_name(method: str, means: object) -> None:
    assert written(method_spec(method)) == means


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("vcst:tau=1", "there is no method 'vcst' .did you mean 'vcast'"),
        ("vcast:", "method 'vcast:': option '' must be NAME=VALUE"),
        ("vcast:tau", "option 'tau' must be NAME=VALUE"),
        ("vcast:tau=1,tau=2", "option 'tau' is given twice"),
        ("vcast:prune_at=first", "option prune_at of method 'vcast' must be a block .* or input"),
        ("vcast:prune_at=-1", "option prune_at of method 'vcast' must be a block .*, got '-1'"),
    ],
)
def test_a_wrong_one_is_refused(method: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        method_spec(method)


@pytest.mark.slow
def test_it_imports_no_torch() -> None:
    code = "import sys, evscli.pruners.spec; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
