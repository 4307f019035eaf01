"""The plugin knows the releases of vLLM that it was run with, and says so of others."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest

from evscli.errors import ModelError
from evscli.serving import vllm
from evscli.serving.vllm import KNOWN, check_version, installed_version


def test_vllm_finds_the_plugin() -> None:
    (found,) = (one for one in entry_points(group="vllm.general_plugins") if one.name == "evs")
    assert found.load() is vllm.register


def test_releases_that_the_plugin_was_run_with_are_taken() -> None:
    for minor in KNOWN:
        check_version(f"{minor}.0")
        check_version(f"{minor}.1+cpu")


@pytest.mark.parametrize("found", ["0.31.0", "0.33.0", "1.0.0", "0.320.0", "0.32rc1"])
def test_another_release_is_refused_with_the_way_out(found: str) -> None:
    with pytest.raises(ModelError, match=f"vLLM {found} is installed, .*VLLM_PLUGINS=''"):
        check_version(found)


def test_without_vllm_the_command_to_install_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm, "PACKAGES", ("no-such-package",))
    assert installed_version() is None
    with pytest.raises(ModelError, match=r"run pip install 'evscli\[vllm\]'"):
        vllm.register()
