"""Labels are what the assistant says and nothing else, whatever the chat template."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from evscli.errors import UsageError
from evscli.language.prefill import prefill
from evscli.language.prompt import IGNORED
from evscli.records import PrunedVideo
from tests.checkpoints import CHAT_TEMPLATE
from tests.language import conversations
from tests.language.conversations import byte_tokenizer
from tests.language.reference import half, make_blank, make_clip

pytestmark = pytest.mark.filterwarnings("ignore:.*vision weights.*not checked")

TEMPLATES = {
    "plain": CHAT_TEMPLATE,
    "introduced": conversations.INTRODUCED,
    "calling": conversations.CALLING,
    "reasoning": conversations.REASONING,
    "gathered": conversations.GATHERED,
}
END = "<|im_end|>"


@pytest.fixture(scope="module")
def tokenizers() -> dict[str, Any]:
    return {name: byte_tokenizer(template) for name, template in TEMPLATES.items()}


@pytest.fixture(
    params=[
        ("molmo2", "gathered"),
        *((family, name) for family in ("qwen2_5_vl", "qwen3_vl") for name in [*TEMPLATES][:-1]),
    ],
    ids="-".join,
)
def case(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A family and one of its templates."""
    return request.param


@pytest.fixture
def video(case: tuple[str, str], models: dict[str, PreTrainedModel]) -> PrunedVideo:
    return half_clip(models, case[0])


@pytest.fixture
def tokenizer(case: tuple[str, str], tokenizers: dict[str, Any]) -> Any:
    return tokenizers[case[1]]


def half_clip(models: dict[str, PreTrainedModel], family: str) -> PrunedVideo:
    """Half of a clip with an emptied frame; of Molmo2 only the prompt is like that of its model."""
    known = models.get(family, models["qwen2_5_vl"])
    made = make_blank(known, make_clip(known))
    planes = torch.zeros(made.info.model.deepstack_planes, *made.embeds.shape)
    model = replace(made.info.model, model_type=family)
    info = replace(made.info, model=model)
    return half(replace(made, info=info, deepstack=planes if len(planes) else None), emptied=1)


def user(*content: str, videos: int = 0) -> dict[str, Any]:
    items = [{"type": "text", "text": text} for text in content]
    return {"role": "user", "content": [*[{"type": "video"}] * videos, *items]}


def assistant(content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **more}


def learned(inputs: Any, tokenizer: Any, row: int = 0) -> str:
    labels = inputs["labels"][row]
    assert torch.equal(labels[labels != IGNORED], inputs["input_ids"][row][labels != IGNORED])
    return str(tokenizer.decode(labels[labels != IGNORED]))


def test_every_turn_of_the_assistant_is_learned_with_its_end(
    video: PrunedVideo, tokenizer: Any
) -> None:
    messages = [
        user("what happens first?", videos=1),
        assistant("a small bird sits on a fence,\n\nthen"),
        user("How many birds are there?"),
        assistant([{"type": "text", "text": "Two birds: Ünïcode 猫 🎈 "}]),
    ]
    thoughts = "\n</think>\n\n" if "<think>" in tokenizer.chat_template else ""
    inputs = prefill(video, tokenizer, messages, add_generation_prompt=False)
    said = f"a small bird sits on a fence,\n\nthen{END}{thoughts}Two birds: Ünïcode 猫 🎈 {END}"
    assert learned(inputs, tokenizer) == said


def test_the_prompt_of_an_answer_and_its_labels_are_the_whole_conversation(
    video: PrunedVideo, tokenizer: Any
) -> None:
    """What is learned is what the model must say after the prompt it is given to answer."""
    question = [user("what happens first?", videos=1)]
    prompt = prefill(video, tokenizer, question)["input_ids"][0]
    whole = prefill(
        video, tokenizer, [*question, assistant("it flies")], add_generation_prompt=False
    )
    ids, labels = whole["input_ids"][0], whole["labels"][0]
    assert torch.equal(ids[: len(prompt)], prompt)
    assert (labels[: len(prompt)] == IGNORED).all()
    said = labels[len(prompt) :]
    last = int((said == tokenizer.eos_token_id).nonzero()[0])
    assert torch.equal(said[: last + 1], ids[len(prompt) :][: last + 1])
    assert (said[last + 1 :] == IGNORED).all()


