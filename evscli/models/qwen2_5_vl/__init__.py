"""Qwen2.5-VL."""

from evscli.models.spec import FamilySpec

FAMILIES = (
    FamilySpec(
        model_type="qwen2_5_vl",
        summary="Qwen2.5-VL: windowed vision attention, 14-pixel patches",
        frames="2 frames per second and up to 768, each sized by its pixels",
        positions="three axes; temporal ids grow with the seconds, one run for a video",
        served="vLLM 0.32, SGLang 0.5.23 (its engine was not run)",
        tested="golden files, real videos, a tiny checkpoint against its own forward",
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
