"""VideoLLaMA3, in the layout of transformers."""

from evscli.models.spec import FamilySpec

FAMILIES = (
    FamilySpec(
        model_type="video_llama_3",
        summary="VideoLLaMA3: frames one by one, windows of 2x2 patches made smaller, times before "
        "frames",
        frames="1 frame per second and up to 180, sized by the pixels of a frame and of the whole "
        "video",
        positions="plain, counted over what was kept; a run for every frame behind its time",
        tested="a tiny checkpoint against its own processor and forward",
        vision="evscli.models.videollama3.tower:VideoLlamaVision",
        video_processors=(
            "transformers.models.video_llama_3.video_processing_video_llama_3:"
            "VideoLlama3VideoProcessor",
        ),
        tower="evscli.models.videollama3.tower:VideoLlamaTower",
        shape="evscli.models.videollama3.shape:video_llama_shape",
        rules="evscli.models.parts.rules:ProcessorRules",
        pixels="evscli.models.parts.pixels:pixel_format",
        prompt="evscli.models.videollama3.prompt:PROMPT",
        own_fps=1.0,
        whole_config=True,
        vision_modules=("vision_model", "projector"),
    ),
)
