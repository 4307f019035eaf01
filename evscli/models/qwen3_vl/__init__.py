"""Qwen3-VL, dense and mixture of experts."""

from dataclasses import replace

from evscli.models.spec import FamilySpec

DENSE = FamilySpec(
    model_type="qwen3_vl",
    summary="Qwen3-VL, dense: DeepStack planes, 16-pixel patches, timestamps in the prompt",
    frames="2 frames per second and up to 768, sized by the pixels of the whole video",
    positions="three axes; each temporal patch has a run of max(h, w) positions behind its time",
    planes=3,
    served="vLLM 0.32, SGLang 0.5.23 (its engine was not run)",
    tested="golden files, real videos, a tiny checkpoint against its own forward",
    vision="transformers.models.qwen3_vl.modeling_qwen3_vl:Qwen3VLVisionModel",
    video_processors=(
        "transformers.models.qwen3_vl.video_processing_qwen3_vl:Qwen3VLVideoProcessor",
        "transformers.models.qwen2_vl.video_processing_qwen2_vl:Qwen2VLVideoProcessor",
    ),
    tower="evscli.models.parts.frame_tower:FrameTower",
    shape="evscli.models.parts.shape:qwen_shape",
    rules="evscli.models.parts.rules:ProcessorRules",
    pixels="evscli.models.parts.pixels:pixel_format",
    prompt="evscli.models.qwen3_vl.prompt:PROMPT",
)
MIXTURE = replace(
    DENSE,
    model_type="qwen3_vl_moe",
    summary="Qwen3-VL, mixture of experts: the vision tower of the dense models",
    vision="transformers.models.qwen3_vl_moe.modeling_qwen3_vl_moe:Qwen3VLMoeVisionModel",
)
FAMILIES = (DENSE, MIXTURE)
