"""Shows Jupyter notebooks as text: each cell with its source and its text outputs."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from attractor.base.errors import NotCanonical
from attractor.base.json import Json, parse_json

LONGEST_OUTPUT = 4_000
"""The limit of an output, in characters."""

_COLORS = re.compile(r"\x1b\[[0-9;]*m")


def notebook_lines(text: str) -> Sequence[str] | None:
    """Return the lines of a notebook, such as `2.1 | x = 1` for the first line of cell 2.

    The result is None if the text is not a notebook of version 4.
    """
    try:
        cells = _at(parse_json(text), "cells")
    except NotCanonical:
        return None
    if not isinstance(cells, list):
        return None
    return [line for number, cell in enumerate(cells, 1) for line in _cell_lines(number, cell)]


def _cell_lines(number: int, cell: Json) -> Iterator[str]:
    yield f"[cell {number}: {_text(_at(cell, 'cell_type')) or 'unknown'}]"
    source = _text(_at(cell, "source"))
    for line, words in enumerate(source.split("\n") if source else [], 1):
        yield f"{number}.{line} | {words}"
    outputs = _at(cell, "outputs")
    for output in outputs if isinstance(outputs, list) else []:
        yield f"[output of cell {number}]"
        shown = _COLORS.sub("", _output(output)).rstrip("\n")
        yield from shown[:LONGEST_OUTPUT].split("\n")
        if len(shown) > LONGEST_OUTPUT:
            yield f"[... {len(shown) - LONGEST_OUTPUT} characters omitted ...]"


def _output(output: Json) -> str:
    """Return the text of an output, or the types of an output without text."""
    traceback = _at(output, "traceback")
    if isinstance(traceback, list):
        return "\n".join(map(_text, traceback))
    data = _at(output, "data")
    if not isinstance(data, Mapping):
        return _text(_at(output, "text"))
    if "text/plain" in data:
        return _text(data["text/plain"])
    return f"[{', '.join(data) or 'nothing'}]"


def _at(value: Json, key: str) -> Json:
    return cast("Mapping[str, Json]", value).get(key) if isinstance(value, Mapping) else None


def _text(value: Json) -> str:
    """Return a text of a notebook, which may be stored as a list of lines."""
    if isinstance(value, list):
        return "".join(text for text in value if isinstance(text, str))
    return value if isinstance(value, str) else ""
