from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import disable_progress_bars, enable_progress_bars

from evscli.encoders import load_encoder
from evscli.encoders.files import HubRepository, find_model
from evscli.errors import EvsError, ModelError, UsageError
from tests.encoders.hub import COMMIT, Hub, serve
from tests.encoders.layouts import copy_checkpoint, shard

NAME = "someone/tiny-vl"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    disable_progress_bars()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    # The library waits between retries; a test need not.
    impatient = SimpleNamespace(**{**vars(time), "sleep": lambda _seconds: None})
    monkeypatch.setattr("huggingface_hub.utils._http.time", impatient)
    with serve() as hub:
        set_endpoint(monkeypatch, hub.url)
        yield hub
    enable_progress_bars()


@pytest.fixture
def language_file(hub: Hub, tmp_path: Path, qwen3: Path) -> str:
    """Publishes a sharded checkpoint as NAME; the name of its file without vision weights."""
    hub.repositories[NAME] = copy_checkpoint(qwen3, tmp_path / "published")
    return shard(hub.repositories[NAME])[-1]


def set_endpoint(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """What HF_ENDPOINT does when the library is imported."""
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", template.replace(constants.ENDPOINT, url)
    )
    monkeypatch.setattr(constants, "ENDPOINT", url)


def go_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def test_only_configs_index_and_vision_files_are_downloaded(
    hub: Hub, language_file: str, qwen3: Path
) -> None:
    encoder = load_encoder(NAME, device="cpu")

    published = hub.repositories[NAME]
    wanted = {"config.json", "video_preprocessor_config.json", "model.safetensors.index.json"}
    wanted |= {path.name for path in published.glob("model-*.safetensors")} - {language_file}
    assert hub.served == {name: (published / name).stat().st_size for name in wanted}
    assert encoder.info.name == NAME
    assert encoder.info.vision_sha256 == load_encoder(str(qwen3), device="cpu").info.vision_sha256


@pytest.mark.usefixtures("language_file")
def test_second_load_asks_only_which_commit_is_current(hub: Hub) -> None:
    load_encoder(NAME, device="cpu")
    hub.served.clear()
    hub.requests.clear()

    load_encoder(NAME, device="cpu")

    assert not hub.served
    assert hub.requests == [f"HEAD /{NAME}/resolve/main/config.json"]


@pytest.mark.usefixtures("language_file")
def test_every_file_comes_from_the_commit_seen_first(hub: Hub) -> None:
    load_encoder(NAME, device="cpu")

    later = [request for request in hub.requests if "/config.json" not in request]
    assert later
    assert all(f"/resolve/{COMMIT}/" in request for request in later)


