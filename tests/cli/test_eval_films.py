"""`evs eval` without a file of questions: mini and procedural videos."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from evscli import cli
from evscli.cli import notes
from evscli.cli.evaluation_report import report_accuracy
from evscli.evaluation.statistics.results import Evaluation
from evscli.mini.exam.films import held_out_films
from evscli.mini.world.questions import KINDS
from tests.checkpoints import build_mini, make_checkpoint
from tests.cli.in_process import run_here
from tests.evs import Result as Ran
from tests.evs import Running, wait_until

pytestmark = pytest.mark.slow

FEW = ("--method", "evs", "--budget", "0.25", "--videos", "3", "--seed", "108")
"""The videos of this seed are small."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a model whose weights are only seeded: its answers do not matter here."""
    folder = tmp_path_factory.mktemp("films")
    build_mini(folder / "seeded")
    return folder


def run(folder: Path, *arguments: str, output: str = "out") -> Ran:
    return run_here("eval", "--model", "./seeded", "-o", output, *arguments, cwd=folder)


@pytest.fixture(scope="module")
def first(folder: Path) -> Ran:
    """A run that leaves nothing out."""
    result = run(folder, *FEW, "--baselines", "--diagnostics", output="first")
    assert result.code == 0, result
    return result


@pytest.mark.usefixtures("first")
def test_films_are_asked_about_and_what_can_be_guessed_is_shown(folder: Path) -> None:
    document = json.loads((folder / "first" / "accuracy.json").read_text())
    asked = sum(len(film.questions) for _, film in held_out_films(3, seed=108))
    everything = [row for row in document["tallies"] if row["kind"] == "all"]
    assert [row["method"] for row in everything] == ["none", "evs", "random"]
    assert [row["asked"] for row in everything] == [asked] * 3
    assert {row["kind"] for row in document["tallies"]} <= {"all", *KINDS}
    baselines = [row for row in document["baselines"] if row["kind"] == "all"]
    assert [row["method"] for row in baselines] == [
        "question-only",
        "first-frame",
        "shuffled-frames",
    ]
    assert [row["kept_fraction"] for row in baselines] == [0, 1, 1]
    numbers = {row["diagnostic"] for row in document["correlations"]}
    assert {"k_center_radius", "facility_location", "event_recall"} <= numbers
    means = {row["method"]: row["numbers"] for row in document["diagnostics"]}
    assert list(means) == ["none", "evs", "random"]
    assert all(numbers == row.keys() for row in means.values())
    assert means["none"]["event_token_recall"] == 1 > means["random"]["event_token_recall"] > 0
    assert (document["videos"], document["seed"]) == (3, 108)
    assert (folder / "first" / "accuracy.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("without_plots")
def test_every_method_budgets_of_tokens_and_numbers_of_frames_are_compared(folder: Path) -> None:
    methods = ("--method", "vcast", "--method", "cdpruner")
    few = ("--budget", "24tok", "--num-frames", "4", "--num-frames", "8")
    small = ("--videos", "2", "--seed", "108", "--json")
    result = run(folder, *methods, *few, *small, output="one")
    assert result.code == 0, result
    rows = [row for row in json.loads(result.out)["tallies"] if row["kind"] == "all"]
    names = ("none", "vcast", "cdpruner", "random")
    assert [(row["method"], row["num_frames"]) for row in rows] == [
        (name, frames) for frames in (4, 8) for name in names
    ]
    assert {row["budget"] for row in rows} == {1.0, "24tok"}
    assert {row["kept_tokens"] for row in rows if row["method"] in ("vcast", "random")} == {24.0}
    assert [row["versus_first"] is None for row in rows[:4]] == [True, True, False, True]
    again = run(folder, *methods, *few, *small, "--workers", "2", output="two")
    assert again.code == 0, again
    assert [row["kept_tokens"] for row in json.loads(again.out)["tallies"]] == [
        row["kept_tokens"] for row in json.loads(result.out)["tallies"]
    ]


@pytest.mark.usefixtures("without_plots")
def test_a_method_is_compared_with_itself(folder: Path) -> None:
    methods = ("--method", "vcast", "--method", "vcast:tau=0.5,prune_at=1")
    few = ("--budget", "0.25", "--videos", "2", "--seed", "108")
    result = run(folder, *methods, *few, "--json", output="itself")
    assert result.code == 0, result
    rows = [row for row in json.loads(result.out)["tallies"] if row["method"] == "vcast"]
    told = [(row["options"]["tau"], row["options"].get("prune_at")) for row in rows]
    assert told[:2] == [(0.7, None), (0.5, 1)]
    assert [row["versus_first"] is None for row in rows[:2]] == [True, False]
    table = (folder / "itself" / "accuracy.md").read_text()
    assert "| vcast tau=0.7" in table
    assert "| vcast prune_at=1 tau=0.5" in table


@pytest.mark.usefixtures("first", "without_plots")
def test_another_run_gives_the_same_numbers_without_what_is_left_out(folder: Path) -> None:
    result = run(folder, *FEW, "--json", output="again")
    assert result.code == 0, result
    assert result.out == (folder / "again" / "accuracy.json").read_text()
    more = json.loads((folder / "first" / "accuracy.json").read_text())
    del more["baselines"], more["diagnostics"], more["correlations"]
    assert json.loads(result.out) == more


def test_piped_output_is_one_line_for_every_tally(first: Ran) -> None:
    rows = [row.split("\t") for row in first.out.splitlines()]
    assert {len(row) for row in rows} == {len(rows[0])}
    assert ["all", "question-only"] in [row[:2] for row in rows]


WRONG = {
    "sampling": (("--fps", "2"), "--questions"),
    "per token": (("--per-token",), "--questions"),
    "no videos": (("--videos", "0"), "--videos"),
    "unknown method": (("--method", "vcst"), "'vcst'"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_call_fails_before_any_work(fault: str, tmp_path: Path) -> None:
    arguments, words = WRONG[fault]
    result = run_here("eval", "--model", "./gone", *arguments, cwd=tmp_path)
    assert result.code == 2, result
    assert words in result.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("flag", [("--videos", "5"), ("--baselines",), ("--diagnostics",)])
def test_what_is_for_films_is_refused_beside_a_file(flag: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "list.jsonl").write_text("")
    result = run_here("eval", "--questions", "list.jsonl", *flag, cwd=tmp_path)
    assert (result.code, "leave them out" in result.error) == (2, True)


def test_other_models_need_questions_of_their_own(tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "tiny", "qwen3_vl")
    result = run_here("eval", "--model", "./tiny", *FEW, cwd=tmp_path)
    assert (result.code, "--questions" in result.error) == (2, True), result


def test_ctrl_c_says_that_nothing_was_written(folder: Path) -> None:
    running = Running(
        "eval", "--model", "./seeded", "-o", "left", *FEW, "--videos", "1000", cwd=folder
    )
    wait_until(lambda: "note: model" in running.err.read_text())
    running.send(signal.SIGINT)
    stopped = running.wait()
    assert stopped.code == 130, stopped
    assert stopped.error == "interrupted: nothing was written"
    assert not (folder / "left").exists()


def test_progress_is_a_line_now_and_then_where_it_is_piped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with notes.progress(4, unit="video") as advance:
        advance(2)
    assert capsys.readouterr().err == "", "it has just begun"
    monkeypatch.setattr(notes, "SECONDS_BETWEEN_LINES", 0)
    with notes.progress(4, unit="video") as advance:
        advance(1)
        advance(2)
    assert capsys.readouterr().err == "note: 1 of 4 videos\nnote: 3 of 4 videos\n"


def test_videos_that_raise_no_question_are_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = Evaluation(answered=())
    assert report_accuracy(nothing, {}, tmp_path / "out", as_json=False) == 1
    assert capsys.readouterr().err == "error: no video gives rise to a question; raise --videos\n"
    assert not (tmp_path / "out").exists()


def test_an_error_that_a_ctrl_c_became_in_c_is_no_defect(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("could not determine the shape of object")

    monkeypatch.setattr("evscli.evaluation.selections.selections", fail)
    asked = ["eval", "--budget", "0.5"]
    assert cli.run(asked, debug=False, interrupts=[2]) == 130
    assert capsys.readouterr().err == "interrupted: nothing was written\n"
    assert cli.run(asked, debug=False) == 1
    assert "this is a defect of evs" in capsys.readouterr().err
