"""The errors of scenarios and their suites.

UsageError
└── InvalidSuite             2  a suite that can't be used as it is written
Broken
└── SuiteChanged             6  a sealed suite is not what was sealed

Says what is wrong with what people wrote in a suite: which key, why, and what was meant.
"""

from collections.abc import Iterator, Mapping
from typing import Never

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Broken, UsageError, suggest
from attractor.base.toml import KeyPath, dotted, key_lines, line_of, printable
from attractor.config.errors import shown_value
from attractor.config.schema import child, keys_at
from attractor.scenarios.suite import STEP_KINDS


class InvalidSuite(UsageError):
    """This suite can't be used as it is written."""


class SuiteChanged(Broken):
    """A sealed suite is not what was sealed."""


MOST_TOLD = 10
"""How many mistakes are told one by one."""


@dataclass(frozen=True)
class Mistake:
    """One mistake: the key it is about, what is wrong, and what to do."""

    path: KeyPath
    words: str
    hint: str = ""


def mistakes_of(
    error: ValidationError, model: type[BaseModel], at: KeyPath = ()
) -> Iterator[Mistake]:
    """Turn what pydantic says about a model's value, which stands under a key, into mistakes."""
    faults = error.errors(include_url=False)
    unknown = [_unknown(one, model, at) for one in faults if one["type"] == "extra_forbidden"]
    yield from unknown
    meant = {one.hint for one in unknown}
    for fault in faults:
        path = (*at, *_path(fault))
        if fault["type"] == "missing":
            # A key that was mistyped is not missing as well.
            if _did_you_mean(str(path[-1])) not in meant:
                yield Mistake(path, f"{dotted(path)} is missing", "give it a value")
        elif fault["type"] == "too_short":
            # Of a list with mistakes in it pydantic counts only what is good.
            if not fault["input"]:
                yield Mistake(path, f"{dotted(path)} is empty", "give it at least one")
        elif fault["type"] != "extra_forbidden":
            yield _wrong(fault, path)


def refusal(file: str, text: str, mistakes: list[Mistake]) -> InvalidSuite:
    """Return the error that tells the mistakes in a file, each with its line."""
    lines = key_lines(text)
    if len(mistakes) == 1:
        [one] = mistakes
        return InvalidSuite(_told(one, file, lines), hint=one.hint or "mend the file")
    told = [
        _told(one, file, lines) + (f" ({one.hint})" if one.hint else "")
        for one in mistakes[:MOST_TOLD]
    ]
    if len(mistakes) > MOST_TOLD:
        told.append(f"and {len(mistakes) - MOST_TOLD} more")
    return InvalidSuite("\n".join(told), hint="mend the file")


def _told(one: Mistake, file: str, lines: Mapping[KeyPath, int]) -> str:
    line = line_of(one.path, lines)
    return f"{file}{f':{line}' if line else ''}: {one.words}"


def _unknown(fault: ErrorDetails, model: type[BaseModel], at: KeyPath) -> Mistake:
    shape: object = model
    for part in fault["loc"][:-1]:
        shape = STEP_KINDS.get(str(part)) or child(shape, part)
    known = keys_at(shape, ()) if shape is not Never else ()
    path = (*at, *_path(fault))
    near = suggest(str(path[-1]), known)
    hint = _did_you_mean(near) if near else f"known here: {', '.join(known)}"
    return Mistake(path, f"unknown key {dotted(path)}", hint)


def _wrong(fault: ErrorDetails, path: KeyPath) -> Mistake:
    said = printable(fault["msg"]).removeprefix("Value error, ")
    demand = said.removeprefix("Input ")
    if not path:
        return Mistake(path, said)
    if isinstance(fault["input"], dict | list):
        return Mistake(path, f"{dotted(path)}: {said}")
    subject = f"{dotted(path)} = {shown_value(fault['input'])}"
    return Mistake(path, f"{subject}: {said}" if demand == said else f"{subject} {demand}")


def _path(fault: ErrorDetails) -> KeyPath:
    """Return where a fault is; pydantic also names the kind of a step, which nobody wrote."""
    return tuple(part for part in fault["loc"] if part not in STEP_KINDS)


def _did_you_mean(key: str) -> str:
    return f"did you mean {key}?"
