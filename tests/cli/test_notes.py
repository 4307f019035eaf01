from __future__ import annotations

import logging

import pytest

from evscli.cli.notes import logged_as, note


def test_a_warning_of_the_library_is_a_note_or_what_a_command_makes_of_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logger, remarks = logging.getLogger("evscli.corpus"), list[str]()
    with logged_as(note):
        logger.warning("a worker on %s died", "cpu")
        logger.info("seen by nobody")
        with logged_as(remarks.append):
            logger.warning("an event")
        logger.warning("again")
    logger.warning("after all")
    assert capsys.readouterr().err == "note: a worker on cpu died\nnote: again\n"
    assert remarks == ["an event"]
