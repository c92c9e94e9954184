"""Answers with a function in the service's `handler.py`."""

import inspect
import threading
import traceback
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from types import CodeType
from typing import Any, TypeAlias, cast

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical, suggest
from attractor.base.json import Json, canonical_json
from attractor.twins.exchange.answer import Duration
from attractor.twins.services.errors import Misfit, Unanswerable
from attractor.twins.services.response import Response, json_response
from attractor.twins.services.route import Answers, Call, RouteContext, RouteKind
from attractor.twins.services.state import State, written_time
from attractor.twins.services.templates import TemplateTrouble

FILE = "handler.py"


Function: TypeAlias = Callable[..., object]


class Draw:
    """What a function asks for instead of the machine's time and chance."""

    def __init__(self, call: Call, state: State) -> None:
        self.now = call.now
        self.written_now = written_time(call.now)
        self.from_path: Mapping[str, str] = call.from_path
        self.counter = state.counter
        self.random = state.random
        self.letters = state.letters
        self.uuid = state.uuid


@dataclass
class _Ended:
    """What became of a function: a value, or what it raised."""

    value: object = None
    raised: BaseException | None = None


def load_function(folder: Path, name: str) -> Function:
    """Return a function of the file beside the service's, or say why there is none."""
    file = folder / FILE
    found = _members(file)
    functions = {key: one for key, one in found.items() if inspect.isfunction(one)}
    if name not in functions:
        near = suggest(name, functions)
        hint = f", did you mean {near!r}?" if near else ""
        raise Misfit("function", f"{file} has no function {name!r}{hint}")
    function = functions[name]
    if inspect.iscoroutinefunction(function):
        raise Misfit("function", f"{name} in {file} is async; write it with def alone")
    try:
        inspect.signature(function).bind(None, None, None)
    except TypeError as cause:
        told = f"{name} in {file} has to take (request, state, draw)"
        raise Misfit("function", told) from cause
    return function


def run_limited(function: Function, call: Call, limit: timedelta) -> Response:
    """Call a function with a copy of the state, which counts when it ends in time and well."""
    ended = _Ended()
    # Of its own, for it may go on behind its time: then nothing it does counts.
    state = call.state.copy()
    tables = state.loose_tables()

    def run() -> None:
        try:
            ended.value = function(call.request, tables, Draw(call, state))
        except BaseException as cause:  # noqa: BLE001  # whatever it is, the client is told
            ended.raised = cause

    thread = threading.Thread(target=run, name=f"handler {function.__name__}", daemon=True)
    thread.start()
    thread.join(limit.total_seconds())
    if thread.is_alive():
        told = f"{function.__name__} took longer than {limit.total_seconds():g}s"
        raise Unanswerable(500, "handler_late", f"{told}; what it changed does not count")
    if ended.raised is not None:
        raise _failed(function, ended.raised) from ended.raised
    return _accepted(function, call, state, tables, ended.value)


def _accepted(
    function: Function, call: Call, state: State, tables: dict[str, Json], value: object
) -> Response:
    """Take over what it made of the state, and its response."""
    try:
        _require_collections(call.state, tables)
        canonical_json(tables)
        response = _response(value)
    except (NotCanonical, TemplateTrouble, ValueError) as cause:
        raise Unanswerable(500, "handler_failed", f"{function.__name__}: {cause}") from cause
    call.state.put_back(tables)
    call.state.counters, call.state.drawn = state.counters, state.drawn
    return response


def _response(value: object) -> Response:
    if isinstance(value, Response):
        return value
    canonical_json(cast("Json", value))
    return json_response(cast("Json", value))


def _require_collections(state: State, tables: Mapping[str, Json]) -> None:
    for name in state.collections:
        records = tables.get(name)
        if not isinstance(records, dict):
            raise ValueError(f"it left no table of records in {name!r}")
        loose = [key for key, one in records.items() if not isinstance(one, dict)]
        if loose:
            raise ValueError(f"the record {loose[0]!r} it left in {name!r} is no table")


def _failed(function: Function, cause: BaseException) -> Unanswerable:
    """Say what was raised, and in which line of its file; where that lies is no client's matter."""
    frames = traceback.extract_tb(cause.__traceback__)
    file = cast("Any", function).__code__.co_filename
    line = next((one.lineno for one in reversed(frames) if one.filename == file), None)
    told = f"{type(cause).__name__}: {cause}".rstrip(": ")
    return Unanswerable(500, "handler_failed", f"{FILE}:{line}, {function.__name__}: {told}")


def _members(file: Path) -> Mapping[str, object]:
    members: dict[str, object] = {"__name__": "handler", "__file__": str(file)}
    try:
        code: CodeType = compile(file.read_bytes(), str(file), "exec")
    except FileNotFoundError as cause:
        raise Misfit("function", f"there is no {file} with functions for it") from cause
    except (OSError, SyntaxError, ValueError) as cause:
        raise Misfit("function", f"{file} cannot be read: {cause}") from cause
    try:
        exec(code, members)  # the service's own file, as a module would be
    except Exception as cause:  # its author is told, whatever it is
        frames = traceback.extract_tb(cause.__traceback__)
        line = next((one.lineno for one in reversed(frames) if one.filename == str(file)), None)
        raise Misfit("function", f"{file}:{line}: {type(cause).__name__}: {cause}") from cause
    return members


class Handler(RouteKind):
    """What `function(request, state, draw)` returns: a value of JSON, or a `Response`."""

    function: str
    time_limit: Duration = timedelta(seconds=2)

    def open(self, surroundings: RouteContext) -> Answers:
        """Return what calls the function."""
        function = load_function(surroundings.folder, self.function)

        def answer(call: Call) -> Response:
            return run_limited(function, call, self.time_limit)

        return answer


part = Handler
