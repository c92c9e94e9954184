"""Reads YAML, and JSON as a part of it, in which people write specifications and desires."""

import re
from typing import Any, cast

from attractor.growth.errors import InvalidSpec

_SURROGATE = re.compile("[\ud800-\udfff]")


def parse_yaml(text: str, *, source: str) -> object:
    """Return the value of a text in YAML, whose scalars are text: `no` is a word of a user."""
    # Imported here: commands that read no specification start faster.
    import yaml

    class Loader(yaml.BaseLoader):
        """Refuses a duplicate key, of which YAML would drop the first, and joins surrogates."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            keys: set[str] = set()
            for key, _ in node.value:
                if str(key.value) in keys:
                    fault = f"{source}:{key.start_mark.line + 1}: duplicate key {key.value!r}"
                    raise InvalidSpec(fault, hint="write all entries of a key in one place")
                keys.add(str(key.value))
            return super().construct_mapping(node, deep)

        def construct_scalar(self, node: yaml.ScalarNode) -> str:
            text = str(super().construct_scalar(node))
            try:
                return _joined(text)
            except UnicodeDecodeError as cause:
                fault = f"{source}:{node.start_mark.line + 1}: half of a character in {text!r}"
                hint = "write both halves (\\ud83d\\ude00), or the character itself"
                raise InvalidSpec(fault, hint=hint) from cause

    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as cause:
        hint = "write texts with a colon or a bracket in quotes"
        raise InvalidSpec(f"{source}: {' '.join(str(cause).split())}", hint=hint) from cause
    except RecursionError as cause:
        raise InvalidSpec(f"{source}: nested too deeply", hint="use fewer brackets") from cause


def line_of(text: str, place: str) -> int:
    """Return the line of a place such as `workflows.triggers[0].runs[0]` in a valid text."""
    # Imported here, as above.
    import yaml

    node = cast("Any", yaml).compose(text, yaml.BaseLoader)
    for key, number in re.findall(r"([^.\[\]]+)|\[(\d+)\]", place):
        if number:
            node = node.value[int(number)]
        else:
            node = next(value for one, value in node.value if one.value == key)
    return node.start_mark.line + 1


def _joined(text: str) -> str:
    """Return a text with each pair of surrogates, which JSON writes, as one character."""
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
