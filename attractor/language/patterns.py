"""The patterns that a pipeline's text is cut with (the terminals of attractor-spec 2.2).

None of them can match one text in two ways: what does not match fails in linear time.
"""

import re

_NAME = r"[^\W\d]\w*"
_TEXT = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_PREPROCESSOR = r"(?<![^\n])\#[^\n]*"
_COMMENT = rf"(?://[^\n]*(?:\n|\Z)|/\*[^*]*\*+(?:[^/*][^*]*\*+)*/|{_PREPROCESSOR})"
_BLANK = rf"\s*(?:{_COMMENT}\s*)*"
_TEXTS = rf"{_TEXT}(?:{_BLANK}\+{_BLANK}{_TEXT})*"
_QUOTES = "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb"
_WORD = rf"[^\s,;\[\]{{}}\"=<>/+{_QUOTES}]+"
_KEY = rf"(?:{_NAME}(?:\.{_NAME})*|{_TEXT})"
_INSIDE = rf'[^\[\]"/\#{{}}]*(?:(?:{_TEXT}|{_COMMENT}|/(?![/*])|(?<=[^\n])\#)[^\[\]"/\#{{}}]*)*'
_HTML = r"<[^<>\n]*(?:<[^<>\n]*>[^<>\n]*)*>"

_TERMINALS = {
    "ATTRIBUTE": rf"{_KEY}{_BLANK}={_BLANK}(?:{_TEXTS}|{_WORD})",
    "NAME": _NAME,
    "TEXT": _TEXT,
    "ATTRIBUTES": rf"\[{_INSIDE}\]",
    "_ARROW": r"->(?!>)",
    "_SEMICOLON": ";",
    "_OPEN": r"\{",
    "_CLOSE": r"\}",
    "_COLON": ":",
    # What follows is in no rule of the grammar: each is a mistake with a sentence of its own.
    "DASHES": r"--+>?",
    "OTHER_ARROW": (r"->>|=+>|<-+>?|>{1,2}|-[ \t]+>|[~\u2013\u2014\u2212]+>?|\u2192|\u27f6|\u21d2"),
    "HTML": _HTML,
    "NUMBER": r"-?\.?\d[\w.]*",
    "UNCLOSED_TEXT": r'"',
    "UNCLOSED_LIST": r"\[",
    "UNCLOSED_COMMENT": r"/\*",
    "SMART_QUOTE": f"[{_QUOTES}]",
    "OTHER": ".",
}

TOKEN = re.compile(
    _BLANK + "(?:" + "|".join(f"(?P<{name}>{one})" for name, one in _TERMINALS.items()) + r")?",
    re.DOTALL,
)
"""Blanks and comments, then one token, whose group has its name; none at the end of the text."""

ATTRIBUTE = re.compile(
    rf"""(?:(?P<key>{_NAME}(?:\.{_NAME})*)|(?P<quoted_key>{_TEXT}))
    {_BLANK}={_BLANK}
    (?:(?P<text>{_TEXT})(?P<more>(?:{_BLANK}\+{_BLANK}{_TEXT})+)?|(?P<word>{_WORD}))
    {_BLANK}(?P<separator>[,;]?){_BLANK}""",
    re.DOTALL | re.VERBOSE,
)
"""One attribute with the separator and the blanks behind it."""

BLANK = re.compile(_BLANK)
"""Blanks and comments."""

TEXT = re.compile(_TEXT, re.DOTALL)
"""A text in quotes."""

COMMENT = re.compile(_COMMENT, re.DOTALL)
"""A comment."""

TEXT_OR_COMMENT = re.compile(f"{_TEXT}|{_COMMENT}", re.DOTALL)
"""What may hold anything."""

INSIDE_LIST = re.compile(_INSIDE, re.DOTALL)
"""What may stand between the brackets of an attribute list."""

SMART_QUOTES = frozenset(_QUOTES)
"""Quotes that word processors make."""

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""An id as the specification has it."""

QUALIFIED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
"""A key as the specification has it."""

WORD = re.compile(_WORD)
"""What is read as one value without quotes, whether it is right or not."""

BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]*")
"""A value without quotes."""

NUMBER = re.compile(r"(?P<integer>-?[0-9]+)|(?P<float>-?[0-9]*\.[0-9]+)")
"""A whole number or a decimal one."""

DURATION = re.compile(r"-?[0-9]+(?:ms|s|m|h|d)")
"""A whole number with a unit."""
