"""Puts what stands in a file into a sentence: short, in quotes, and harmless to a terminal."""

import re

_LONGEST = 40
# What would move the cursor, change the colour or turn the direction of a terminal.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def quote(text: str) -> str:
    """Return the beginning of a text in quotes."""
    return f"'{text}'" if len(text) <= _LONGEST else f"'{text[:_LONGEST]}…'"


def visible(text: str) -> str:
    """Return one line in which nothing is left that a terminal would obey instead of show."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\n", "\\n"))
