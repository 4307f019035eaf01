"""`evs serve` starts vLLM's server with all that stores need, and says what stands in its way."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
from itertools import pairwise
from pathlib import Path

import pytest

from evscli.bundled import MINI_FOLDER, usual_question
from evscli.errors import ModelError
from evscli.serving.access import SERVED, STORES_ONLY
from evscli.serving.launch import check_family
from tests.checkpoints import build_mini, copy_mini
from tests.cli.in_process import run_here


def planned(*arguments: str | Path, cwd: Path) -> dict[str, object]:
    """What `evs serve` would run."""
    result = run_here("serve", *arguments, "--json", cwd=cwd)
    assert result.code == 0, result
    found: dict[str, object] = json.loads(result.out)
    return found


def options_of(command: list[str]) -> dict[str, str]:
    """The options of the server's command that have values."""
    return {name: value for name, value in pairwise(command) if name.startswith("--")}


def test_the_server_is_given_the_stores_and_their_model(
    kept: dict[str, Path], tmp_path: Path
) -> None:
    found = planned(kept["wide"], kept["int8"], "--port", "9000", cwd=tmp_path)
    given = options_of(found["command"])  # type: ignore[arg-type]
    assert given["--model"] == str(MINI_FOLDER)
    assert given["--served-model-name"] == "mini"
    assert given["--port"] == "9000"
    assert given["--host"] == "127.0.0.1"
    assert json.loads(given["--limit-mm-per-prompt"]) == {"image": 0, "video": 0, "audio": 0}
    assert "--allowed-local-media-path" not in given
    connector = json.loads(given["--ec-transfer-config"])
    stores = {"wide": str(kept["wide"]), "int8": str(kept["int8"])}
    assert connector["ec_connector_extra_config"] == {"stores": [*stores.values()]}
    environment = found["environment"]
    assert isinstance(environment, dict)
    assert environment["VLLM_MEDIA_CONNECTOR"] == "evs"
    assert environment[STORES_ONLY] == "1"
    assert json.loads(environment[SERVED]) == stores


def test_the_request_to_try_asks_about_a_video_of_the_store(
    kept: dict[str, Path], tmp_path: Path
) -> None:
    request = str(planned(kept["wide"], cwd=tmp_path)["request"])
    assert request.startswith("curl http://127.0.0.1:8000/v1/chat/completions ")
    body = json.loads(shlex.split(request)[-1])
    video, question = body["messages"][0]["content"]
    assert video == {"type": "video_embeds", "video_embeds": "evs:wide#a"}
    assert question == {"type": "text", "text": usual_question("mini")}


