from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from evscli.encoders import load_encoder
from evscli.encoders.checkpoint import build_vision, read_checkpoint, read_vision_weights
from evscli.encoders.files import LocalFolder, find_model
from evscli.errors import ModelError, UsageError
from evscli.models.registry import built_in
from tests.checkpoints import FAMILIES, make_model
from tests.encoders.layouts import copy_checkpoint, edit_json, shard

INDEX = "model.safetensors.index.json"
CPU = torch.device("cpu")


def folder(path: Path) -> LocalFolder:
    return LocalFolder(path, name=path.name)


@pytest.mark.parametrize("family", FAMILIES)
def test_vision_tower_equals_that_of_the_whole_model(
    family: str, checkpoints: dict[str, Path]
) -> None:
    checkpoint = read_checkpoint(folder(checkpoints[family]))

    vision = build_vision(checkpoint, device=CPU, dtype=torch.float32)

    whole = make_model(family).model.visual
    assert type(vision) is type(whole)
    assert not vision.training
    ours = dict(vision.named_parameters()) | dict(vision.named_buffers())
    theirs = dict(whole.named_parameters()) | dict(whole.named_buffers())
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert not any(value.requires_grad for value in ours.values())


@pytest.mark.parametrize("family", FAMILIES)
def test_narrower_dtype_leaves_rotary_frequencies_in_float32(
    family: str, checkpoints: dict[str, Path]
) -> None:
    checkpoint = read_checkpoint(folder(checkpoints[family]))

    vision = build_vision(checkpoint, device=CPU, dtype=torch.bfloat16)

    assert {p.dtype for p in vision.parameters()} == {torch.bfloat16}
    assert {b.dtype for b in vision.buffers()} == {torch.float32}


@pytest.mark.parametrize("prefix", ["visual.", "model.visual."])
def test_sharded_checkpoint_is_read_by_old_and_new_names(
    tmp_path: Path, qwen2_5: Path, prefix: str
) -> None:
    split = copy_checkpoint(qwen2_5, tmp_path / "split")
    shard(split, prefix=prefix)

    weights = read_vision_weights(folder(split), built_in()["qwen2_5_vl"])

    whole = read_vision_weights(folder(qwen2_5), built_in()["qwen2_5_vl"])
    assert weights.keys() == whole.keys()
    assert all(torch.equal(weights[name], whole[name]) for name in whole)


def test_single_file_with_old_names_is_read(tmp_path: Path, qwen3: Path) -> None:
    old = copy_checkpoint(qwen3, tmp_path / "old")
    renamed = {k.removeprefix("model."): v for k, v in load_file(old / "model.safetensors").items()}
    save_file(renamed, old / "model.safetensors")

    family = built_in()["qwen3_vl"]
    old_weights, weights = (read_vision_weights(folder(f), family) for f in (old, qwen3))
    assert old_weights.keys() == weights.keys()


def test_files_without_vision_weights_need_not_be_there(tmp_path: Path, qwen3: Path) -> None:
    split = copy_checkpoint(qwen3, tmp_path / "split")
    *_, language = shard(split)
    (split / language).unlink()

    assert load_encoder(str(split), device="cpu").info.embed_dim == 48


def test_mini_is_a_word_and_bundled() -> None:
    encoder = load_encoder("mini", device="cpu")

    assert encoder.info.name == "mini"
    assert (encoder.info.model_type, encoder.info.dtype) == ("qwen3_vl", "bfloat16")


