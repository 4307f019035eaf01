"""InternVL 3 and 3.5, in the layout of transformers."""

from evscli.models.spec import FamilySpec

FAMILIES = (
    FamilySpec(
        model_type="internvl",
        summary="InternVL 3 and 3.5: frames as images of one size, windows of 2x2 patches",
        frames="32 frames, evenly spread, 448 x 448 pixels",
        positions="plain; a run for every frame behind its number",
        served="vLLM 0.32",
        tested="a tiny checkpoint against its own processor and forward",
        vision="evscli.models.internvl.tower:InternVision",
        video_processors=(
            "transformers.models.internvl.video_processing_internvl:InternVLVideoProcessor",
        ),
        tower="evscli.models.internvl.tower:InternTower",
        shape="evscli.models.internvl.shape:intern_shape",
        rules="evscli.models.internvl.rules:InternRules",
        pixels="evscli.models.parts.images:image_pixels",
        prompt="evscli.models.internvl.prompt:PROMPT",
        whole_config=True,
        vision_modules=("vision_tower", "multi_modal_projector"),
        input_embeddings=(
            "model.language_model.embed_tokens.weight",
            "language_model.model.embed_tokens.weight",
        ),
    ),
)
