"""Notes what of a text only some programs accept, where single tokens do not show it (L1)."""

from collections.abc import Sequence
from itertools import pairwise

from attractor.language.findings import Findings
from attractor.language.tokens import Token


def note_portability(tokens: Sequence[Token], findings: Findings) -> None:
    """Note an anonymous graph, dropped ports and several attribute lists in a row."""
    for token, following in pairwise(tokens):
        match token.type, following.type:
            case "DIGRAPH", "_OPEN":
                fix = "name it: digraph Name {"
                findings.not_portable("a graph without a name", token.start, token.end, fix=fix)
            case "_COLON", "ID":
                message = "a port, which means nothing to a pipeline and is dropped"
                start, end = token.start, following.end
                findings.not_portable(message, start, end, fix="take it away")
            case "ATTRIBUTES", "ATTRIBUTES":
                start, end = following.start, following.end
                message = "a second attribute list"
                findings.not_portable(message, start, end, fix="write one list with commas")
            case _:
                pass
