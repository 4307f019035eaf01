"""Other projects build on these names."""

from __future__ import annotations

import subprocess
import sys

import evscli


def test_the_public_names_are_these() -> None:
    assert evscli.__all__ == ["__version__", "open_store", "prefill", "prune_video", "prune_videos"]
    for name in evscli.__all__:
        assert getattr(evscli, name) is not None


def test_what_is_logged_reaches_no_terminal_unless_somebody_asks() -> None:
    code = """if True:
        import logging, evscli
        logging.getLogger("evscli.store").warning("unseen")
        logging.basicConfig()
        logging.getLogger("evscli.store").warning("seen")
    """
    run = subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.PIPE)
    assert run.stderr == b"WARNING:evscli.store:seen\n"


def test_importing_the_package_does_not_import_torch() -> None:
    code = "import evscli, evscli.records, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
