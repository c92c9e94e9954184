"""Answers with a function in the service's `handler.py`."""

import inspect
import threading
import traceback
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from types import CodeType
from typing import TypeAlias, cast

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical, suggest
from attractor.base.json import Json, canonical_json
from attractor.twins.exchange.answer import Duration
from attractor.twins.services.errors import InvalidRouteKey, TwinFailure
from attractor.twins.services.request import ServiceResponse, json_response
from attractor.twins.services.route import RouteCall, RouteContext, RouteHandler, RouteKind
from attractor.twins.services.state import ServiceState, format_time
from attractor.twins.services.templates import ExpressionError

FILE = "handler.py"
Function: TypeAlias = Callable[..., object]


class Draw:
    """The time and the random numbers of the twin, passed to functions."""

    def __init__(self, call: RouteCall, state: ServiceState) -> None:
        self.now = call.now
        self.written_now = format_time(call.now)
        self.from_path: Mapping[str, str] = call.from_path
        self.counter = state.counter
        self.random = state.random
        self.letters = state.letters
        self.uuid = state.uuid


@dataclass
class _Result:
    """The result of a function, or its exception."""

    value: object = None
    raised: BaseException | None = None


def load_function(folder: Path, name: str) -> Function:
    """Return a function of the service's `handler.py`, or raise InvalidRouteKey."""
    file = folder / FILE
    found = _members(file)
    functions = {key: value for key, value in found.items() if inspect.isfunction(value)}
    if name not in functions:
        near = suggest(name, functions)
        hint = f", did you mean {near!r}?" if near else ""
        raise InvalidRouteKey("function", f"{file} has no function {name!r}{hint}")
    function = functions[name]
    if inspect.iscoroutinefunction(function):
        raise InvalidRouteKey("function", f"{name} in {file} must not be async")
    try:
        inspect.signature(function).bind(None, None, None)
    except TypeError as cause:
        message = f"{name} in {file} must take (request, state, draw)"
        raise InvalidRouteKey("function", message) from cause
    return function


def run_limited(function: Function, call: RouteCall, limit: timedelta) -> ServiceResponse:
    """Call a function with a copy of the state; keep the copy if the function succeeds in time."""
    result = _Result()
    # A copy: a function that exceeds its time limit continues without an effect.
    state = call.state.copy()
    tables = state.copied_tables()

    def run() -> None:
        try:
            result.value = function(call.request, tables, Draw(call, state))
        except BaseException as cause:  # noqa: BLE001  # the client gets any exception
            result.raised = cause

    thread = threading.Thread(target=run, name=f"handler {function.__name__}", daemon=True)
    thread.start()
    thread.join(limit.total_seconds())
    if thread.is_alive():
        message = f"{function.__name__} exceeded its time limit of {limit.total_seconds():g}s"
        raise TwinFailure(
            500, "handler_late", f"{message}; the changes of the function are discarded"
        )
    if (cause := result.raised) is not None:
        # With its line in the file, without the path of the file.
        file = inspect.unwrap(function).__code__.co_filename
        frames = reversed(traceback.extract_tb(cause.__traceback__))
        line = next((frame.lineno for frame in frames if frame.filename == file), None)
        message = f"{type(cause).__name__}: {cause}".rstrip(": ")
        raise TwinFailure(
            500, "handler_failed", f"{FILE}:{line}, {function.__name__}: {message}"
        ) from cause
    return _accept(function, call, state, tables, result.value)


def _accept(
    function: Function, call: RouteCall, state: ServiceState, tables: dict[str, Json], value: object
) -> ServiceResponse:
    """Keep the changed state, and return the response."""
    try:
        _require_collections(call.state, tables)
        canonical_json(tables)
        if isinstance(value, ServiceResponse):
            response = value
        else:
            canonical_json(cast("Json", value))
            response = json_response(cast("Json", value))
    except (NotCanonical, ExpressionError, ValueError) as cause:
        raise TwinFailure(500, "handler_failed", f"{function.__name__}: {cause}") from cause
    call.state.restore_tables(tables)
    call.state.counters, call.state.drawn = state.counters, state.drawn
    return response


def _require_collections(state: ServiceState, tables: Mapping[str, Json]) -> None:
    for name in state.collections:
        records = tables.get(name)
        if not isinstance(records, dict):
            raise ValueError(f"{name!r} must remain an object of records")
        invalid = [key for key, record in records.items() if not isinstance(record, dict)]
        if invalid:
            raise ValueError(f"the record {invalid[0]!r} in {name!r} must be an object")


def _members(file: Path) -> Mapping[str, object]:
    members: dict[str, object] = {"__name__": "handler", "__file__": str(file)}
    try:
        code: CodeType = compile(file.read_bytes(), str(file), "exec")
    except FileNotFoundError as cause:
        raise InvalidRouteKey("function", f"missing file {file}") from cause
    except (OSError, SyntaxError, ValueError) as cause:
        raise InvalidRouteKey("function", f"cannot read {file}: {cause}") from cause
    try:
        exec(code, members)  # the service's own file
    except Exception as cause:  # the author gets any exception
        frames = traceback.extract_tb(cause.__traceback__)
        line = next(
            (frame.lineno for frame in reversed(frames) if frame.filename == str(file)), None
        )
        raise InvalidRouteKey(
            "function", f"{file}:{line}: {type(cause).__name__}: {cause}"
        ) from cause
    return members


class Handler(RouteKind):
    """Answers with the result of `function(request, state, draw)`: JSON, or a `ServiceResponse`."""

    function: str
    time_limit: Duration = timedelta(seconds=2)

    def prepare(self, context: RouteContext) -> RouteHandler:
        """Return the handler that calls the function."""
        function = load_function(context.folder, self.function)

        def answer(call: RouteCall) -> ServiceResponse:
            return run_limited(function, call, self.time_limit)

        return answer


part = Handler
