"""What can go wrong in a twin.

UsageError
├── ScriptError      2  a script that is not one
└── RecordingError   2  recordings that are none, or nowhere to record from
Rejection               a request that is answered with an error, in its provider's own shape
├── NoMatchingRule              a request that no rule fits
└── UnknownEndpoint           a request to a path, or by a method, that the twin does not know
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, TypeAlias, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from attractor.base.errors import UsageError, suggest
from attractor.base.toml import KeyPath
from attractor.base.toml_errors import Fault, TomlMistakes, explain_faults


class ScriptError(UsageError):
    """This is not a script for a twin."""

    hint = "see docs/reference/twin-scripts.md"


class RecordingError(UsageError):
    """These are no recordings for a twin."""

    hint = "see docs/reference/twin-scripts.md"


class Rejection(Exception):
    """A request is answered with an error; each wire writes it in its own shape."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: timedelta | None = None,
        rule: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.retry_after = retry_after
        self.rule = rule


class NoMatchingRule(Rejection):
    """A request is not answered by any rule."""


class UnknownEndpoint(Rejection):
    """A request is none that the twin speaks."""


Table: TypeAlias = dict[str, Any]

M = TypeVar("M", bound=BaseModel)


def validated(
    model: type[M],
    table: object,
    mistakes: TomlMistakes,
    *,
    at: KeyPath = (),
    known: Iterable[str] = (),
) -> M | None:
    """Build data of a table, or add its mistakes; `known` are further keys it may have."""
    try:
        return model.model_validate(table)
    except ValidationError as cause:
        names = {*known, *_all_keys(model)}

        def nearest(fault: Fault) -> list[str]:
            # The names of all tables together: only a near one is worth a hint.
            near = suggest(str(fault["loc"][-1]), names)
            return [near] if near else []

        faults = cause.errors(include_url=False)
        mistakes.extend(explain_faults(faults, table, at=at, known=nearest))
        return None


def _all_keys(model: type[BaseModel]) -> set[str]:
    """Return the keys of a table and of those inside it."""
    keys: set[str] = set()
    waiting: list[Any] = [model]
    seen: list[Any] = []
    while waiting:
        one = waiting.pop()
        if isinstance(one, type) and issubclass(one, BaseModel):
            if one in seen:
                continue
            seen.append(one)
            keys |= {field.alias or name for name, field in one.model_fields.items()}
            waiting += [field.annotation for field in one.model_fields.values()]
        else:
            waiting += get_args(one)
    return keys
