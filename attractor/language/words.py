"""How ids, keys and values are written so that Attractor and Graphviz read the same."""

from attractor.language.patterns import IDENTIFIER
from attractor.language.values import Attribute, Value, ValueKind, quoted

_KEYWORDS = frozenset({"digraph", "subgraph", "graph", "node", "edge", "strict"})

_DEEPEST = 20

COMPASS = frozenset({"n", "ne", "e", "se", "s", "sw", "w", "nw", "c", "_"})
"""The ports that every node has, which cannot be meant as anything else."""


def is_plain(word: str) -> bool:
    """Tell whether a word needs no quotes anywhere."""
    return IDENTIFIER.fullmatch(word) is not None and not is_keyword(word)


def is_keyword(word: str) -> bool:
    """Tell whether Graphviz takes a word for one of the language's, in whatever letters."""
    return word.casefold() in _KEYWORDS


def written_word(word: str) -> str:
    """Write an id or a key: in quotes only where there is no other way."""
    return word if is_plain(word) else quoted(word)


def written_value(value: Value) -> str:
    """Write what a value means."""
    match value.kind:
        case ValueKind.STRING:
            return quoted_in_lines(str(value))
        case ValueKind.BARE | ValueKind.DURATION:
            return written_word(str(value))
        case _:
            return value.text


def written_attribute(attribute: Attribute) -> str:
    """Write `key=value`."""
    return f"{written_word(attribute.key)}={written_value(attribute.value)}"


def quoted_in_lines(text: str) -> str:
    r"""Write a text in quotes; one of several lines stays so, instead of one long line with \n."""
    lines = (quoted(line)[1:-1] for line in text.split("\n"))
    return '"' + "\n".join(lines) + '"'


def margin(depth: int) -> str:
    """Return the blanks before a line; so deep that nobody sees the margin it grows no more."""
    return "    " * min(depth, _DEEPEST)
