"""One video is pruned, and a language model answers a question from the tokens that are left.

    python examples/prune_and_ask.py [VIDEO] [QUESTION]

The bundled model does both sides, so nothing is downloaded. Printed for the sample video:

    2,880 tokens -> 864 (30%), prompt of 1,043 tokens
    which way does the red ball move, left or right? right
"""

import sys
from pathlib import Path

from transformers import AutoModelForImageTextToText, AutoTokenizer

from evscli import prefill, prune_video
from evscli.bundled import MINI_FOLDER

VIDEO = Path(__file__).parents[1] / "sample_videos" / "fixed-camera.mp4"
QUESTION = "which way does the red ball move, left or right?"


def main(video: str | Path = VIDEO, question: str = QUESTION) -> None:
    """Prune `video` to three tenths of its tokens, and print the answer to `question`."""
    record = prune_video(video, method="vcast", budget=0.3)

    # Any checkpoint works whose vision weights made the tokens: a folder, or an id of the hub.
    model = AutoModelForImageTextToText.from_pretrained(MINI_FOLDER)
    tokenizer = AutoTokenizer.from_pretrained(MINI_FOLDER)

    inputs = prefill(record, tokenizer, question, model=model)
    prompt = inputs["input_ids"].shape[1]
    info = record.info
    share = f"{info.tokens:,} tokens -> {info.kept:,} ({info.retention:.0%})"
    print(f"{share}, prompt of {prompt:,} tokens")

    output = model.generate(**inputs, max_new_tokens=8, do_sample=False)
    print(question, tokenizer.decode(output[0, prompt:], skip_special_tokens=True).strip())


if __name__ == "__main__":
    main(*sys.argv[1:])
