"""Says what is wrong with braces that stand where none may, and what helps."""

from attractor.language.braces import Held
from attractor.language.findings import Change
from attractor.language.place import Place

_NOTHING = "'{' begins nothing here"
_EACH = "write an edge for each of its nodes"


def explain_open(place: Place) -> None:
    """Say it at the brace that opens, by what was meant."""
    match place.braces.held(place.at):
        case Held.TARGETS:
            source, targets = place.tokens[place.at - 2], _ids(place)
            ends = [f"{_written(place, source.start, source.end)} -> {one}" for one in targets]
            fix = _both(ends if source.type == "ID" else [])
            place.report("an edge cannot lead to several nodes at once", fix)
        case Held.ORIGINS:
            target = place.tokens[place.braces.partner(place.at) + 2]
            ends = [f"{one} -> {_written(place, target.start, target.end)}" for one in _ids(place)]
            fix = _both(ends if target.type == "ID" else [])
            place.report("an edge cannot begin at several nodes at once", fix)
        case Held.ATTRIBUTES:
            start, close = place.token.start, place.tokens[place.braces.partner(place.at)]
            inside = _written(place, place.token.end, close.start)
            edit = Change(start, close.end, f"[{inside}]")
            place.report("attributes stand in square brackets", "write [ ] instead of { }", edit)
        case Held.STATEMENTS:
            _explain_statements(place)


def _explain_statements(place: Place) -> None:
    before = place.tokens[place.at - 1]
    if before.type == "ID" and not place.begins_a_line():
        place.report(_NOTHING, f"write subgraph {place.written_before} {{")
    else:
        start = place.token.start
        place.report(_NOTHING, "write subgraph before it", Change(start, start, "subgraph "))


def _ids(place: Place) -> list[str]:
    """Return the nodes between the braces, if there is nothing else."""
    inside = [one for one in place.braces.inside(place.at) if one.type != "_SEMICOLON"]
    words = [_written(place, one.start, one.end) for one in inside]
    ids = [word for word in words if word != ","]
    return ids if all(one.type in ("ID", "OTHER") for one in inside) else []


def _both(edges: list[str]) -> str:
    return f"write {' and '.join(edges)}" if len(edges) == 2 else _EACH


def _written(place: Place, start: int, end: int) -> str:
    return place.text[start:end]
