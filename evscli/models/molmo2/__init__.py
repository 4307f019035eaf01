"""Molmo2."""

from evscli.models.spec import FamilySpec

FAMILIES = (
    FamilySpec(
        model_type="molmo2",
        summary="Molmo2: SigLIP2 at 378 pixels, windows of 3x3 patches, frames one by one "
        "(transformers 5.20 or newer)",
        frames="as many as the checkpoint says, at most at its rate, 378 x 378 pixels",
        positions="plain; a run for every frame behind its time",
        tested="golden files, a tiny checkpoint against its own forward",
        vision="evscli.models.molmo2.tower:Molmo2Vision",
        video_processors=(
            "transformers.models.molmo2.video_processing_molmo2:Molmo2VideoProcessor",
        ),
        tower="evscli.models.molmo2.tower:Molmo2Tower",
        shape="evscli.models.molmo2.shape:molmo2_shape",
        rules="evscli.models.molmo2.sampling:Molmo2Rules",
        pixels="evscli.models.molmo2.pixels:molmo2_pixels",
        prompt="evscli.models.molmo2.prompt:PROMPT",
        since="5.20",
        whole_config=True,
        vision_modules=("vision_tower", "multi_modal_projector"),
        older_weights="vision_backbone.",
        input_embeddings=(
            "model.language_model.embed_tokens.weight",
            "model.transformer.wte.embedding",
        ),
    ),
)
