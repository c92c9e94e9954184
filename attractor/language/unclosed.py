"""Says what is never closed: a text, a comment, a bracket or a brace."""

from attractor.language.patterns import INSIDE_LIST, TEXT_OR_COMMENT
from attractor.language.place import Place
from attractor.language.tokens import Token

_COMMENT = ("this comment is never closed", "put */ at its end")
_TEXT = ("this text is never closed", 'put a " at its end')


def explain_unclosed_text(place: Place) -> None:
    """Point at the quote that lacks its partner."""
    _report_text(place, place.token.start)


def explain_unclosed_comment(place: Place) -> None:
    """Point at the beginning of the comment."""
    place.report(*_COMMENT)


def explain_unclosed_list(place: Place) -> None:
    """Point at the bracket, or at what within it is not closed either."""
    inside = INSIDE_LIST.match(place.text, place.token.end)
    stop = inside.end() if inside else place.token.end
    if place.text.startswith('"', stop):
        _report_text(place, stop)
    elif place.text.startswith("/*", stop):
        place.report_at(stop, stop + 2, *_COMMENT)
    else:
        place.report("this '[' is never closed", "put ] behind the last attribute")


def explain_unclosed_graph(place: Place) -> None:
    """Point at the last brace that is open at the end of the text."""
    braces: list[Token] = []
    for token in place.tokens[: place.at]:
        if token.type == "_OPEN":
            braces.append(token)
        elif token.type == "_CLOSE" and braces:
            braces.pop()
    brace = braces[-1] if braces else place.token
    place.report_at(brace.start, brace.end, "this '{' is never closed", "put } at the end")


def _report_text(place: Place, last: int) -> None:
    start = _likely_start(place.text, last)
    place.report_at(start, start + 1, *_TEXT)


def _likely_start(text: str, last: int) -> int:
    """Return the quote that most likely lacks its partner.

    One missing quote turns every text behind it inside out: it is before the first text that goes
    over the end of a line and ends where a word begins.
    """
    for found in TEXT_OR_COMMENT.finditer(text, 0, last):
        behind = text[found.end() : found.end() + 1]
        if found[0].startswith('"') and "\n" in found[0] and (behind.isalnum() or behind == "_"):
            return found.start()
    return last