def test_ids_are_those_of_the_template_s_text(tokenizer: Any, video: PrunedVideo) -> None:
    messages = [user("what happens first?", videos=1), assistant("Two birds: it flies, 猫 ")]
    inputs = prefill(video, tokenizer, messages, add_generation_prompt=False)
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    written = tokenizer.decode(inputs["input_ids"][0])
    assert text[text.index("what") :] in written
    assert torch.equal(
        tokenizer(written, return_tensors="pt")["input_ids"][0], inputs["input_ids"][0]
    )


@pytest.mark.parametrize("said", ["\n\n a bird \n", " a bird", "", "\n"])
def test_what_begins_or_ends_with_space_is_learned_as_it_is(
    said: str, tokenizer: Any, video: PrunedVideo
) -> None:
    messages = [user("what?", videos=1), assistant("one"), user("and?"), assistant(said)]
    inputs = prefill(video, tokenizer, messages, add_generation_prompt=False)
    thoughts = "\n</think>\n\n" if "<think>" in tokenizer.chat_template else ""
    # The template with thoughts leaves out line breaks that an answer begins with.
    kept = said.lstrip("\n") if thoughts else said
    assert learned(inputs, tokenizer) == f"one{END}{thoughts}{kept}{END}"


def test_a_turn_that_begins_unlike_its_prompt_is_learned_from_what_it_says(
    models: dict[str, PreTrainedModel],
) -> None:
    """Molmo2's template writes a space before such a turn."""
    header = "{{- '<|im_start|>' + message.role"
    spaced = "{{- ' ' if message.role == 'assistant' -}}" + header
    tokenizer = byte_tokenizer(conversations.GATHERED.replace(header, spaced))
    messages = [user("what?", videos=1), assistant("one"), user("and?"), assistant("two")]
    inputs = prefill(half_clip(models, "molmo2"), tokenizer, messages, add_generation_prompt=False)
    assert learned(inputs, tokenizer) == f"one{END}two{END}"
    assert " <|im_start|>assistant" in tokenizer.decode(inputs["input_ids"][0])


def test_a_later_video_moves_no_label(video: PrunedVideo, tokenizer: Any) -> None:
    messages = [
        user("what happens first?", videos=1),
        assistant("it flies"),
        user("and here? the same", videos=2),
        assistant("a fence"),
    ]
    inputs = prefill([video] * 3, tokenizer, messages, add_generation_prompt=False)
    assert learned(inputs, tokenizer).replace("\n</think>\n\n", "") == f"it flies{END}a fence{END}"


def test_a_batch_is_filled_on_the_right(video: PrunedVideo, tokenizer: Any) -> None:
    texts = ["a small bird sits on a fence, then it flies away", "it"]
    conversation = [[user("what?", videos=1), assistant(text)] for text in texts]
    batch = prefill([video] * 2, tokenizer, conversation, add_generation_prompt=False)
    mask = batch["attention_mask"]
    assert mask[:, 0].tolist() == [1, 1]
    assert mask[:, -1].tolist() == [1, 0]
    assert (batch["labels"][mask == 0] == IGNORED).all()
    for row, (messages, text) in enumerate(zip(conversation, texts, strict=True)):
        alone = prefill(video, tokenizer, messages, add_generation_prompt=False)
        size = alone["input_ids"].shape[1]
        for name in ("input_ids", "labels", "position_ids"):
            assert torch.equal(batch[name][..., row, :size], alone[name][..., 0, :])
        assert learned(batch, tokenizer, row).endswith(f"{text}{END}")


