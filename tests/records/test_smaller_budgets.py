"""A store of a nested method read at a smaller budget is what a run with that budget makes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from evscli import prune_video
from evscli.budget import CountRule
from evscli.datasets import VideoDataset
from evscli.errors import DamagedError, StoreError, UsageError
from evscli.language.generate import load_language_model
from evscli.language.prefill import prefill
from evscli.records import OptionValue, PrunedVideo, RunConfig
from evscli.store import Store, StoreWriter, open_store
from tests.cli.in_process import run_here
from tests.store.make_v1 import FOLDER as OLD
from tests.store.test_writer import same
from tests.videos import write_video

VARIANTS: list[tuple[str, dict[str, OptionValue]]] = [
    ("evs", {}),
    ("evs", {"space": "rgb"}),
    ("dtd", {}),
    ("norm", {}),
    ("random", {}),
]
SMALLER = (0.6, 0.3, 0.1, "50tok", "20tok/s", "0.1:0.5")
QUESTION = "what happens first?"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("nested") / "clip.mp4"
    write_video(path, frames=24, size=(96, 128))
    return path


@pytest.fixture(scope="module")
def stores(clip: Path) -> Path:
    """The clip by evs, whole and at 0.4, and by vcast, below the clip's folder."""
    for method, budget in (("evs", "1"), ("evs", "0.4"), ("vcast", "0.4")):
        arguments = ("--method", method, "--budget", budget, "-o", f"{method}-{budget}", "--scores")
        result = run_here("prune", "clip.mp4", *arguments, cwd=clip.parent)
        assert result.code == 0, result.err
    return clip.parent


def opened(path: Path) -> Store:
    return open_store(next(path.parent.glob(f"{path.name}*")))


@pytest.mark.parametrize(("method", "options"), VARIANTS)
def test_a_record_at_a_smaller_budget_is_that_of_a_run_with_it(
    clip: Path, method: str, options: dict[str, OptionValue]
) -> None:
    whole = prune_video(clip, method=method, budget=1.0, options=options, store_scores=True)
    for budget in SMALLER:
        made = prune_video(clip, method=method, budget=budget, options=options, store_scores=True)
        assert same(whole.at(budget), made), budget
        assert whole.at(budget).info == made.info, budget
    assert same(whole.at(0.6).at(0.3), whole.at(0.3))


def test_a_store_and_its_readers_take_a_smaller_budget(stores: Path) -> None:
    whole, pruned = opened(stores / "evs-1"), opened(stores / "evs-0.4")
    assert whole.info("clip").count_rule == CountRule(least=48, rounding="down")
    assert same(whole["clip"].at(0.4), pruned["clip"])
    assert whole["clip"].at(0.4).info == pruned.info("clip")

    dataset = VideoDataset(whole.path, budget=0.4)
    assert same(dataset[0], pruned["clip"])
    assert dataset.kept.tolist() == [pruned.info("clip").kept]
    assert same(dataset.select([0])["clip"], pruned["clip"])

    language = load_language_model("mini", device="cpu", dtype="float32")
    ours, theirs = (
        prefill(record, language.tokenizer, QUESTION, model=language.model, budget=budget)
        for record, budget in ((whole["clip"], 0.4), (pruned["clip"], None))
    )
    assert ours.keys() == theirs.keys()
    assert torch.equal(ours["input_ids"], theirs["input_ids"])
    assert torch.equal(ours["position_ids"], theirs["position_ids"])
    ours, theirs = (language.model(**inputs).logits for inputs in (ours, theirs))
    assert torch.equal(ours, theirs)