def test_a_server_for_every_interface_is_asked_at_this_machine(
    kept: dict[str, Path], tmp_path: Path
) -> None:
    for host, asked in (("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("box.local", "box.local")):
        found = planned(kept["wide"], "--host", host, cwd=tmp_path)
        assert f"http://{asked}:8000/" in str(found["request"])
        assert options_of(found["command"])["--host"] == host  # type: ignore[arg-type]


def test_options_that_evs_gives_vllm_are_not_given_twice(
    kept: dict[str, Path], tmp_path: Path
) -> None:
    for words, line in (
        ("--port 8001", "--vllm has --port, which evs serve gives vLLM: use --port"),
        ("--served_model_name=x", "--vllm has --served-model-name, which evs serve gives vLLM"),
        ("--video-pruning-rate 0.5", "ask for a smaller budget in the address"),
    ):
        result = run_here("serve", kept["wide"], "--show", "--vllm", words, cwd=tmp_path)
        assert result.code == 2
        assert line in result.error


def test_families_that_vllm_does_not_prefill_are_refused() -> None:
    for name in ("glm46v", "qwen3_omni_moe_thinker"):
        with pytest.raises(ModelError, match=f"stores of {name} are not served by vLLM yet"):
            check_family(name)
    for name in (
        "qwen2_5_vl",
        "qwen3_vl",
        "qwen3_vl_moe",
        "qwen3_5",
        "qwen3_5_moe",
        "glm4v",
        "internvl",
        "qwen2_5_omni",
        "qwen3_omni_moe",
    ):
        check_family(name)


def test_a_model_is_named_by_its_whole_path(kept: dict[str, Path], tmp_path: Path) -> None:
    copy_mini(tmp_path / "copy")
    found = planned(kept["wide"], "--model", "copy", cwd=tmp_path)
    assert options_of(found["command"])["--model"] == str(tmp_path / "copy")  # type: ignore[arg-type]


def test_a_port_in_use_is_refused_before_vllm_starts(
    kept: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evscli.serving.vllm.installed_version", lambda: "0.32.0")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = run_here("serve", kept["wide"], "--port", str(port), cwd=tmp_path)
    assert result.code == 2
    assert result.out == ""
    assert f"cannot listen on 127.0.0.1 port {port}" in result.error
    result = run_here("serve", kept["wide"], "--host", "256.1.1.1", cwd=tmp_path)
    assert result.code == 2
    assert "cannot listen on 256.1.1.1" in result.error


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    result = run_here("serve", tmp_path / "pipe", cwd=tmp_path)
    assert result.code == 1
    assert "is neither a folder nor a file" in result.error


def test_a_store_whose_shards_are_gone_is_refused(kept: dict[str, Path], tmp_path: Path) -> None:
    store = Path(shutil.copytree(kept["wide"], tmp_path / "lost"))
    for shard in store.glob("shard-*"):
        shard.unlink()
    result = run_here("serve", kept["int8"], store, "--show", cwd=tmp_path)
    assert result.code == 1
    assert f"holds no video that is whole: run evs inspect {store}" in result.error


def test_the_plugin_is_among_those_that_are_chosen(
    kept: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for given, expected in (("", "evs"), ("other", "other,evs")):
        monkeypatch.setenv("VLLM_PLUGINS", given)
        environment = planned(kept["wide"], cwd=tmp_path)["environment"]
        assert environment["VLLM_PLUGINS"] == expected  # type: ignore[index]


def test_other_videos_and_images_bring_the_vision_tower(
    kept: dict[str, Path], tmp_path: Path
) -> None:
    given = ("--raw", "2", "--after-video", "transformers", "--vllm", "--dtype float32 --seed 3")
    found = planned(kept["wide"], *given, cwd=tmp_path)
    command = found["command"]
    assert isinstance(command, list)
    assert command[-4:] == ["--dtype", "float32", "--seed", "3"]
    options = options_of(command)
    assert json.loads(options["--limit-mm-per-prompt"]) == {"image": 2, "video": 2, "audio": 0}
    assert "--ec-transfer-config" not in options
    assert '"video_url": {"url": "evs:wide#a"}' in str(found["request"])
    assert found["environment"]["EVS_AFTER_VIDEO"] == "transformers"  # type: ignore[index]


def test_the_command_is_shown_as_one_can_run_it(kept: dict[str, Path], tmp_path: Path) -> None:
    result = run_here("serve", kept["wide"], "--show", cwd=tmp_path)
    words = shlex.split(result.out)
    assert "VLLM_MEDIA_CONNECTOR=evs" in words
    assert words[words.index("-m") + 1] == "vllm.entrypoints.launchers.api_server.entry"


def test_without_vllm_one_line_says_how_to_install_it(
    kept: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evscli.serving.vllm.PACKAGES", ("no-such-package",))
    result = run_here("serve", kept["wide"], cwd=tmp_path)
    assert result.code == 1
    assert result.err == "error: vLLM is not installed: run pip install 'evscli[vllm]'\n"


def test_stores_that_cannot_be_served_together_are_refused(
    kept: dict[str, Path], tmp_path: Path
) -> None:
    build_mini(tmp_path / "other", seed=5)
    (tmp_path / "wide").mkdir()
    for arguments, code, line in (
        ((tmp_path,), 1, "is not a store"),
        ((kept["wide"], "--model", "other"), 1, "were made by the vision weights of 'mini'"),
        ((kept["wide"], "--model", "nowhere/x/y"), 1, "nowhere/x/y"),
        ((kept["wide"], tmp_path / "wide"), 2, "have one name: rename a folder"),
        ((kept["wide"], "--port", "0"), 2, "--port must be 1 or more"),
        ((kept["wide"], "--port", "65536"), 2, "--port must be below 65536"),
        ((kept["wide"], "--vllm", ""), 2, "--vllm is empty"),
        ((kept["wide"], "--vllm", "'"), 2, "cannot be split into options (No closing quotation)"),
    ):
        result = run_here("serve", *arguments, cwd=tmp_path)
        assert result.code == code, (arguments, result)
        assert line in result.error