def test_prompts_to_answer_are_filled_on_the_left_and_have_no_labels(
    video: PrunedVideo, tokenizer: Any
) -> None:
    batch = prefill([video] * 2, tokenizer, ["a small bird sits on a fence", "what?"])
    assert batch["attention_mask"][:, -1].tolist() == [1, 1]
    assert batch["attention_mask"][:, 0].tolist() == [1, 0]
    assert "labels" not in batch


def test_thoughts_and_tool_calls_are_said_too(
    models: dict[str, PreTrainedModel], tokenizers: dict[str, Any]
) -> None:
    video = half_clip(models, "qwen3_vl")
    thinking = [user("what?", videos=1), assistant("<think>\nbirds\n</think>\n\nTwo")]
    inputs = prefill(video, tokenizers["reasoning"], thinking, add_generation_prompt=False)
    assert learned(inputs, tokenizers["reasoning"]) == f"birds\n</think>\n\nTwo{END}"
    calling = [
        user("what?", videos=1),
        assistant(None, tool_calls=[{"name": "zoom"}]),
        {"role": "tool", "content": "a bird"},
        assistant("see:", tool_calls=[{"name": "count"}, {"name": "zoom"}]),
        {"role": "tool", "content": "2"},
        assistant("Two"),
    ]
    inputs = prefill(video, tokenizers["calling"], calling, add_generation_prompt=False)
    calls = "<tool_call>\ncount\n</tool_call>\n<tool_call>\nzoom\n</tool_call>"
    first = f"<tool_call>\nzoom\n</tool_call>{END}"
    assert learned(inputs, tokenizers["calling"]) == f"{first}see:\n{calls}{END}Two{END}"


def test_an_end_that_the_template_leaves_out_is_added_behind_the_last_turn_only(
    models: dict[str, PreTrainedModel], tokenizers: dict[str, Any]
) -> None:
    video = half_clip(models, "molmo2")
    messages = [user("what?", videos=1), assistant("one"), user("and?"), assistant("two")]
    inputs = prefill(video, tokenizers["gathered"], messages, add_generation_prompt=False)
    text = tokenizers["gathered"].decode(inputs["input_ids"][0])
    assert text.endswith(f"one{END}\n<|im_start|>user\nand?{END}\n<|im_start|>assistant\ntwo{END}")


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ("what happens first?", "no assistant turn to learn from"),
        ([user("what?", videos=1)], "no assistant turn to learn from"),
        ([assistant("hello"), user("what?", videos=1)], "begins with the assistant"),
    ],
)
def test_a_conversation_without_anything_to_learn_is_refused(
    messages: Any, said: str, models: dict[str, PreTrainedModel], tokenizers: dict[str, Any]
) -> None:
    video = half_clip(models, "qwen3_vl")
    with pytest.raises(UsageError, match=said):
        prefill(video, tokenizers["plain"], messages, add_generation_prompt=False)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("{{ message.content }}", "{{ message.content * 2 }}"), "rewrites what message 1"),
        (("{{ message.content }}", "{{ message.content | length }}"), "rewrites what message 1"),
        (("{%- for message", "{{- raise_exception('no') -}}{%- for message"), r"refuses .*\(no\)"),
    ],
)
def test_a_template_that_hides_the_turns_or_refuses_them_is_one_line(
    change: tuple[str, str], said: str, models: dict[str, PreTrainedModel]
) -> None:
    tokenizer = byte_tokenizer(CHAT_TEMPLATE.replace(*change))
    video = half_clip(models, "qwen3_vl")
    messages = [user("what?", videos=1), assistant("a bird")]
    with pytest.raises(UsageError, match=said):
        prefill(video, tokenizer, messages, add_generation_prompt=False)


def test_labels_need_no_marks_in_the_template(tokenizers: dict[str, Any]) -> None:
    assert not any("generation %}" in t.chat_template for t in tokenizers.values())
