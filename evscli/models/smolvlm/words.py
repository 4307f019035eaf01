"""Numbers in English words, as the package num2words writes them for SmolVLM2's processor."""

from __future__ import annotations

SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()
GROUPS = ((1_000_000, "million"), (1000, "thousand"))


def in_words(number: int) -> str:
    """Return a number of 0 to 999 999 999 in words."""
    for size, name in GROUPS:
        if number >= size:
            before, rest = divmod(number, size)
            joint = " and " if rest < 100 else ", "
            return f"{in_words(before)} {name}" + (joint + in_words(rest) if rest else "")
    return below_thousand(number)


def below_thousand(number: int) -> str:
    """Return a number of 0 to 999 in words."""
    if number < 20:
        return SMALL[number]
    if number < 100:
        tens, rest = divmod(number, 10)
        return TENS[tens] + (f"-{SMALL[rest]}" if rest else "")
    hundreds, rest = divmod(number, 100)
    return f"{SMALL[hundreds]} hundred" + (f" and {below_thousand(rest)}" if rest else "")
