"""Notes what of a text only some programs accept, where single tokens do not show it (L1)."""

from collections.abc import Sequence
from itertools import pairwise

from attractor.language.comments import comments_of
from attractor.language.findings import Change, Findings
from attractor.language.tokens import Token


def note_portability(tokens: Sequence[Token], findings: Findings) -> None:
    """Note an anonymous graph, dropped ports, lists in a row, lines of the preprocessor."""
    for token, following in pairwise(tokens):
        match token.type, following.type:
            case "DIGRAPH", "_OPEN":
                fix = "name it: digraph Name {"
                findings.not_portable("a graph without a name", token.start, token.end, fix=fix)
            case "_COLON", "ID":
                message = "a port, which means nothing to a pipeline and is dropped"
                start, end = token.start, following.end
                edit = findings.replacing(start, end, "")
                findings.not_portable(message, start, end, fix="take it away", edit=edit)
            case "ATTRIBUTES", "ATTRIBUTES":
                start, end = following.start, following.end
                message, fix = "a second attribute list", "write one list with commas"
                edit = _joined(token, following, findings.source.text)
                findings.not_portable(message, start, end, fix=fix, edit=edit)
            case _:
                pass
    _note_preprocessor(findings)


def _joined(first: Token, second: Token, text: str) -> Change | None:
    """Return the change that makes one list of two, where nothing can be lost by it."""
    between = text[first.end : second.start]
    is_open = text[first.start : first.end - 1].rstrip().endswith((",", ";", "/", "["))
    if is_open or between.strip() or not first.attributes or not second.attributes:
        return None
    return Change(first.end - 1, second.start + 1, ", ")


def _note_preprocessor(findings: Findings) -> None:
    text = findings.source.text
    if "\n#" not in text and not text.startswith("#"):
        return
    for comment in comments_of(text):
        if comment.is_preprocessor:
            message = "a line of the C preprocessor"
            start, end = comment.start, comment.end
            edit = Change(start, end, comment.written)
            findings.not_portable(message, start, end, fix="begin it with //", edit=edit)
