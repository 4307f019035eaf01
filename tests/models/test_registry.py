from __future__ import annotations

import subprocess
import sys

import pytest

from evscli import encoders
from evscli.encoders import list_families
from evscli.errors import ModelError
from evscli.models import registry
from evscli.models.registry import family_of
from tests.families import CASES


def test_lists_a_summary_for_every_family() -> None:
    listed = list_families()

    whole = {name.removesuffix("_thinker") for name in CASES}
    assert {*CASES, *whole} == set(listed)
    assert all(summary and "\n" not in summary for summary in listed.values())


def test_listing_needs_neither_torch_nor_transformers() -> None:
    code = (
        "import sys, evscli.encoders; evscli.encoders.list_families();"
        "print({'torch', 'transformers'} & set(sys.modules))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("model_type", ["llama", None, 7])
def test_unsupported_type_is_refused_with_the_supported_ones(model_type: object) -> None:
    with pytest.raises(
        ModelError, match=r"my-model: model type .* qwen2_5_vl, qwen3_vl, qwen3_vl_"
    ):
        family_of(model_type, model="my-model")


@pytest.mark.parametrize(("model_type", "since"), [("molmo2", "5.20"), ("smolvlm", "5.21")])
def test_family_that_the_installed_transformers_lacks_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, model_type: str, since: str
) -> None:
    monkeypatch.setattr(registry, "version", lambda _name: "5.18.0")

    with pytest.raises(
        ModelError,
        match=f"m: model type .{model_type}. needs transformers {since} or newer, and 5.18.0 is",
    ):
        family_of(model_type, model="m")
    family_of("qwen3_vl", model="m")


def test_every_public_name_is_there() -> None:
    assert all(getattr(encoders, name) for name in encoders.__all__)
    with pytest.raises(AttributeError, match="no_such"):
        encoders.no_such  # noqa: B018


@pytest.mark.parametrize("model_type", [*list_families()])
def test_a_family_has_the_planes_of_its_own_configuration(model_type: str) -> None:
    from transformers import CONFIG_MAPPING

    spec, whole = family_of(model_type, model="one"), CONFIG_MAPPING[model_type]()
    vision = getattr(getattr(whole, f"{spec.part}_config", whole), "vision_config", None)
    assert spec.planes == len(getattr(vision, "deepstack_visual_indexes", ()))
