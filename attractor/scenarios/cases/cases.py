"""Reads cases, and compares what a driver answered with what was expected: types are exact."""

import builtins
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.truncation import shorten
from attractor.scenarios.errors import InvalidSuite
from attractor.scenarios.patterns import Regex
from attractor.scenarios.suite import JsonValue, SuiteTable
from attractor.scenarios.suite_files import read_suite_file

MOST_CASES = 10_000
_ABSENT: Any = object()
_OBJECT = '"$": "object"'
_MOST = 10**308
_SHOWN = 80
_OF_JAVASCRIPT = frozenset({"RangeError", "ReferenceError", "EvalError", "URIError"})
_MOST_UNRELATED = 2
"""An exception of every class would be the one that each case expects."""


class CaseStep(SuiteTable):
    """A call, or an attribute: of the module, or of an object that an earlier step named."""

    call: str = Field(default="", description="a function, class or method, such as `Cart.of`")
    get: str = Field(default="", description="an attribute in place of a call")
    on: str = Field(default="", description="the name of an object (default: the module)")
    args: list[JsonValue] = Field(default_factory=list[Any], description="arguments")
    kwargs: dict[str, JsonValue] = Field(
        default_factory=dict[str, Any], description="arguments by name"
    )
    new: bool = Field(default=False, description="whether JavaScript calls it with `new`")
    as_: str = Field(default="", alias="as", description="a name for the result")

    @model_validator(mode="after")
    def _does_one_thing(self) -> "CaseStep":
        if bool(self.call) + bool(self.get) + bool(getattr(self, "do", ())) != 1:
            raise ValueError("write one of call, get and do")
        return self


class CallCase(CaseStep):
    """A line of a file of cases: what is done, and what must come of it."""

    do: tuple[CaseStep, ...] = Field(default=(), description="several steps in place of one")
    equals: JsonValue = Field(default=_ABSENT, description="the result, of exactly this type")
    close: float | None = Field(default=None, description="a number near the result")
    within: float = Field(default=1e-9, ge=0, description="how near, relative or absolute")
    raises: str = Field(default="", description="the name of the exception, or of a base of it")
    matches: Regex | None = Field(
        default=None, description="a pattern in the text of the result, or of the exception"
    )
    fresh: bool = Field(default=False, description="whether it gets a process of its own")

    @model_validator(mode="after")
    def _expects_one_thing(self) -> "CallCase":
        wanted = (self.equals is not _ABSENT, self.close is not None, bool(self.raises))
        if sum(wanted) + (self.matches is not None and not self.raises) != 1:
            raise ValueError("write one of equals, close, raises and matches")
        if self.equals is not _ABSENT and _OBJECT in json.dumps(self.equals):
            raise ValueError("an object of the candidate is equal to nothing: get its attributes")
        return self

    @property
    def steps(self) -> list[Json]:
        """What a driver is asked to do."""
        names = set(CaseStep.model_fields)
        return [
            one.model_dump(by_alias=True, exclude_defaults=True, include=names)
            for one in self.do or (self,)
        ]


@dataclass(frozen=True)
class NumberedCase:
    """A case, and its line in the file."""

    line: int
    case: CallCase


def read_cases(file: Path) -> Sequence[NumberedCase]:
    """Read a file of cases, or raise with the line of the first mistake."""
    found: list[NumberedCase] = []
    for number, line in enumerate(read_suite_file(file).splitlines(), 1):
        if not line.strip():
            continue
        try:
            found.append(NumberedCase(number, CallCase.model_validate(json.loads(line))))
        except (ValueError, RecursionError) as error:
            reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            reason = reason.removeprefix("Value error, ")
            raise InvalidSuite(f"{file.name}, line {number}: {reason}") from error
    if not found or len(found) > MOST_CASES:
        raise InvalidSuite(f"{file.name} has {len(found)} cases", hint=f"write 1 to {MOST_CASES}")
    return found


def mismatch(case: CallCase, answer: Mapping[str, Json]) -> str:
    """Return why an answer is wrong, in words without the expected value; "" if it is right.

    `matches` is not looked at here.
    """
    raised = answer.get("raises")
    if case.raises or isinstance(raised, list):
        names = raised if isinstance(raised, list) else []
        if (unrelated := _unrelated(names)) > _MOST_UNRELATED:
            return f"raised an exception of {unrelated} unrelated classes"
        if case.raises and case.raises in names:
            return ""
        what = f"raised {shorten(str(names[0]), _SHOWN)}" if names else "raised nothing"
        return f"{what}, not {case.raises}" if case.raises else what
    if "value" not in answer:
        return "has no answer"
    value = answer["value"]
    if case.close is not None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"is {kind_of(value)}, no number"
        # A whole number may be larger than any float.
        number = value if isinstance(value, float) else float(min(max(value, -_MOST), _MOST))
        near = math.isclose(number, case.close, rel_tol=case.within, abs_tol=case.within)
        return "" if near else "is not close enough"
    if case.equals is _ABSENT or are_same(case.equals, value):
        return ""
    expected, given = kind_of(case.equals), kind_of(value)
    return "is another value" if expected == given else f"is {given}, not {expected}"


def _unrelated(names: Sequence[Json]) -> int:
    """Return how many built-in classes an exception is of, of which none is a base of another."""
    kinds = {getattr(builtins, one, None) for one in names if isinstance(one, str)}
    faults = [one for one in kinds if isinstance(one, type) and issubclass(one, BaseException)]
    lowest = [one for one in faults if not any(one in other.__mro__[1:] for other in faults)]
    return len(lowest) + len(_OF_JAVASCRIPT.intersection(map(str, names)))


def text_of(answer: Mapping[str, Json]) -> str:
    """Return the text in which a pattern is searched."""
    if "raises" in answer:
        return str(answer.get("message", ""))
    value = answer.get("value")
    return value if isinstance(value, str) else json.dumps(value)


def are_same(expected: Json, value: Json) -> bool:
    """Return whether two values are equal and of the same types; sets have no order."""
    return _text(expected) == _text(value)


def _text(value: Json) -> str:
    return json.dumps(_ordered(value), sort_keys=True)


def _ordered(value: Json) -> Json:
    if isinstance(value, list):
        return [_ordered(one) for one in value]
    if isinstance(value, float):
        return value + 0.0  # -0.0 is 0.0
    if not isinstance(value, dict):
        return value
    members = {name: _ordered(one) for name, one in value.items()}
    listed = members.get("of")
    if members.get("$") in ("set", "frozenset", "dict") and isinstance(listed, list):
        members["of"] = sorted(listed, key=_text)
    return members


def kind_of(value: Json) -> str:
    """Return the kind of a value, for people; the candidate may have forged it."""
    if isinstance(value, dict) and "$" in value:
        kind = f"object {value.get('of')}" if value["$"] == "object" else str(value["$"])
        return shorten(kind, _SHOWN)
    return {"NoneType": "None"}.get(type(value).__name__, type(value).__name__)
