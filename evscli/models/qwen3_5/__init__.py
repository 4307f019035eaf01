"""Qwen3.5, dense and mixture of experts, and Qwen4-exp: the tower of Qwen3-VL without DeepStack."""

from dataclasses import replace

from evscli.models.spec import FamilySpec

DENSE = FamilySpec(
    model_type="qwen3_5",
    summary="Qwen3.5, dense: the tower of Qwen3-VL without DeepStack, linear attention",
    frames="2 frames per second and up to 768, sized by the pixels of the whole video",
    positions="three axes; each temporal patch has a run of max(h, w) positions behind its time",
    served="vLLM 0.32",
    tested="a tiny checkpoint against its own processor and forward",
    vision="transformers.models.qwen3_5.modeling_qwen3_5:Qwen3_5VisionModel",
    video_processors=(
        "transformers.models.qwen3_vl.video_processing_qwen3_vl:Qwen3VLVideoProcessor",
        "transformers.models.qwen2_vl.video_processing_qwen2_vl:Qwen2VLVideoProcessor",
    ),
    tower="evscli.models.parts.frame_tower:FrameTower",
    shape="evscli.models.parts.shape:qwen_shape",
    rules="evscli.models.parts.rules:ProcessorRules",
    pixels="evscli.models.parts.pixels:pixel_format",
    prompt="evscli.models.qwen3_5.prompt:PROMPT",
)
MIXTURE = replace(
    DENSE,
    model_type="qwen3_5_moe",
    summary="Qwen3.5, mixture of experts: the vision tower of the dense models",
    vision="transformers.models.qwen3_5_moe.modeling_qwen3_5_moe:Qwen3_5MoeVisionModel",
)
EXPERIMENTAL = replace(
    DENSE,
    model_type="qwen4_exp",
    summary="Qwen4-exp: the vision tower of Qwen3.5 (transformers 5.19 or newer)",
    vision="transformers.models.qwen4_exp.modeling_qwen4_exp:Qwen4ExpVisionModel",
    served="",
    since="5.19",
)
FAMILIES = (DENSE, MIXTURE, EXPERIMENTAL)
