"""Errors of a twin.

UsageError
├── ScriptError       2  invalid script
└── RecordingError    2  invalid recordings, or an invalid destination or source for them
PortInUse             3  a port on which another process listens
Rejection                a request that is answered with an error, in the provider's format
├── NoMatchingRule       no rule matches the request
└── UnknownEndpoint      the twin does not serve the path or the method
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, TypeAlias, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from attractor.base.errors import MachineryError, UsageError, suggest
from attractor.base.toml import Fault, KeyPath, TomlMistakes, explain_faults


class ScriptError(UsageError):
    """Invalid script of a twin."""

    hint = "see what a script contains: attractor help twin llm"


class RecordingError(UsageError):
    """Invalid recordings of a twin."""

    hint = "record it again: attractor help twin llm"


class PortInUse(MachineryError):
    """Another process listens on the port of a twin."""

    hint = "use another port, or 0"

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"port {port} of {host} is in use")
        self.host = host
        self.port = port


class Rejection(Exception):
    """A request is rejected; each wire writes the error in the format of the wire's provider."""

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
    """No rule matches a request."""


class UnknownEndpoint(Rejection):
    """The twin does not serve the path or the method of a request."""


Table: TypeAlias = dict[str, Any]

M = TypeVar("M", bound=BaseModel)


def validated(
    model: type[M],
    table: object,
    mistakes: TomlMistakes,
    *,
    at: KeyPath = (),
    known: Iterable[str] = (),
    context: dict[str, bool] | None = None,
) -> M | None:
    """Build an object from a table, or add the mistakes in the table to `mistakes`.

    `known` are further valid keys, `context` is that of validators.
    """
    try:
        return model.model_validate(table, context=context)
    except ValidationError as cause:
        names = {*known, *_all_keys(model)}

        def nearest(fault: Fault) -> list[str]:
            # The names of all tables together, of which only a similar one is suggested.
            near = suggest(str(fault["loc"][-1]), names)
            return [near] if near else []

        faults = cause.errors(include_url=False)
        mistakes.extend(explain_faults(faults, table, at=at, known=nearest))
        return None


def _all_keys(model: type[BaseModel]) -> set[str]:
    """Return the keys of a table and of the tables inside it."""
    keys: set[str] = set()
    queue: list[Any] = [model]
    done: list[Any] = []
    while queue:
        kind = queue.pop()
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            if kind in done:
                continue
            done.append(kind)
            keys |= {field.alias or name for name, field in kind.model_fields.items()}
            queue += [field.annotation for field in kind.model_fields.values()]
        else:
            queue += get_args(kind)
    return keys
