"""The thinkers of Qwen2.5-Omni and Qwen3-Omni, in checkpoints of their own or of whole models.

Of a whole model the talker and what makes waves are never read.
"""

from dataclasses import replace

from evscli.models.spec import FamilySpec

SECOND = FamilySpec(
    model_type="qwen2_5_omni",
    summary="Qwen2.5-Omni, its thinker: the vision tower of Qwen2.5-VL, with or without sound",
    frames="2 frames per second and up to 768, each sized by its pixels",
    positions="three axes; temporal ids grow with the seconds, one run for a video without sound",
    served="vLLM 0.32",
    tested="a tiny checkpoint against its own processor and forward",
    vision="evscli.models.qwen_omni.tower:vision_of_second",
    video_processors=(
        "transformers.models.qwen2_vl.video_processing_qwen2_vl:Qwen2VLVideoProcessor",
    ),
    tower="evscli.models.qwen2_5_vl.tower:Qwen25Tower",
    shape="evscli.models.qwen_omni.shape:shape_of_second",
    rules="evscli.models.qwen_omni.rules:rules_of_second",
    pixels="evscli.models.parts.pixels:pixel_format",
    prompt="evscli.models.qwen_omni.prompt:SECOND",
    own_fps=2.0,
    part="thinker",
    whole_config=True,
    input_embeddings=(
        "thinker.model.embed_tokens.weight",
        "model.embed_tokens.weight",
        "model.language_model.embed_tokens.weight",
    ),
)
THIRD = replace(
    SECOND,
    model_type="qwen3_omni_moe",
    summary="Qwen3-Omni, its thinker: the vision tower of Qwen3-VL, with or without sound",
    positions="three axes; temporal ids are seconds, maybe fractions, one run without sound",
    planes=3,
    vision="evscli.models.qwen_omni.tower:vision_of_third",
    tower="evscli.models.parts.frame_tower:FrameTower",
    shape="evscli.models.qwen_omni.shape:shape_of_third",
    rules="evscli.models.qwen_omni.rules:rules_of_third",
    prompt="evscli.models.qwen_omni.prompt:THIRD",
)
FAMILIES = tuple(
    spec
    for whole in (SECOND, THIRD)
    for spec in (
        whole,
        replace(
            whole,
            model_type=f"{whole.model_type}_thinker",
            served="",
            summary=f"{whole.summary}; in a checkpoint of its own",
        ),
    )
)