def test_name_of_a_folder_is_its_own_name(qwen3: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(qwen3)

    assert find_model(".").name == qwen3.name


@pytest.mark.parametrize("model", ["./no/such/folder", "/no/such/folder", "a/b/c", "~/no-such"])
def test_path_that_is_no_folder_is_refused_without_a_network(model: str) -> None:
    with pytest.raises(ModelError, match=r"is neither a folder nor a hub id; give a model folder"):
        load_encoder(model, device="cpu")


def test_weights_file_instead_of_its_folder_is_refused(qwen3: Path) -> None:
    with pytest.raises(ModelError, match=r"model.safetensors' is a file; give the model's folder"):
        load_encoder(str(qwen3 / "model.safetensors"), device="cpu")


def test_revision_of_a_folder_is_refused(qwen3: Path) -> None:
    with pytest.raises(UsageError, match=r"which has no revision 'main'"):
        load_encoder(str(qwen3), device="cpu", revision="main")


def test_folder_without_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no config.json; name the folder of a model"):
        load_encoder(str(tmp_path), device="cpu")


def test_unsupported_model_type_is_refused(tmp_path: Path, qwen3: Path) -> None:
    other = copy_checkpoint(qwen3, tmp_path / "other")
    edit_json(other / "config.json", model_type="llama")

    with pytest.raises(ModelError, match=r"other: model type 'llama' is not supported; .*qwen3_vl"):
        load_encoder(str(other), device="cpu")


def test_invalid_configuration_is_one_line(tmp_path: Path, qwen3: Path) -> None:
    other = copy_checkpoint(qwen3, tmp_path / "other")
    edit_json(other / "config.json", vision_config={"depth": "deep"})

    with pytest.raises(ModelError, match=r"other: config.json is not a valid qwen3_vl") as raised:
        load_encoder(str(other), device="cpu")
    assert "\n" not in str(raised.value)


def test_folder_without_weights_is_refused(tmp_path: Path, qwen3: Path) -> None:
    empty = copy_checkpoint(qwen3, tmp_path / "empty")
    (empty / "model.safetensors").unlink()
    (empty / "pytorch_model.bin").write_bytes(b"")

    with pytest.raises(
        ModelError, match=r"empty has no weights in its folder: .*pytorch .bin files are not read"
    ):
        load_encoder(str(empty), device="cpu")


def test_weights_without_vision_are_refused(tmp_path: Path, qwen3: Path) -> None:
    text = copy_checkpoint(qwen3, tmp_path / "text")
    weights = load_file(text / "model.safetensors")
    language = {name: value for name, value in weights.items() if "visual" not in name}
    save_file(language, text / "model.safetensors")

    with pytest.raises(ModelError, match=r"text has no vision weights .*vision-language"):
        load_encoder(str(text), device="cpu")


def test_missing_shard_is_named(tmp_path: Path, qwen3: Path) -> None:
    split = copy_checkpoint(qwen3, tmp_path / "split")
    first, *_ = shard(split)
    (split / first).unlink()

    with pytest.raises(ModelError, match=f"split: {first}, named in {INDEX}, is missing"):
        load_encoder(str(split), device="cpu")


def test_index_that_is_no_json_is_refused(tmp_path: Path, qwen3: Path) -> None:
    split = copy_checkpoint(qwen3, tmp_path / "split")
    shard(split)
    (split / INDEX).write_text("not json")

    with pytest.raises(ModelError, match=f"split: {INDEX} cannot be read"):
        load_encoder(str(split), device="cpu")


def test_index_that_names_a_tensor_its_file_lacks_is_refused(tmp_path: Path, qwen3: Path) -> None:
    split = copy_checkpoint(qwen3, tmp_path / "split")
    first, second, _ = shard(split)
    index = json.loads((split / INDEX).read_text())
    for key, file in index["weight_map"].items():
        index["weight_map"][key] = {first: second, second: first}.get(file, file)
    (split / INDEX).write_text(json.dumps(index))

    with pytest.raises(ModelError, match=r"is damaged or incomplete \(.*tensor"):
        load_encoder(str(split), device="cpu")


@pytest.mark.parametrize("damage", [b"", b"\xff" * 64, None], ids=["empty", "noise", "cut"])
def test_damaged_weights_are_refused(tmp_path: Path, qwen3: Path, damage: bytes | None) -> None:
    broken = copy_checkpoint(qwen3, tmp_path / "broken")
    path = broken / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100] if damage is None else damage)

    with pytest.raises(ModelError, match=r"broken: model.safetensors is damaged or incomplete"):
        load_encoder(str(broken), device="cpu")


@pytest.mark.parametrize(
    ("weight", "value", "message"),
    [
        ("model_visual_merger_norm_weight", None, r"\(merger.norm.weight is missing\)"),
        (
            "model_visual_merger_norm_weight",
            torch.ones(5),
            r"\(merger.norm.weight has shape \(5,\) instead of \(32,\)\)",
        ),
    ],
)
def test_weights_that_do_not_fit_the_configuration_are_refused(
    tmp_path: Path, qwen3: Path, weight: str, value: torch.Tensor | None, message: str
) -> None:
    other = copy_checkpoint(qwen3, tmp_path / "other", **{weight: value})

    with pytest.raises(ModelError, match=f"other: its vision weights do not fit.*{message}"):
        load_encoder(str(other), device="cpu")


def test_weights_the_configuration_does_not_name_are_refused(tmp_path: Path, qwen3: Path) -> None:
    shallow = copy_checkpoint(qwen3, tmp_path / "shallow")
    vision = json.loads((shallow / "config.json").read_text())["vision_config"]
    edit_json(shallow / "config.json", vision_config={**vision, "depth": 3})

    with pytest.raises(ModelError, match=r"\(blocks.3.attn.proj.bias is unknown and 11 more"):
        load_encoder(str(shallow), device="cpu")


def test_vision_weights_in_an_unknown_format_are_refused(tmp_path: Path, qwen3: Path) -> None:
    narrow = torch.ones(32).to(torch.float8_e4m3fn)
    other = copy_checkpoint(qwen3, tmp_path / "other", model_visual_merger_norm_weight=narrow)

    with pytest.raises(ModelError, match=r"merger.norm.weight is stored as torch.float8_e4m3fn"):
        load_encoder(str(other), device="cpu")


def test_processor_of_another_model_is_refused(tmp_path: Path, qwen3: Path) -> None:
    other = copy_checkpoint(qwen3, tmp_path / "other")
    edit_json(other / "video_preprocessor_config.json", patch_size=16)

    with pytest.raises(
        ModelError, match=r"video processor has patch_size 16 but its vision tower 8"
    ):
        load_encoder(str(other), device="cpu")
