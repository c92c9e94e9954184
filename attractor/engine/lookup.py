"""Finds what a key in a condition stands for (attractor-spec 10.4)."""

from collections.abc import Mapping

from attractor.base.json import Json
from attractor.engine.context import text_of
from attractor.engine.large_values import ReadValue, as_it_is
from attractor.engine.outcome import StageStatus
from attractor.language.conditions.condition import Lookup

_PREFIX = "context."


def make_lookup(
    status: StageStatus,
    preferred_label: str,
    context: Mapping[str, Json],
    *,
    read: ReadValue = as_it_is,
) -> Lookup:
    """Return the function that conditions on the way out of a stage look keys up with."""

    def look_up(key: str) -> str:
        if key == "outcome":
            return status.value
        if key == "preferred_label":
            return preferred_label
        value = context.get(key)
        if value is None:
            value = context.get(key.removeprefix(_PREFIX))
        return "" if value is None else text_of(read(value))

    return look_up