def test_commands_take_a_smaller_budget(stores: Path) -> None:
    folder = stores
    whole, pruned = (opened(folder / name).path for name in ("evs-1", "evs-0.4"))
    answers, pictures = [], []
    for store, extra in ((whole, ("--budget", "0.4")), (pruned, ())):
        asked = run_here("ask", store, QUESTION, "--json", *extra, cwd=folder)
        assert asked.code == 0, asked.err
        values = json.loads(asked.out)
        answers.append((values["answer"], values["kept"], values["prompt_tokens"]))
        seen = run_here("visualize", store, "clip", "-o", "seen.png", *extra, cwd=folder)
        assert seen.code == 0, seen.err
        pictures.append((folder / "seen.png").read_bytes())
    assert answers[0] == answers[1]
    assert pictures[0] == pictures[1]


def test_a_default_for_pruning_is_none_for_a_store(stores: Path, tmp_path: Path) -> None:
    (tmp_path / "evs.toml").write_text('budget = ["0.1", "0.2"]\n')
    store, environment = opened(stores / "evs-0.4").path, {"EVS_BUDGET": "0.1"}
    result = run_here("ask", store, QUESTION, "--json", cwd=tmp_path, env=environment)
    assert result.code == 0, result.err
    assert json.loads(result.out)["kept"] == opened(stores / "evs-0.4").info("clip").kept


def test_what_a_store_cannot_give_is_one_line(stores: Path) -> None:
    pruned, other = opened(stores / "evs-0.4"), opened(stores / "vcast-0.4")
    with pytest.raises(UsageError, match=r"the store holds \d+: give at most 0\.4"):
        pruned["clip"].at(0.5)
    assert same(pruned["clip"].at(0.4), pruned["clip"])
    with pytest.raises(UsageError, match="in a form whose masks are not nested"):
        other["clip"].at(0.1)
    with pytest.raises(UsageError, match="in a form whose masks are not nested"):
        VideoDataset(other.path, budget=0.1)
    old = open_store(OLD / "deepstack")
    with pytest.raises(UsageError, match="in a form whose masks are not nested"):
        old[next(iter(old))].at(0.1)
    result = run_here("ask", other.path, QUESTION, "--budget", "0.1", cwd=stores)
    assert (result.code, result.err.count("\n")) == (2, 1)
    for budget in ("much", "0", "2", "nan"):
        result = run_here("ask", pruned.path, QUESTION, "--budget", budget, cwd=stores)
        assert (result.code, result.err.count("\n")) == (2, 1), result.err


def test_an_order_with_a_gap_is_not_stored(stores: Path, tmp_path: Path) -> None:
    record = opened(stores / "evs-0.4")["clip"]
    assert record.order is not None
    torn = replace(record, order=record.order.clone().fill_(1))
    with (
        StoreWriter(tmp_path / "torn", RunConfig(settings={})) as writer,
        pytest.raises(StoreError, match="order does not hold the places 0 to 75"),
    ):
        writer.add(torn)
    without = replace(record, order=None)
    with (
        StoreWriter(tmp_path / "without", RunConfig(settings={})) as writer,
        pytest.raises(StoreError, match="order is missing"),
    ):
        writer.add(without)


@pytest.mark.parametrize("store_dtype", ["bfloat16", "int8"])
def test_narrow_tokens_are_those_of_a_narrow_run(
    clip: Path, tmp_path: Path, store_dtype: str
) -> None:
    records: list[PrunedVideo] = []
    for budget in ("1", "0.3"):
        arguments = ("--method", "norm", "--budget", budget, "--store-dtype", store_dtype)
        result = run_here("prune", clip, *arguments, "-o", tmp_path / budget, cwd=tmp_path)
        assert result.code == 0, result.err
        records.append(opened(tmp_path / budget)["clip"])
    whole, pruned = records
    at = whole.at(0.3)
    assert same(at, replace(pruned, info=at.info))
    assert at.info == replace(pruned.info, store_rms_error=None, store_max_error=None)


def test_a_damaged_order_is_noticed(stores: Path) -> None:
    record = opened(stores / "evs-1")["clip"]
    assert record.order is not None
    for order in (record.order * 0, record.order - 5, record.order + 100_000):
        with pytest.raises(DamagedError, match="order of the tokens of 'clip' is damaged"):
            replace(record, order=order).at(0.3)
