from __future__ import annotations

import subprocess
import sys

import pytest

from evscli.errors import UsageError
from evscli.evaluation.selections import selections
from evscli.pruners.seeds import video_seed


def named(methods: list[str], budgets: list[float]) -> list[tuple[str, float]]:
    return [(r.pruner.name, r.fraction) for r in selections(methods, budgets)]


def test_unpruned_and_random_are_always_there() -> None:
    assert named(["vcast"], [0.5, 0.25]) == [
        ("none", 1.0),
        ("vcast", 0.25),
        ("vcast", 0.5),
        ("random", 0.25),
        ("random", 0.5),
    ]


def test_what_is_named_twice_or_always_there_is_run_once() -> None:
    assert named(["random", "vcast", "none", "vcast"], [0.5, 0.5]) == named(["vcast"], [0.5])
    assert named(["random"], [0.5]) == [("none", 1.0), ("random", 0.5)]


def test_an_option_goes_to_every_method_that_has_it() -> None:
    made = selections(["evs", "vcast"], [0.5], ["tau=0.3", "space=rgb"])
    by_method = {request.pruner.name: request.options for request in made}
    assert by_method["vcast"]["tau"] == 0.3
    assert by_method["evs"]["space"] == "rgb"
    assert "tau" not in by_method["evs"]


@pytest.mark.parametrize(
    ("methods", "budget", "options", "words"),
    [
        (["vcst"], 0.5, [], "'vcst'"),
        (["vcast"], 1.5, [], "1.5"),
        (["vcast"], 0.5, ["tua=1"], "did you mean 'tau'"),
        (["vcast"], 0.5, ["tau=hot"], "'hot'"),
        (["vcast"], 0.5, ["tau"], "NAME=VALUE"),
        (["uniform-grid"], 0.5, ["tau=1"], "leave it out"),
    ],
)
def test_a_wrong_selection_is_refused(
    methods: list[str], budget: float, options: list[str], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        selections(methods, [budget], options)


def test_every_video_draws_its_own_random_tokens() -> None:
    seeds = {video_seed(seed, video) for seed in (0, 1) for video in ("a", "b", "0a")}
    assert len(seeds) == 6
    assert video_seed(0, "a") == video_seed(0, "a")
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.slow
def test_it_imports_no_torch() -> None:
    code = "import sys, evscli.evaluation.selections; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("method", "words"),
    [("stts", "works inside the encoder"), ("cdpruner", "needs a question")],
)
def test_methods_that_need_more_than_tokens_are_refused(method: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        selections([method], [0.5])
