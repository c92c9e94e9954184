"""Which provider a request is meant for that none of them would take."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile

from attractor.twins.wire import CountsTokens, ListsModels, Wire


def meant_wire(wires: Sequence[Wire], path: str, headers: Mapping[str, str]) -> Wire:
    """Return the wire that fits best: by the beginning of the path, then by the headers."""
    shared = {wire.name: max(_shared(path, one) for one in _paths(wire)) for wire in wires}
    likely = [one for one in wires if shared[one.name] == max(shared.values())]
    listing = [one for one in likely if isinstance(one, ListsModels)]
    # Who shows nothing of itself is told as the last of them tells, which is OpenAI.
    fallback: Wire = (listing or likely)[-1]
    return next((one for one in listing if one.is_meant(headers)), fallback)


def _paths(wire: Wire) -> Iterator[str]:
    yield from (wire.path, *wire.other_paths)
    yield from wire.models_paths if isinstance(wire, ListsModels) else ()
    yield from wire.count_paths if isinstance(wire, CountsTokens) else ()


def _shared(path: str, known: str) -> int:
    """Return how many steps two paths have in common from their beginning."""
    steps = zip(path.split("/"), known.split("/"), strict=False)
    return len(list(takewhile(lambda pair: pair[0] == pair[1], steps)))
