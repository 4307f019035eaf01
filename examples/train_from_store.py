"""Videos go into a store once, and a language model learns from their tokens for a few steps.

    python examples/train_from_store.py [STORE] [SAMPLE_VIDEOS]

While the model learns, no video is decoded and no vision tower runs. STORE is made where it is not
there yet, by default in evs-out/. Printed is how the loss falls:

    4 videos, 921 tokens
    loss 14.7 -> 2.8 in 12 steps
"""

import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader
from transformers import AutoModelForImageTextToText, AutoTokenizer

from evscli import prune_videos
from evscli.bundled import MINI_FOLDER
from evscli.datasets import VideoDataset
from evscli.job import Job, Selection, Storage
from evscli.language import ConversationCollator

VIDEOS = Path(__file__).parents[1] / "sample_videos"
QUESTION = [{"type": "video"}, {"type": "text", "text": "what color is the ball?"}]
ANSWERS = {
    "fixed-camera": "the red ball moves to the right",
    "hard-cuts": "the ball is brown",
    "phone-rotated": "the light flashes one time",
    "variable-rate": "a circle appears briefly",
}


def main(store: str = "evs-out/to-train-on", samples: str | Path = VIDEOS) -> None:
    """Write `store` unless it is complete, and train the bundled language model on it."""
    selection = Selection(methods=("vcast",), budgets=(0.1,))
    job = Job(selection=selection, storage=Storage(output=store))
    prune_videos([f"{samples}/{name}.*" for name in ANSWERS], job)
    videos = VideoDataset(store)
    print(f"{len(videos)} videos, {videos.kept.sum():,} tokens")

    model = AutoModelForImageTextToText.from_pretrained(MINI_FOLDER, dtype=torch.float32)
    collate = ConversationCollator(AutoTokenizer.from_pretrained(MINI_FOLDER), model=model)
    asked = {"role": "user", "content": QUESTION}
    said = {name: {"role": "assistant", "content": answer} for name, answer in ANSWERS.items()}
    examples = [(videos[name], [asked, said[name]]) for name in ANSWERS]

    optimizer = torch.optim.AdamW(model.model.language_model.parameters(), lr=1e-3)
    losses = []
    for batch in 12 * list(DataLoader(examples, batch_size=4, collate_fn=collate)):
        optimizer.zero_grad()
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"loss {losses[0]:.1f} -> {losses[-1]:.1f} in {len(losses)} steps")


if __name__ == "__main__":
    main(*sys.argv[1:])
