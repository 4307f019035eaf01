"""Qwen2.5-VL."""

from evscli.models.spec import FamilySpec

FAMILIES = (
    FamilySpec(
        model_type="qwen2_5_vl",
        summary="Qwen2.5-VL: windowed vision attention, 14-pixel patches",
        vision="transformers.models.qwen2_5_vl.modeling_qwen2_5_vl:"
        "Qwen2_5_VisionTransformerPretrainedModel",
        video_processors=(
            "transformers.models.qwen2_vl.video_processing_qwen2_vl:Qwen2VLVideoProcessor",
            "transformers.models.qwen3_vl.video_processing_qwen3_vl:Qwen3VLVideoProcessor",
        ),
        tower="evscli.models.qwen2_5_vl.tower:Qwen25Tower",
        shape="evscli.models.parts.shape:qwen_shape",
        rules="evscli.models.parts.rules:ProcessorRules",
        pixels="evscli.models.parts.pixels:pixel_format",
        prompt="evscli.models.qwen2_5_vl.prompt:PROMPT",
        own_fps=2.0,
    ),
)
