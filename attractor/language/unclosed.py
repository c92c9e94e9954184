"""Says what is never closed: a text, a comment, a bracket or a brace."""

from attractor.language.patterns import INSIDE_LIST
from attractor.language.place import Place

_COMMENT = ("this comment is never closed", "put */ at its end")
_TEXT = ("this text is never closed", 'put a " at its end')


def explain_unclosed_text(place: Place) -> None:
    """Point at the quote that lacks its partner."""
    place.report_at(place.token.start, place.token.start + 1, *_TEXT)


def explain_unclosed_comment(place: Place) -> None:
    """Point at the beginning of the comment."""
    place.report(*_COMMENT)


def explain_unclosed_list(place: Place) -> None:
    """Point at the bracket, or at what within it is not closed either."""
    inside = INSIDE_LIST.match(place.text, place.token.end)
    stop = inside.end() if inside else place.token.end
    if place.text.startswith('"', stop):
        place.report_at(stop, stop + 1, *_TEXT)
    elif place.text.startswith("/*", stop):
        place.report_at(stop, stop + 2, *_COMMENT)
    else:
        place.report("this '[' is never closed", "put ] behind the last attribute")


def explain_unclosed_graph(place: Place) -> None:
    """Point at the brace that is open at the end of the text, unless it is a mistake anyway."""
    brace = next(iter(place.braces.never_closed()), place.token)
    is_first = brace is next((one for one in place.tokens if one.type == "_OPEN"), brace)
    fix = "put } at the end" if is_first else "put } where the subgraph ends"
    if not place.is_told(brace):
        place.report_at(brace.start, brace.end, "this '{' is never closed", fix)
