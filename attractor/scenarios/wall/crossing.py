"""What crossed the wall while a reference was played: nothing else may cross for a candidate.

An object whose operators agree with everything would pass tests. Its class is one that the
reference never gave.
"""

from collections.abc import Iterable, Mapping

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
from attractor.base.records import read_record, write_record


@dataclass(frozen=True)
class CrossedInTest:
    """What crossed in a test, and whether data did.

    `classes` has the class of each object; with ".", the operators ("calc.Sum.add") and attributes
    (".total") that the test used; with "* ", the names that `import *` gave it.
    """

    classes: tuple[str, ...] = ()
    data: bool = False


Crossed = Mapping[str, CrossedInTest]
"""What crossed in each test of a scenario."""
Crossing = Mapping[str, Crossed]
"""What crossed in each scenario of a suite."""


def merged(found: Iterable[Crossed]) -> Crossed:
    """Return what crossed in several processes or trials."""
    whole: dict[str, CrossedInTest] = {}
    for crossed in found:
        for test, one in crossed.items():
            earlier = whole.get(test, CrossedInTest())
            classes = tuple(sorted({*earlier.classes, *one.classes}))
            whole[test] = CrossedInTest(classes, earlier.data or one.data)
    return whole


def read_crossed(record: JsonObject) -> Crossed:
    """Read what crossed in each test from its record."""
    return {
        test: read_record(CrossedInTest, one)
        for test, one in record.items()
        if isinstance(one, dict)
    }


def read_crossing(record: JsonObject) -> Crossing:
    """Read what crossed in each scenario from its record."""
    return {
        name: read_crossed(crossed) for name, crossed in record.items() if isinstance(crossed, dict)
    }


def write_crossing(crossing: Crossing) -> dict[str, Json]:
    """Return what crossed in each scenario as JSON."""
    return {
        name: {test: write_record(one) for test, one in crossed.items()}
        for name, crossed in crossing.items()
    }
