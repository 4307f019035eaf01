"""`--dtype auto` on machines with arithmetic units for bfloat16 and without."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from evscli.encoders import device
from evscli.store import open_store
from tests.cli.in_process import run_here
from tests.evs import Result, run_evs
from tests.stores import assert_same
from tests.videos import write_video

VCAST = ("--method", "vcast", "--budget", "0.3")


def only_here() -> None:
    """Have this process find no units, and other processes of the run unable to tell."""
    here = os.getpid()

    def has_units(*_: object) -> bool:
        assert os.getpid() == here
        return False

    device.has_units = has_units


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for number, name in enumerate("ab"):
        write_video(folder / f"{name}.mp4", frames=24, seed=number)
    return folder


@pytest.fixture(scope="module")
def stores(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one run on either machine makes of all clips."""
    folder = tmp_path_factory.mktemp("stores")
    for name, units in (("narrow", True), ("wide", False)):
        assert prune(clips, name, folder, units).code == 0
    return folder


def run_on(units: bool, *arguments: str | Path, cwd: Path) -> Result:
    """Run `evs` on a machine that has arithmetic units for bfloat16 or not."""
    with patch.object(device, "has_units", lambda *_: units):
        return run_here(*arguments, cwd=cwd)


def prune(clips: Path, store: str, cwd: Path, units: bool, *more: str) -> Result:
    return run_on(units, "prune", clips, *VCAST, "-o", store, *more, cwd=cwd)


def encoder_settings(store: Path) -> Any:
    return json.loads((store / "run.json").read_text())["settings"]["encoder"]


@pytest.mark.slow
def test_the_arithmetic_is_recorded_where_it_is_not_the_checkpoints(stores: Path) -> None:
    narrow, wide = (encoder_settings(stores / name) for name in ("narrow", "wide"))
    assert narrow["dtype"] == "bfloat16"
    assert wide == {**narrow, "compute_dtype": "float32"}
    infos = {name: open_store(stores / name).info("a").model for name in ("narrow", "wide")}
    assert (infos["narrow"].compute_dtype, infos["wide"].compute_dtype) == (None, "float32")
    assert {info.dtype for info in infos.values()} == {"bfloat16"}
    assert "bfloat16 computed in float32" in run_here("inspect", "wide", "a", cwd=stores).out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("begun", "units"),
    [("narrow", True), ("wide", False)],
)
def test_a_run_goes_on_alike_on_the_other_machine(
    begun: str, units: bool, clips: Path, stores: Path, tmp_path: Path
) -> None:
    one = tmp_path / "one"
    one.mkdir()
    shutil.copy(clips / "a.mp4", one)
    assert prune(one, "store", tmp_path, units).code == 0

    result = prune(clips, "store", tmp_path, not units)

    assert result.code == 0, result.err
    said = {"narrow": "mini (bfloat16)", "wide": "mini (bfloat16 computed in float32)"}
    assert f"model   {said[begun]}\n" in result.out
    assert_same(open_store(tmp_path / "store"), open_store(stores / begun))
    assert (tmp_path / "store" / "run.json").read_text() == (
        stores / begun / "run.json"
    ).read_text()


@pytest.mark.slow
def test_workers_do_not_ask_their_own_machine(clips: Path, stores: Path, tmp_path: Path) -> None:
    given = ("prune", clips, *VCAST, "-o", "store", "--workers", "2", "--json")
    result = run_evs(*given, cwd=tmp_path, before=only_here)
    assert result.code == 0, result.err
    (start,) = (json.loads(line) for line in result.out.splitlines() if '"start"' in line)
    assert (start["dtype"], start["compute_dtype"]) == ("bfloat16", "float32")
    assert encoder_settings(tmp_path / "store") == encoder_settings(stores / "wide")


@pytest.mark.slow
def test_a_plan_is_of_the_stores_arithmetic_or_this_machines(
    clips: Path, stores: Path, tmp_path: Path
) -> None:
    def planned(store: Path) -> tuple[str, str]:
        plan = ("plan", clips, *VCAST, "-o", store, "--no-calibrate", "--json")
        result = run_on(False, *plan, cwd=tmp_path)
        assert result.code == 0, result.err
        values = json.loads(result.out)
        return values["dtype"], values["compute_dtype"]

    assert planned(tmp_path / "new") == ("bfloat16", "float32")
    assert planned(stores / "narrow") == ("bfloat16", "bfloat16")


def test_stores_that_differ_are_one_line_of_error(
    clips: Path, stores: Path, tmp_path: Path
) -> None:
    for name, place in (("narrow", "vcast-0.3"), ("wide", "vcast-0.4")):
        shutil.copytree(stores / name, tmp_path / "both" / place)
    result = prune(clips, "both", tmp_path, True, "--budget", "0.4")
    assert result.code == 1
    assert "vcast-0.3 in bfloat16 and both/vcast-0.4 in bfloat16 computed in" in result.error


def test_a_dtype_asked_for_is_refused_by_a_store_of_another_arithmetic(
    clips: Path, stores: Path, tmp_path: Path
) -> None:
    shutil.copytree(stores / "wide", tmp_path / "wide")
    result = prune(clips, "wide", tmp_path, True, "--dtype", "bfloat16")
    assert result.code == 1
    assert 'encoder.compute_dtype is "float32" there and absent now' in result.error
    assert "--dtype auto" in result.error
