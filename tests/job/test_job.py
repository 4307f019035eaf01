"""A job says everything of a run, and refuses what cannot be done."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, fields, replace
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evscli.encoders import files as files_module
from evscli.encoders import load_encoder
from evscli.encoders.files import LocalFolder
from evscli.errors import UsageError
from evscli.job import Encoding, Execution, Job, Pruning, Reading, Selection, Storage, loading
from evscli.job.loading import make_encoder, make_pruner
from evscli.pruners import get_pruner
from evscli.records import Sampling
from evscli.store.codec import fingerprint
from tests.videos import write_video

VCAST = Selection(methods=("vcast",), budgets=(0.3,))


def names(selection: Selection) -> list[str]:
    return [f"{one.pruner.name} {one.budget}" for one in selection.requests()]


class TestSelections:
    """Every method with every budget."""

    def test_are_in_the_order_given_each_once(self) -> None:
        asked = Selection(methods=("vcast", "evs", "vcast"), budgets=("0.5", 0.25, "0.25"))
        assert names(asked) == ["vcast 0.5", "vcast 0.25", "evs 0.5", "evs 0.25"]

    def test_keep_everything_once_among_others(self) -> None:
        assert names(Selection(methods=("none", "evs"), budgets=("0.5", "0.25"))) == [
            "none 1",
            "evs 0.5",
            "evs 0.25",
        ]

    def test_take_methods_of_any_kind(self) -> None:
        asked = Selection(methods=(get_pruner("vcast"), "evs"), budgets=(0.5,))
        assert names(asked) == ["vcast 0.5", "evs 0.5"]

    @pytest.mark.parametrize("options", [("tau=0.5",), {"tau": 0.5}])
    def test_give_options_to_methods_that_have_them(self, options: object) -> None:
        asked = Selection(methods=("vcast", "evs"), budgets=(0.5,), options=options)  # type: ignore[arg-type]
        taus = [one.options.get("tau") for one in asked.requests()]
        assert taus == [0.5, None]

    def test_refuse_an_option_that_no_method_has(self) -> None:
        with pytest.raises(UsageError, match="none of the methods vcast, evs has an option 'tua'"):
            Selection(methods=("vcast", "evs"), budgets=(0.5,), options={"tua": 1}).requests()

    def test_give_a_method_the_options_behind_its_name_before_those_of_all(self) -> None:
        methods = ("vcast", "vcast:tau=0.5,prune_at=1", "evs", "vcast:min_k=1")
        asked = Selection(methods=methods, budgets=(0.5,), options={"tau": 0.9}, prune_at=2)
        made = [(one.name, one.options.get("tau"), one.prune_at) for one in asked.requests()]
        assert made == [
            ("vcast tau=0.9 after block 2", 0.9, 2),
            ("vcast tau=0.5 after block 1", 0.5, 1),
            ("evs after block 2", None, 2),
        ]

    @pytest.mark.parametrize(
        ("method", "words"),
        [
            ("vcast:tua=1", "method 'vcast' has no option 'tua' .did you mean 'tau'"),
            ("vcast:tau=hot", "option 'tau' of method 'vcast' must be a number, got 'hot'"),
            ("cdpruner:prune_at=1", "can prune after the encoder alone"),
        ],
    )
    def test_refuse_what_a_method_does_not_have_behind_its_name(
        self, method: str, words: str
    ) -> None:
        with pytest.raises(UsageError, match=words):
            Selection(methods=(method,), budgets=(0.5,)).requests()

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"options": ("tau=bogus",)}, "--option tau is not used, since every method has its"),
            ({"prune_at": 99}, "--prune-at is not used, since every method has its own"),
        ],
    )
    def test_refuse_what_every_method_has_in_its_place(
        self, given: dict[str, Any], words: str
    ) -> None:
        methods = ("vcast:tau=0.5,prune_at=1", "evs:prune_at=0")
        with pytest.raises(UsageError, match=words):
            Selection(methods=methods, budgets=(0.5,), **given).requests()

    @pytest.mark.parametrize("one", ["vcast", get_pruner("vcast"), iter(["vcast"])])
    def test_take_one_method_and_any_iterable(self, one: Any) -> None:
        asked = Selection(methods=one, budgets=np.array([0.5, 0.25]))  # type: ignore[arg-type]
        assert names(asked) == names(asked) == ["vcast 0.5", "vcast 0.25"]

    def test_hold_plain_numbers(self) -> None:
        asked = Selection(
            methods=("vcast",),
            budgets=(np.float32(0.5),),  # type: ignore[arg-type]
            options={"min_k": np.int64(1)},  # type: ignore[dict-item]
            prune_at=np.int64(1),  # type: ignore[arg-type]
            seed=np.int64(3),  # type: ignore[arg-type]
        )
        request = asked.requests()[0]
        numbers = [request.options["min_k"], request.prune_at, asked.seed, asked.budgets[0]]
        assert numbers == [1, 1, 3, 0.5]
        assert [type(number) for number in numbers] == [int, int, int, float]


class TestStores:
    """One folder for every selection."""

    def folders(self, *methods: str, output: str | None) -> list[str]:
        job = Job(
            selection=Selection(methods=methods, budgets=("0.3", "256tok/s")[: len(methods)]),
            storage=Storage(output=output),
        )
        return [str(folder) for folder in job.folders]

    def test_a_single_one_is_the_output_itself(self) -> None:
        assert self.folders("vcast", output="store") == ["store"]
        assert self.folders("vcast", output=None) == ["evs-out/mini-vcast-0.3"]

    def test_several_lie_below_it(self) -> None:
        assert self.folders("vcast", "evs", output="s") == [
            "s/vcast-0.3",
            "s/vcast-256tok-s",
            "s/evs-0.3",
            "s/evs-256tok-s",
        ]

    def test_are_refused_where_two_selections_have_one_name(self) -> None:
        def vcast(*given: Any) -> Any:
            raise AssertionError(given)

        job = Job(selection=Selection(methods=(vcast, "vcast"), budgets=(0.3,)), storage=Storage())
        with pytest.raises(UsageError, match=r"two selections would both be written to vcast-0\.3"):
            _ = job.folders

    def test_are_named_by_unusual_options_and_blocks_too(self) -> None:
        assert self.folders("vcast:tau=0.5", output=None) == ["evs-out/mini-vcast-tau=0.5-0.3"]
        assert self.folders("window-diff", output=None) == ["evs-out/mini-window-diff-0.3"]

    def test_are_told_apart_where_one_method_comes_twice(self) -> None:
        assert self.folders("vcast", "vcast:tau=0.5,prune_at=1", output="s") == [
            "s/vcast-0.3",
            "s/vcast-256tok-s",
            "s/vcast-tau=0.5-after-block-1-0.3",
            "s/vcast-tau=0.5-after-block-1-256tok-s",
        ]


def test_a_checkpoint_is_found_once_for_a_whole_run(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str] = []

    def folder(path: Path, *, name: str) -> LocalFolder:
        found.append(name)
        return LocalFolder(path, name=name)

    monkeypatch.setattr(files_module, "LocalFolder", folder)
    job = Job(selection=VCAST).resolved()
    again = replace(job, encoding=replace(job.encoding, dtype="float32"))
    assert again.encoding.files is job.encoding.files
    make_pruner(job, "cpu")
    assert (found, job.encoding.name) == (["mini"], "mini")


def test_numbers_of_numpy_give_the_same_fingerprint_as_those_of_python() -> None:
    def print_of(whole: Any, number: Any) -> str:
        job = Job(
            selection=Selection(methods="random", budgets=number(0.5), seed=whole(3)),  # type: ignore[arg-type]
            sampling=Sampling(fps=number(2), max_pixels=whole(65536)),
            encoding=Encoding(chunk_frames=whole(8)),
            storage=Storage(segment=number(2)),
        )
        return fingerprint(make_pruner(job, "cpu").configs[0].settings)

    assert print_of(np.int64, np.float32) == print_of(int, float)


@dataclass(frozen=True, kw_only=True)
class Tinted(Encoding):
    """An encoding with a new option."""

    tint: str = "none"


def test_every_field_of_an_encoding_arrives_at_the_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(loading, "load_encoder", lambda **named: given.update(named))
    asked = Tinted(dtype="float32", chunk_frames=4, resize="device", tint="blue")
    make_encoder(asked, Sampling(num_frames=8), "cuda:1")
    assert given.pop("model").name == "mini"
    assert given.pop("sampling") == Sampling(num_frames=8)
    expected = replace(asked, device="cuda:1", model="mini")
    assert given == {name: getattr(expected, name) for name in names_of(Tinted) - {"model"}}


def test_the_encoder_takes_every_field_of_an_encoding() -> None:
    assert names_of(Encoding) <= {*signature(load_encoder).parameters}


def names_of(cls: type[Encoding]) -> set[str]:
    return {field.name for field in fields(cls)}


def test_other_processes_can_be_sent_it() -> None:
    job = Job(selection=VCAST).resolved()
    sent = pickle.loads(pickle.dumps(job))
    assert names(sent.selection) == names(job.selection)
    assert sent.encoding.files.name == "mini"


def test_a_question_goes_to_videos_that_have_none_of_their_own(tmp_path: Path) -> None:
    for name in "ab":
        write_video(tmp_path / f"{name}.mp4", frames=8)
    (tmp_path / "list.csv").write_text("path,query\na.mp4,a star\nb.mp4,\n")
    pruning = Pruning(selection=Selection(methods=("semvid",), budgets=(0.5,), query="a ball"))
    found = pruning.find_videos([str(tmp_path / "list.csv")])
    assert [video.query for video in found] == ["a star", "a ball"]


@pytest.mark.parametrize(
    ("job", "line"),
    [
        (Job(selection=Selection(methods=("semvid",), budgets=(0.5,))), "needs a question"),
        (Job(selection=replace(VCAST, scorer="x")), "no method here uses a scorer"),
        (Job(selection=VCAST, storage=Storage(segment=0.0)), "--segment 0 is not a length"),
    ],
)
def test_what_does_not_suit_is_refused_before_any_work(job: Job, line: str, clip: Path) -> None:
    with pytest.raises(UsageError, match=line):
        job.find_videos([str(clip)])


@pytest.mark.parametrize(
    ("kind", "given", "line"),
    [
        (Execution, {"engine": "spark"}, "--engine: 'spark' is not one of 'local', 'ray'"),
        (Reading, {"ids": "foo"}, "--ids: 'foo' is not one of 'name', 'suffix', 'tar'"),
        (Reading, {"damaged": "mend"}, "--damaged: 'mend' is not one of 'trim', 'skip', 'fail'"),
        (Encoding, {"resize": "gpu"}, "--resize: 'gpu' is not one of 'cpu', 'device'"),
        (
            Storage,
            {"store_dtype": "int4"},
            "--store-dtype: 'int4' is not one of 'auto'",
        ),
        (Storage, {"output": ""}, "--output is empty"),
        (Encoding, {"model": ""}, "--model is empty"),
        (Execution, {"timeout": -1}, "--timeout must be a number above 0, got -1"),
        (Execution, {"timeout": float("inf")}, "--timeout must be a number above 0, got inf"),
        (Execution, {"max_attempts": None}, "--max-attempts must be a whole number, got None"),
        (Execution, {"processes": 2.5}, "--processes must be a whole number, got 2.5"),
        (Execution, {"retry_failed": "no"}, "--retry-failed must be true or false, got 'no'"),
        (Encoding, {"chunk_frames": 16.0}, "--chunk-frames must be a whole number, got 16.0"),
        (Encoding, {"chunk_patches": 0}, "--chunk-patches must be 1 or more, got 0"),
        (Encoding, {"model": 3}, "--model must be text or a Path or a ModelFiles, got 3"),
        (Storage, {"scores": "no"}, "--scores must be true or false, got 'no'"),
        (Storage, {"segment": True}, "--segment must be a number, got True"),
        (Selection, {"methods": ()}, "--method is empty"),
        (Selection, {"methods": "evs", "seed": 3.5}, "--seed must be a whole number, got 3.5"),
        (Selection, {"methods": "evs", "seed": None}, "--seed must be a whole number, got None"),
        (Selection, {"methods": "evs", "prune_at": -1}, "--prune-at must be a block .*, got -1"),
        (Selection, {"methods": "evs", "options": {3: 1}}, "--option must be text or a Mapping"),
        (Job, {"selection": VCAST, "sampling": {}}, "sampling must be a Sampling, got {}"),
        (Job, {"selection": "vcast"}, "selection must be a Selection, got 'vcast'"),
    ],
)
def test_a_value_that_no_run_can_have_is_refused(kind: Any, given: Any, line: str) -> None:
    with pytest.raises(UsageError, match=line):
        kind(**given)


def test_an_address_needs_a_cluster() -> None:
    with pytest.raises(UsageError, match="is for --engine ray"):
        Execution(address="a:1")


def test_the_usual_ids_are_not_recorded() -> None:
    assert Reading().recorded_ids is None
    assert Reading(ids="suffix").recorded_ids == "suffix"


def test_a_folder_has_no_revision() -> None:
    with pytest.raises(UsageError, match="which has no revision"):
        Encoding(model="mini", revision="v1").resolved()
