"""Says in plain words what is wrong with a JSON or TOML file that somebody wrote."""

import re
from collections.abc import Iterable

from attractor.base.errors import NotCanonical
from attractor.base.json import Json

_NOT_JSON = "not JSON: "
_NOT_WRITTEN = "this cannot be written as JSON: "
_STEP = r"(?:\[[^\]]*\]|\.\w+)"
# Whoever looks for the place counts the first steps and the last one.
_LONG_PATH = re.compile(rf"({_STEP}{{8}}){_STEP}{{4,}}({_STEP})")
_TOO_LONG = "for integer string conversion"


DEEPEST = 80
"""How deep what somebody wrote may be: records that take it up are deeper, and have a limit."""

TOO_DEEP = "holds lists or tables too deep within each other"


def is_too_deep(value: Json) -> bool:
    """Tell whether a value is deeper than records can take it up."""
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for one in level for inner in _members(one)]
        if not level:
            return False
    return True


def words_of(fault: Exception, *, form: str = "JSON") -> str:
    """Return what follows the name of the file: `is not JSON: ...`, or `holds ...`."""
    told = str(fault)
    if isinstance(fault, RecursionError) or "recursion" in told:
        return TOO_DEEP
    if _TOO_LONG in told:
        return "holds a number with too many digits"
    if isinstance(fault, NotCanonical) and told.startswith(_NOT_WRITTEN):
        return f"holds {_LONG_PATH.sub(_shortened, told.removeprefix(_NOT_WRITTEN))}"
    return f"is not {form}: {told.removeprefix(_NOT_JSON)}"


def _members(value: Json) -> Iterable[Json]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _shortened(path: re.Match[str]) -> str:
    return f"{path[1]}...{path[2]}"
