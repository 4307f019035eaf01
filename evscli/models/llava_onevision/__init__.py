"""LLaVA-OneVision."""

from evscli.models.spec import FamilySpec

FAMILIES = (
    FamilySpec(
        model_type="llava_onevision",
        summary="LLaVA-OneVision: SigLIP at one size, tokens pooled to half, a newline behind all",
        frames="32 frames, evenly spread, 384 x 384 pixels",
        positions="plain; one run for a video, and a token behind it that is never pruned",
        served="vLLM 0.32",
        tested="a tiny checkpoint against its own processor and forward",
        vision="evscli.models.llava_onevision.tower:LlavaVision",
        video_processors=(
            "transformers.models.llava_onevision.video_processing_llava_onevision:"
            "LlavaOnevisionVideoProcessor",
        ),
        tower="evscli.models.llava_onevision.tower:LlavaTower",
        shape="evscli.models.llava_onevision.shape:llava_shape",
        rules="evscli.models.llava_onevision.rules:LlavaRules",
        pixels="evscli.models.parts.images:image_pixels",
        prompt="evscli.models.llava_onevision.prompt:PROMPT",
        suffix="evscli.models.llava_onevision.tower:newline",
        whole_config=True,
        vision_modules=("vision_tower", "multi_modal_projector", "image_newline"),
        left_out_of_names="vision_model.",
        input_embeddings=(
            "model.language_model.embed_tokens.weight",
            "language_model.model.embed_tokens.weight",
        ),
    ),
)
