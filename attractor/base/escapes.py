"""Escape sequences in the output of programs for a terminal."""

import re

from attractor.base.patterns import late_pattern

# The body of a string ends at the next escape, so that matching takes linear time.
ESCAPE = late_pattern(
    r"""\x1b(?:
    \[(?P<rendition>[0-9;:]{0,100})m
    | \[[0-?]*[ -/]*[@-~]
    | [\]PX^_][^\n\x07\x1b]*(?:\x07|\x1b\\)
    | [ -/]*[0-~]
    )""",
    re.VERBOSE,
)


def without_escapes(text: str) -> str:
    """Return a text without escape sequences. It has the same lines."""
    return ESCAPE.sub("", text) if "\x1b" in text else text
