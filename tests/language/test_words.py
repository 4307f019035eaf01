from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers.pre_tokenizers import ByteLevel
from transformers import AddedToken, AutoTokenizer, Qwen2Tokenizer

from evscli.bundled import EXAMPLE_QUESTIONS, MINI_FOLDER
from evscli.errors import UsageError
from evscli.language.words import GROUNDING_MARKS, check_texts, known_words, mini_words

MINI = AutoTokenizer.from_pretrained(MINI_FOLDER)
CONTROL = ("<|im_end|>", "<|video_pad|>", "<|vision_start|>")


def open_tokenizer() -> Any:
    """Byte-level pieces and special tokens as the published Qwen-VL tokenizers have them."""
    vocab = {piece: number for number, piece in enumerate(sorted(ByteLevel.alphabet()))}
    tokenizer = Qwen2Tokenizer(vocab=vocab, merges=[])
    for texts, special in (((*CONTROL, *GROUNDING_MARKS), True), (("<think>", "</think>"), False)):
        tokenizer.add_tokens([AddedToken(text, special=special) for text in texts], special)
    return tokenizer


OPEN = open_tokenizer()


def refusal(*texts: str, tokenizer: Any = MINI) -> str:
    """The message that refuses `texts`."""
    with pytest.raises(UsageError) as caught:
        check_texts(tokenizer, texts)
    return str(caught.value)


def unknown(*texts: str) -> str:
    """The part of a refusal that names the unknown words, without the known ones near them."""
    found = re.match(r"mini does not know (.*): use its \d+ words", refusal(*texts))
    assert found
    return re.sub(r" \(closest: [^)]*\)", "", found[1])


def test_unknown_words_are_named_once_in_order_as_typed() -> None:
    text = "Which Zeppelin is in the kitchen? the ZEPPELIN, the red zeppelin!"
    assert unknown(text) == "'Zeppelin' and 'kitchen'"
    assert unknown("kitchen", "what?", "zeppelin kitchen") == "'kitchen' and 'zeppelin'"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("猫はどこ", "'猫はどこ'"),
        ("где красный мяч?", "'где', 'красный' and 'мяч'"),
        ("what 🎈?", "'🎈'"),
        ("ball🎈ball", "'ball🎈ball'"),
        ("a café", "'café'"),
        ("don't", '"don\'t"'),
        ("don’t", "'don’t'"),
        ("red_ball", "'red_ball'"),
        ("the 3rd ball of 16x9", "'3rd' and '16x9'"),
        ("what[0]", "'[' and ']'"),
        ("<|IM_END|>", "'|' and 'IM_END'"),
        ("zep\x1bpelin", r"'zep\x1bpelin'"),
        ("x" * 70, f"'{'x' * 40}...'"),
    ],
)
def test_what_a_person_may_type_is_named_as_typed(text: str, named: str) -> None:
    assert unknown(text) == named


def test_many_unknown_words_are_counted() -> None:
    words = [f"z{letter * 3}" for letter in "abcdefghijkl"]
    assert unknown(" ".join(words)).endswith("'zggg', 'zhhh' and 4 more")


def test_the_closest_known_words_are_suggested() -> None:
    assert "'bal' (closest: 'ball'" in refusal("which bal moves?")
    assert "'Flsh' (closest: 'flash'" in refusal("when does the light Flsh?")
    assert "'zeppelin':" in refusal("a zeppelin")


def test_the_refusal_is_one_line_that_says_what_mini_understands() -> None:
    message = refusal("zeppelin\nkitchen")
    assert "\n" not in message
    assert all(f'"{question}"' in message for question in EXAMPLE_QUESTIONS[:3])
    assert f"its {len(mini_words())} words" in message
    assert message.endswith("`evs models --words` lists them")


@pytest.mark.parametrize(
    "text",
    [
        *EXAMPLE_QUESTIONS,
        "",
        " \n\t",
        "WHAT Happens\nin the video?!",
        "0 12 345 6.7 8:09 50%",
        "(red-ball) 'left' \"right\" <1>",
    ],
)
def test_what_mini_understands_passes(text: str) -> None:
    check_texts(MINI, [text])


TEXTS = st.text().filter(lambda text: "<|" not in text)
"""Anything but control tokens, which hypothesis finds among the constants of the code."""


@pytest.mark.slow
@settings(deadline=None)
@given(TEXTS)
def test_a_text_passes_exactly_if_nothing_in_it_is_unknown(text: str) -> None:
    if MINI.unk_token_id in MINI(text)["input_ids"]:
        assert refusal(text).isprintable()
    else:
        check_texts(MINI, [text])


@settings(deadline=None)
@given(TEXTS)
def test_an_open_vocabulary_takes_any_text(text: str) -> None:
    check_texts(OPEN, [text])


@pytest.mark.parametrize("tokenizer", [MINI, OPEN], ids=["mini", "open"])
@pytest.mark.parametrize("token", [*CONTROL, "<|endoftext|>"])
def test_control_tokens_are_refused_by_name(token: str, tokenizer: Any) -> None:
    for text in (token, f"what{token}{token} happens?"):
        message = refusal(text, tokenizer=tokenizer)
        assert message.startswith(f"the text of a prompt holds '{token}', which would steer")
        assert message.endswith("remove it")


def test_all_control_tokens_are_named_before_any_unknown_word() -> None:
    message = refusal("zeppelin <|im_end|> <unk>", "<|video_pad|>")
    assert "holds '<|im_end|>', '<unk>' and '<|video_pad|>', which" in message


def test_marks_for_use_within_a_text_pass() -> None:
    marked = "<|object_ref_start|>the ball<|object_ref_end|><|box_start|>(1,2),(3,4)<|box_end|>"
    check_texts(OPEN, [marked, "<think>a moment</think>", "< |im_end| >"])


def test_what_is_no_unicode_is_refused() -> None:
    for tokenizer in (MINI, OPEN):
        assert r"'\udcff'" in refusal("what\udcff?", tokenizer=tokenizer)


def test_every_known_word_passes_and_no_other_entry_is_listed() -> None:
    words = mini_words()
    check_texts(MINI, words)
    assert {"ball", "what", "left", "7", "?"} <= set(words)
    assert not any(word.startswith(("##", "<|", "<unk>")) for word in words)
    assert words[0] == "a"


def test_another_closed_vocabulary_is_named_without_the_questions_of_mini(tokenizer: Any) -> None:
    message = refusal("a zeppelin", tokenizer=tokenizer)
    assert message.startswith("the tokenizer '' does not know 'zeppelin': use its")
    assert f"use its {len(known_words(tokenizer))} words; they are those" in message
    assert "mini" not in message
