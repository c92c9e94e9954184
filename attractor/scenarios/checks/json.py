"""Checks values in JSON: the output of a command, the body of a response, or a file."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from pydantic import Field, model_validator

from attractor.base.json import Json
from attractor.environments.errors import FileUnusable
from attractor.scenarios.check import (
    CheckOptions,
    CheckResult,
    Observation,
    check_result,
    same_json,
    step_record,
)
from attractor.scenarios.patterns import Regex, search_texts
from attractor.scenarios.suite import JsonValue, RelativePath
from attractor.twins.recordings.json_diff import JsonPath, JsonPathField

_LONGEST = 200
_TYPES: Mapping[type, str] = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    type(None): "null",
}


class JsonCheck(CheckOptions):
    """Passes if every value at a path is as expected, and there is one (or none, as expected)."""

    step: str | None = Field(
        default=None, description="a step: the output of a command, or the body of a response"
    )
    file: RelativePath | None = Field(
        default=None, description="a file of the candidate, in place of a step"
    )
    path: JsonPathField = Field(
        default=JsonPath("$"),
        description="the place of values, such as `$.tasks[*].id` or `$..id`; every value must "
        "be as expected",
    )
    exists: bool = Field(default=True, description="whether there must be a value")
    equals: JsonValue = Field(default=None, description="the value")
    matches: Regex | None = Field(
        default=None,
        description="a [regular expression](#regular-expressions) for a text, or for the JSON of "
        "another value",
    )
    lacks_match: Regex | None = Field(
        default=None, description="a regular expression that matches no such text"
    )
    length: int | None = Field(
        default=None, ge=0, description="the length of a text, array or object"
    )
    type: Literal["object", "array", "string", "number", "integer", "boolean", "null"] | None = (
        Field(default=None, description="the type of the value")
    )

    @model_validator(mode="after")
    def _is_about_one_text(self) -> "JsonCheck":
        if (self.step is None) == (self.file is None):
            raise ValueError("set exactly one of step and file")
        others = {"step", "file", "path", "exists", "hard"}
        expectations = self.model_fields_set - others
        if not self.exists and expectations:
            raise ValueError("a value that must not exist cannot be compared")
        return self

    async def judge(self, observed: Observation) -> CheckResult:
        """Find the values at the path, and compare each of them."""
        place = f"{self.path} in {self.file or f'the output of step {self.step}'}"
        text = await self._text(observed)
        if isinstance(text, CheckResult):
            return text
        try:
            return await self._compare(text, place, observed.edition)
        except (ValueError, RecursionError) as error:
            reason = f"{self.file or f'the output of step {self.step}'} is not JSON: {error}"
            return check_result("json", passed=False, reason=reason, evidence=text)

    async def _compare(self, text: str, place: str, edition: int) -> CheckResult:
        values = self.path.find(cast("Json", json.loads(text, parse_constant=_no_constant)))
        evidence = json.dumps(values)
        if bool(values) != self.exists:
            reason = f"{place} is {'missing' if self.exists else 'present'}"
            return check_result("json", passed=False, reason=reason, evidence=evidence)
        mismatches = [one for value in values if (one := self._mismatch(value))]
        mismatches += await self._pattern_mismatches(values, edition)
        reason = f"{place} {mismatches[0] if mismatches else 'is as expected'}"
        return check_result("json", passed=not mismatches, reason=reason, evidence=evidence)

    async def _pattern_mismatches(self, values: Sequence[Json], edition: int) -> list[str]:
        texts = [
            one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in values
        ]
        found: list[str] = []
        for pattern, expected in ((self.matches, True), (self.lacks_match, False)):
            if pattern is None:
                continue
            results = await search_texts(pattern, texts, edition)
            words = f"which {'does not match' if expected else 'matches'} {pattern!r}"
            found += [
                f"is {json.dumps(value)[:_LONGEST]}, {words}"
                for value, is_match in zip(values, results, strict=True)
                if is_match is not expected
            ]
        return found

    async def _text(self, observed: Observation) -> str | CheckResult:
        if self.file is not None:
            try:
                return await observed.environment.read_file(self.file)
            except FileUnusable as error:
                reason = f"{self.file} cannot be read: {error}"
                return check_result("json", passed=False, reason=reason, evidence=reason)
        record = step_record(observed, "json", self.step or "")
        if isinstance(record, CheckResult):
            return record
        if record.stdout_omitted:
            reason = f"the output of step {self.step} is too long"
            return check_result("json", passed=False, reason=reason, evidence=record.stdout)
        return record.stdout if record.http_status is None else record.body

    def _mismatch(self, value: Json) -> str:
        """Return the reason why a value is not as expected, or ""."""
        shown = json.dumps(value)[:_LONGEST]
        if "equals" in self.model_fields_set and not same_json(value, cast("Json", self.equals)):
            return f"is {shown}, not {json.dumps(self.equals)}"
        if self.type is not None and self.type not in _types(value):
            return f"is {shown}, not of the type {self.type}"
        if self.length is not None:
            if not isinstance(value, str | list | dict):
                return f"is {shown}, which has no length"
            length = len(cast("Sequence[Any]", value))
            if length != self.length:
                return f"has the length {length}, not {self.length}"
        return ""


def _types(value: Json) -> Sequence[str]:
    if isinstance(value, bool | str | list | dict) or value is None:
        return (_TYPES[type(value)],)
    is_whole = isinstance(value, int) or value.is_integer()
    return ("number", "integer") if is_whole else ("number",)


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is not a number in JSON")


part = JsonCheck