@pytest.mark.usefixtures("language_file")
def test_cached_checkpoint_loads_offline(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    load_encoder(NAME, device="cpu")
    hub.requests.clear()
    go_offline(monkeypatch)

    assert load_encoder(NAME, device="cpu").info.name == NAME
    assert not hub.requests


@pytest.mark.usefixtures("language_file")
def test_cached_checkpoint_loads_when_the_hub_cannot_be_reached(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_encoder(NAME, device="cpu")
    set_endpoint(monkeypatch, "http://127.0.0.1:9")
    assert hub.requests

    assert load_encoder(NAME, device="cpu").info.name == NAME


def test_offline_without_cache_is_refused(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    go_offline(monkeypatch)

    with pytest.raises(ModelError, match=r"config.json is not in the cache and HF_HUB_OFFLINE is"):
        load_encoder(NAME, device="cpu")
    assert not hub.requests


@pytest.mark.usefixtures("hub")
def test_offline_a_revision_without_cache_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    go_offline(monkeypatch)

    with pytest.raises(
        ModelError, match=r"config.json of revision 'v9' is not in the cache and HF"
    ):
        find_model(NAME, revision="v9")


@pytest.mark.usefixtures("language_file")
def test_weights_that_are_not_cached_are_missing_because_of_offline_mode(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    HubRepository(NAME)
    go_offline(monkeypatch)

    with pytest.raises(ModelError, match=r"has no weights in the cache \(HF_HUB_OFFLINE is set\)"):
        load_encoder(NAME, device="cpu")


@pytest.mark.slow
@pytest.mark.usefixtures("hub")
def test_unreachable_hub_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    set_endpoint(monkeypatch, "http://127.0.0.1:9")

    with pytest.raises(
        ModelError, match=r"not in the cache and http://127.0.0.1:9 cannot be reach"
    ):
        load_encoder(NAME, device="cpu")


@pytest.mark.usefixtures("hub")
def test_unknown_id_is_refused_with_where_it_was_looked_for() -> None:
    with pytest.raises(ModelError, match=r"no/body: no such folder here and no such model at http"):
        load_encoder("no/body", device="cpu")


def test_gated_model_is_refused_with_how_to_get_in(hub: Hub) -> None:
    hub.gated.add(NAME)

    with pytest.raises(ModelError, match=rf"{NAME} is gated: .*hf auth login"):
        load_encoder(NAME, device="cpu")


@pytest.mark.usefixtures("language_file")
def test_unknown_revision_is_refused() -> None:
    with pytest.raises(ModelError, match=rf"{NAME} has no revision 'v9'"):
        load_encoder(NAME, device="cpu", revision="v9")


def test_named_revision_is_used(hub: Hub, language_file: str) -> None:
    load_encoder(NAME, device="cpu", revision=COMMIT)

    assert language_file not in hub.served
    assert all(f"/resolve/{COMMIT}/" in request for request in hub.requests)


def test_repository_without_config_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.repositories[NAME] = tmp_path

    with pytest.raises(ModelError, match=rf"{NAME} has no config.json"):
        load_encoder(NAME, device="cpu")


def test_repository_without_safetensors_is_refused(hub: Hub, tmp_path: Path, qwen3: Path) -> None:
    hub.repositories[NAME] = copy_checkpoint(qwen3, tmp_path / "published")
    (hub.repositories[NAME] / "model.safetensors").rename(
        hub.repositories[NAME] / "pytorch_model.bin"
    )

    with pytest.raises(
        ModelError, match=rf"{NAME} has no weights at http.*pytorch .bin files are not"
    ):
        load_encoder(NAME, device="cpu")
    assert "pytorch_model.bin" not in hub.served


@pytest.mark.usefixtures("language_file")
def test_file_named_in_the_index_but_not_published_is_refused(hub: Hub) -> None:
    (hub.repositories[NAME] / "model-00001-of-00003.safetensors").unlink()

    with pytest.raises(ModelError, match=r"model-00001-of-00003.safetensors, named in .*, is miss"):
        load_encoder(NAME, device="cpu")


@pytest.mark.usefixtures("language_file")
def test_processor_file_that_cannot_be_fetched_is_no_missing_one(hub: Hub) -> None:
    hub.failing.add("video_preprocessor_config.json")

    with pytest.raises(ModelError, match=r"video_preprocessor_config.json"):
        load_encoder(NAME, device="cpu")


@pytest.mark.usefixtures("language_file")
def test_errors_are_one_line(hub: Hub) -> None:
    hub.failing.add("config.json")

    with pytest.raises(EvsError) as raised:
        find_model(NAME)
    assert "\n" not in str(raised.value)


@pytest.mark.slow
def test_endpoint_and_cache_are_taken_from_the_environment(
    hub: Hub, tmp_path: Path, qwen3: Path
) -> None:
    hub.repositories[NAME] = qwen3
    code = (  # what loads an encoder asks for files in this way, and imports far more
        "from evscli.encoders.files import find_model; "
        f"print(find_model('{NAME}').get('model.safetensors'))"
    )
    environment = os.environ | {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )

    assert Path(done.stdout.strip()).read_bytes() == (qwen3 / "model.safetensors").read_bytes()
    assert hub.served["model.safetensors"] == (qwen3 / "model.safetensors").stat().st_size
    assert list((tmp_path / "home" / "hub").glob("models--someone--tiny-vl"))


def test_a_path_is_a_folder_of_this_machine_and_never_an_id(
    hub: Hub, qwen3: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repositories[NAME] = qwen3
    copy_checkpoint(qwen3, tmp_path / "mini")
    monkeypatch.chdir(tmp_path)

    assert find_model(Path("mini")).get("config.json") == Path("mini/config.json")
    with pytest.raises(ModelError, match=rf"'{NAME}' does not exist; give the model's folder"):
        find_model(Path(NAME))
    with pytest.raises(UsageError, match="has no revision 'v1'"):
        find_model(Path("mini"), revision="v1")
    with pytest.raises(UsageError, match=r"model must be a folder, .* got a Hub$"):
        find_model(hub)  # type: ignore[arg-type]
    assert not hub.requests


def test_repository_answers_none_for_a_file_it_lacks(hub: Hub, qwen3: Path) -> None:
    hub.repositories[NAME] = qwen3

    assert HubRepository(NAME).get("nothing.json") is None
