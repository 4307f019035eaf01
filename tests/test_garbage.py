"""No search for garbage during imports, and all of them afterwards."""

from __future__ import annotations

import gc

import pytest

from evscli.garbage import held_off


@pytest.fixture(autouse=True)
def as_before() -> object:
    yield
    gc.unfreeze()
    gc.enable()


def test_no_search_in_the_block_and_searches_after_it() -> None:
    with held_off():
        assert not gc.isenabled()
        with held_off():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_process_that_searches_never_stays_so() -> None:
    gc.disable()
    with held_off():
        pass
    assert not gc.isenabled()


def test_searches_begin_again_after_an_error() -> None:
    with pytest.raises(ImportError), held_off():
        raise ImportError
    assert gc.isenabled()


def test_only_for_good_leaves_objects_out_of_later_searches() -> None:
    gc.unfreeze()
    with held_off():
        pass
    assert gc.get_freeze_count() == 0
    with held_off(for_good=True):
        pass
    assert gc.get_freeze_count() > 0
