"""Finds where to go on reading after a statement that cannot be read."""

from collections.abc import Sequence

from attractor.language.tokens import END, Token

_BEGINS = frozenset({"ID", "SUBGRAPH", "GRAPH", "NODE", "EDGE", "ATTRIBUTE", "NUMBER", "_OPEN"})
_FOLLOWS_AN_ID = frozenset({"ATTRIBUTES", "UNCLOSED_LIST", "_ARROW", "_OPEN"})
# What belongs to the statement still, behind braces.
_GOES_ON = frozenset(
    {"_ARROW", "DASHES", "OTHER_ARROW", "ATTRIBUTES", "UNCLOSED_LIST", "_SEMICOLON"}
)
# How many tokens further on the next statement begins.
_ENDS = {"_SEMICOLON": 1, "_CLOSE": 0}
_DEEPER = {"_OPEN": 1, "_CLOSE": -1}


def next_statement(tokens: Sequence[Token], first: int, mistake: int, text: str) -> int:
    """Return the next place where a statement ends or begins.

    It is behind a `;`, at the first word of a line, or at the brace that closes what is around;
    braces that open in between are passed over with all they hold.
    """
    depth = 0
    for at in range(mistake, len(tokens)):
        kind = tokens[at].type
        if kind == END or (not depth and at >= first and _begins(tokens, at, mistake, text)):
            return at
        if not depth and kind in _ENDS:
            return at + _ENDS[kind]
        depth += _DEEPER.get(kind, 0)
        if not depth and kind == "_CLOSE" and tokens[at + 1].type not in _GOES_ON:
            return at + 1
    return len(tokens) - 1


def _begins(tokens: Sequence[Token], at: int, mistake: int, text: str) -> bool:
    """Tell whether a token is the first of a line and may begin a statement."""
    if tokens[at].type not in _BEGINS:
        return False
    if "\n" not in text[tokens[at - 1].end : tokens[at].start]:
        return False
    # What follows a bracket that is never closed looks like statements: `label = "x"`.
    return tokens[mistake].type != "UNCLOSED_LIST" or tokens[at + 1].type in _FOLLOWS_AN_ID
