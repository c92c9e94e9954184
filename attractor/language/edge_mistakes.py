"""Says what is wrong with edges: with their arrows, and with what they lead from and to."""

from attractor.language.findings import Change
from attractor.language.place import Place
from attractor.language.wording import quote

_BACKWARD = "write the nodes in the other order, and -> between them"


def explain_edge(place: Place) -> None:
    """Say what to write instead of another arrow; one with a head can only mean this one."""
    written = place.written
    if place.before != "ID":
        place.report(f"{place.named} has no meaning here", "take it away")
    elif written == "--":
        place.report("'--' is no edge: edges have a direction", "write ->")
    elif written.startswith("<"):
        fix = "write an edge for each direction" if written.endswith(">") else _BACKWARD
        place.report(f"{quote(written)} is no edge", fix)
    else:
        has_head = len(written) > 1 and written.endswith(">") or not written.isascii()
        start, end = place.token.start, place.token.end
        edit = Change(start, end, "->") if has_head and not _is_a_dash(written) else None
        place.report(f"{quote(written)} is no edge", "write ->", edit)


def explain_arrow(place: Place) -> bool:
    """Say what stands before an arrow instead of a node, if anything is known of it."""
    if place.before == "_CLOSE":
        place.report("an edge cannot begin at a subgraph", "write an edge for each of its nodes")
    elif place.before == "ATTRIBUTES":
        place.report("an edge cannot go on behind its attributes", "put them at the end")
    elif place.before in ("_OPEN", "_SEMICOLON"):
        place.report("this edge comes from nowhere", "write the id of a node before it")
    else:
        return False
    return True


def explain_target(place: Place) -> None:
    """Say what stands behind an arrow instead of a node."""
    if place.token.type == "SUBGRAPH":
        place.report("an edge cannot lead to a subgraph", "write an edge for each of its nodes")
    elif place.token.type in ("GRAPH", "NODE", "EDGE") and not place.begins_a_line():
        explain_keyword(place)
    else:
        place.report_near(-1, "this edge leads nowhere", "write the id of a node behind it")


def explain_keyword(place: Place) -> None:
    """Say that a word is taken."""
    message = f"{quote(place.written)} is a word of the language and cannot be an id"
    place.report(message, f"write {place.written}_, or another id")


def _is_a_dash(written: str) -> bool:
    return not written.endswith(">") and written[0] not in "\u2192\u27f6\u21d2"
