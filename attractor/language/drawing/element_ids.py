"""The ids that the parts of a drawing go by, the same in every drawing of a pipeline.

They are valid in XML and need no escape in a CSS selector: a letter, digit or underscore stands for
itself, any other character is `--`, its number in hexadecimal, and `-`; an empty id is `--0-`, and
the character with the number 0 is `--00-`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from attractor.language.graph import Edge

_ODD = re.compile(r"[^A-Za-z0-9_]")
_NOTHING = "--0-"


def node_element(id_: str) -> str:
    """Return `node-<id>`."""
    return f"node-{encoded(id_)}"


def edge_elements(edges: Iterable[Edge]) -> Iterator[str]:
    """Yield `edge-<from>-<to>`, numbered from the second one between the same two nodes."""
    met = Counter[tuple[str, str]]()
    for edge in edges:
        ends = edge.source, edge.target
        met[ends] += 1
        number = f"-{met[ends]}" if met[ends] > 1 else ""
        yield f"edge-{encoded(edge.source)}-{encoded(edge.target)}{number}"


def encoded(text: str) -> str:
    """Return a text as it stands in an element's id."""
    return _ODD.sub(_number, text) or _NOTHING


def as_class(text: str) -> str:
    """Return a text as the name of a class: `wait.human` is `wait-human`."""
    return _ODD.sub("-", text)


def _number(odd: re.Match[str]) -> str:
    return "--00-" if odd[0] == "\0" else f"--{ord(odd[0]):x}-"
