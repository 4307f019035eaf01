"""SmolVLM2."""

from evscli.models.spec import FamilySpec

FAMILIES = (
    FamilySpec(
        model_type="smolvlm",
        summary="SmolVLM2: SigLIP at one size, windows of patches side by side, frames one by one "
        "(transformers 5.21 or newer)",
        frames="1 frame per second and up to 64, 384 x 384 or 512 x 512 pixels",
        positions="plain; a run for every frame behind its time",
        tested="a tiny checkpoint against its own processor and forward",
        vision="evscli.models.smolvlm.tower:SmolVision",
        video_processors=(
            "transformers.models.smolvlm.video_processing_smolvlm:SmolVLMVideoProcessor",
        ),
        tower="evscli.models.smolvlm.tower:SmolTower",
        shape="evscli.models.smolvlm.shape:smol_shape",
        rules="evscli.models.smolvlm.rules:SmolRules",
        pixels="evscli.models.smolvlm.pixels:smol_pixels",
        prompt="evscli.models.smolvlm.prompt:PROMPT",
        since="5.21",
        whole_config=True,
        vision_modules=("vision_model", "connector"),
        input_embeddings=("model.text_model.embed_tokens.weight",),
    ),
)
