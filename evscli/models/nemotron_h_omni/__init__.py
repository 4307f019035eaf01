"""Nemotron-Omni, the vision side of it."""

from evscli.models.spec import FamilySpec

FAMILIES = (
    FamilySpec(
        model_type="nemotron_h_omni",
        summary="Nemotron-Omni, without sound: RADIO on pairs of frames, a Mamba language model",
        frames="2 frames per second and up to 256, each of about 1024 patches in its own shape",
        positions="plain; a run for every pair of frames behind their times",
        tested="a tiny checkpoint against its own processor and forward",
        vision="evscli.models.nemotron_h_omni.tower:NemotronVision",
        video_processors=(
            "transformers.models.nemotron_h_omni.video_processing_nemotron_h_omni:"
            "NemotronH_Omni_Reasoning_V3VideoProcessor",
        ),
        tower="evscli.models.nemotron_h_omni.tower:NemotronTower",
        shape="evscli.models.nemotron_h_omni.shape:nemotron_shape",
        rules="evscli.models.nemotron_h_omni.rules:NemotronRules",
        pixels="evscli.models.nemotron_h_omni.pixels:nemotron_pixels",
        prompt="evscli.models.nemotron_h_omni.prompt:PROMPT",
        own_fps=2.0,
        whole_config=True,
        left_out_of_config=("audio_config", "sound_config"),
        vision_modules=("vision_model", "multi_modal_projector"),
        older_modules=("mlp1", "vision_final_layernorm"),
        weights="evscli.models.nemotron_h_omni.weights:tower_weights",
        input_embeddings=(
            "language_model.model.embeddings.weight",
            "language_model.backbone.embeddings.weight",
        ),
    ),
)
