"""Finds keys of conditions that ask the context for what only the outcome can be."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from attractor.language.conditions import OUTCOMES, canonical_outcome
from attractor.language.slips import one_slip

_OUTCOME = ("outcome",)
# Words for the outcome in other tools.
_OTHER_NAMES = frozenset({"status", "result"})
_CLAUSE = re.compile(r'(?<![\w.":-])(?P<key>[A-Za-z_]\w*)\s*!?=\s*"?(?P<word>\w+)(?![\w.-])')


class Misnamed(NamedTuple):
    """Such a key and where it stands; `instead` is empty where it may be meant."""

    key: str
    start: int
    end: int
    instead: str


def misnamed_outcomes(text: str) -> Iterator[Misnamed]:
    """Yield each key such as `Outcome` or `status` that is compared with a word for an outcome."""
    for found in _CLAUSE.finditer(text):
        key, slip = found["key"], one_slip(found["key"], _OUTCOME)
        is_misnamed = key not in _OUTCOME and (slip or key in _OTHER_NAMES)
        if is_misnamed and canonical_outcome(found["word"]) in OUTCOMES:
            yield Misnamed(key, *found.span("key"), slip)
