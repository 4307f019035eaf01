"""The words `mini` understands, and the tokenizer made of them.

A word-piece tokenizer over a few hundred plain English words: small enough for a 2.5 M parameter
model, and every piece is a whole word or a digit, so that an unknown word is visible as `<unk>`.
"""

from __future__ import annotations

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

SPECIAL = (
    "<unk>",
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)

WORDS = """
a about above across after again all along also am an and another any anything appear appeared
appears are around as assistant at away back background ball balls be been before beginning behind
below bird black blink blinks blue both bottom box boxes brief briefly bright brightly brown but by
camera can car cat change changed changes circle circles clip clockwise color colors colour colours
come comes contain contains corner count cross crosses cup cut cuts dark describe did different
direction disappear disappeared disappears do does dog done down during each early edge eight
eighteen eleven empty end event events every fast faster fifteen fill find first five flash flashed
flashes flashing flower for four fourteen frame frames from front go goes going gone gray green grey
half happen happened happens has have he heading hidden hide his hold how i if image in inside into
is it its just large larger last late later leave leaves left less light line lines long look looks
lower made many me middle moment more most move moved movement moves moving much my name near never
next night nine nineteen no none not nothing now number object objects of off on once one only or
orange order other out outside over page pan pans part pass passes pattern pause picture piece pink
place plain point purple question quickly rectangle red remain remains right ring rings roll rolls
rotate rotates round same say scene scenes second seconds see seen seven seventeen several shake
shakes shape shapes show shown shows side sides sit six sixteen size sky slow slower slowly small
smaller some something spin spins square squares star stars start started starts static stationary
stay stays still stop stops straight striped system tell ten text texture than that the their them
then there these they thing things thirteen this those three through time times to together top
toward towards travel travels triangle triangles turn turns twelve twenty twice two under unknown
until up upper user very video videos view visible wall was watch water way we were what when where
whether which while white who whole why wide will with word world yellow yes you your zero zoom
zooms
""".split()

PUNCTUATION = tuple(".,?!:;<>-'\"()/%&+=*")


def build_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer of `mini`, without a chat template."""
    digits = [str(digit) for digit in range(10)]
    pieces = [*SPECIAL, *PUNCTUATION, *digits, *(f"##{digit}" for digit in digits), *WORDS]
    core = Tokenizer(
        models.WordPiece(
            vocab={piece: index for index, piece in enumerate(pieces)},
            unk_token=SPECIAL[0],
            max_input_chars_per_word=64,
        )
    )
    core.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        unk_token="<unk>",
        pad_token="<|endoftext|>",
        eos_token="<|im_end|>",
        additional_special_tokens=list(SPECIAL[2:]),
        padding_side="left",
        model_max_length=32768,
        clean_up_tokenization_spaces=False,
    )
