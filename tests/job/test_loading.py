"""What a job leaves to the machine is settled once, by stores or by one look at the devices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evscli.errors import MismatchError
from evscli.job import Encoding, Pruning, Selection
from evscli.job.loading import run_settled, settled
from evscli.records import RunConfig
from evscli.store import StoreWriter
from evscli.store.run import encoder_dtypes
from evscli.store.schema import RUN_NAME
from tests.store.samples import record

JOB = Pruning(selection=Selection(methods=("vcast",), budgets=(0.5,)))
NARROW = {"dtype": "bfloat16"}
WIDE = {"dtype": "bfloat16", "compute_dtype": "float32"}
EVERY = frozenset({"float32", "bfloat16", "float16"})
FEW = frozenset({"float32"})


def write_store(folder: Path, encoder: dict[str, str]) -> Path:
    with StoreWriter(folder, RunConfig(settings={"encoder": encoder})):
        pass
    return folder


def unasked() -> frozenset[str]:
    raise AssertionError("the store says it")


def test_auto_without_a_store_is_settled_by_the_units(tmp_path: Path) -> None:
    assert settled(JOB, [tmp_path / "new"], lambda: FEW).encoding.units == FEW


def test_a_dtype_that_is_asked_for_stays(tmp_path: Path) -> None:
    asked = replace(JOB, encoding=Encoding(dtype="bfloat16"))
    assert settled(asked, [write_store(tmp_path / "store", WIDE)], unasked) == asked


def test_a_store_says_what_auto_means(tmp_path: Path) -> None:
    narrow = settled(JOB, [write_store(tmp_path / "narrow", NARROW)], unasked).encoding
    assert (narrow.dtype, narrow.units) == ("bfloat16", None)
    folders = [tmp_path / "new", write_store(tmp_path / "wide", WIDE)]
    wide = settled(JOB, folders, unasked).encoding
    assert (wide.dtype, wide.units) == ("auto", FEW)


def test_stores_that_differ_are_refused_in_one_line(tmp_path: Path) -> None:
    folders = [write_store(tmp_path / "a", NARROW), write_store(tmp_path / "b", WIDE)]
    with pytest.raises(MismatchError, match=r"a in bfloat16 and .*b in bfloat16 computed in float"):
        settled(JOB, folders, unasked)


def test_a_store_that_lost_its_run_file_still_says_it(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, RunConfig(settings={"encoder": NARROW})) as writer:
        writer.add(record())
    (tmp_path / RUN_NAME).unlink()
    assert encoder_dtypes(tmp_path) == ("float32", "float32")


@pytest.mark.parametrize("encoder", [None, "mini", {}, {"dtype": 3}])
def test_settings_of_another_kind_say_nothing(tmp_path: Path, encoder: object) -> None:
    with StoreWriter(tmp_path, RunConfig(settings={"encoder": encoder})):
        pass
    assert encoder_dtypes(tmp_path) is None


class TestOfRunsThatBeginAtOnce:
    def test_the_first_to_write_settles_it_for_all(self, tmp_path: Path) -> None:
        tried: list[Pruning] = []

        def run(job: Pruning) -> str:
            tried.append(job)
            if len(tried) == 1:
                write_store(tmp_path / "store", WIDE)
                raise MismatchError("another run has made it")
            return "done"

        assert run_settled(JOB, [tmp_path / "store"], lambda: EVERY, run) == "done"
        assert [job.encoding.units for job in tried] == [EVERY, FEW]

    def test_another_difference_is_told_at_once(self, tmp_path: Path) -> None:
        folder, tried = write_store(tmp_path / "store", NARROW), []

        def run(job: Pruning) -> None:
            tried.append(job)
            raise MismatchError("other videos")

        with pytest.raises(MismatchError, match="other videos"):
            run_settled(JOB, [folder], unasked, run)
        assert len(tried) == 1
