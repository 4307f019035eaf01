"""GLM-4.1V, GLM-4.5V and GLM-4.6V."""

from dataclasses import replace

from evscli.models.spec import FamilySpec

DENSE = FamilySpec(
    model_type="glm4v",
    summary="GLM-4.1V: 14-pixel patches, positions interpolated, seconds behind every patch",
    frames="2 frames per second of up to 300 s, sized by the pixels of the whole video",
    positions="three axes; each temporal patch has a run of max(h, w) positions before its time",
    served="vLLM 0.32",
    tested="a tiny checkpoint against its own processor and forward",
    vision="transformers.models.glm4v.modeling_glm4v:Glm4vVisionModel",
    video_processors=("transformers.models.glm4v.video_processing_glm4v:Glm4vVideoProcessor",),
    tower="evscli.models.glm4v.tower:GlmTower",
    shape="evscli.models.parts.shape:qwen_shape",
    rules="evscli.models.glm4v.rules:GlmRules",
    pixels="evscli.models.parts.pixels:pixel_format",
    prompt="evscli.models.glm4v.prompt:WHOLE_SECONDS",
)
MIXTURE = replace(
    DENSE,
    model_type="glm4v_moe",
    summary="GLM-4.5V, mixture of experts: the vision tower of GLM-4.1V",
    vision="transformers.models.glm4v_moe.modeling_glm4v_moe:Glm4vMoeVisionModel",
)
LATER = replace(
    DENSE,
    model_type="glm46v",
    served="",
    summary="GLM-4.6V: the vision tower of GLM-4.1V, and another choice of frames",
    frames="up to 640 frames by the length of the video, sized by the pixels of all of them",
    video_processors=("transformers.models.glm46v.video_processing_glm46v:Glm46VVideoProcessor",),
    prompt="evscli.models.glm4v.prompt:TENTHS",
)
FAMILIES = (DENSE, MIXTURE, LATER)
