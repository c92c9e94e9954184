"""The options, the request log and the life cycle that all twin commands share."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import reduce
from types import FrameType
from typing import Any, Generic, TypeVar

import click

from attractor.base.errors import AttractorError, ExitCode, UsageError
from attractor.cli.output.streams import show
from attractor.twins.errors import PortInUse
from attractor.twins.recordings.json_diff import JsonPath
from attractor.twins.server.provider_state import KEEP, LoggedRequest
from attractor.twins.server.provider_twin import ProviderTwin
from attractor.twins.services.dispatch import ServedRequest
from attractor.twins.services.service_twin import ServiceTwin

R = TypeVar("R", LoggedRequest, ServedRequest)


class RequestLog(Generic[R]):
    """Logs requests to standard error."""

    def __init__(self, line_of: Callable[[R], str]) -> None:
        self.twin: ProviderTwin | ServiceTwin | None = None
        self._line_of = line_of
        self._has_reported_drops = False

    def __call__(self, request: R) -> None:
        """Log one request; if requests are dropped, log this fact once."""
        # Text of clients must not control the terminal.
        line = "".join(one if one.isprintable() else "?" for one in self._line_of(request))
        show(line, err=True)
        if self.twin and self.twin.dropped and not self._has_reported_drops:
            self._has_reported_drops = True
            show("the log is full: older requests are dropped (limit: --keep)", err=True)


def call_line(request: LoggedRequest) -> str:
    """Return a request to a provider twin as one line."""
    step = "" if request.step is None else f" step {request.step}"
    model = f" {request.model}" if request.model else ""
    rule = repr(request.rule) if request.rule else ""
    warning = f"(warning: {request.warning})" if request.warning else ""
    answered = " ".join(filter(None, [rule, request.error, warning]))
    result = f"{request.status or 'no status'} {answered or 'no rule matched'}"
    return f"#{request.number} {request.wire}{model}{step}: {result}"


def service_line_format(name: str) -> Callable[[ServedRequest], str]:
    """Return a function that formats a request to a service twin as one line."""

    def line_of(one: ServedRequest) -> str:
        by = repr(one.route) if one.route else ""
        answered = " ".join(filter(None, [by, one.fault, one.why])) or "no route matched"
        result = f"{one.status or 'no status'} {answered}"
        return f"#{one.number} {name} {one.method} {one.path}: {result}"

    return line_of


def log_unused_rules(twin: ProviderTwin) -> None:
    """Log the rules that never matched, often because an earlier rule matches every request."""
    unused = [str(one["name"]) for one in twin.state.usage() if not one["used"]]
    if unused and twin.requests:
        show(f"unused rules: {', '.join(unused)}", err=True)


def provider_twin_text(twin: ProviderTwin) -> str:
    """Return the address of a provider twin, and the commands to inspect the twin."""
    sources = [f"  {wire} at {url}" for wire, url in twin.providers.items()]
    return _text("The twin", twin, sources)


def service_twin_text(twin: ServiceTwin) -> str:
    """Return the address of a service twin, and the commands to inspect the twin."""
    return _text(f"The twin of {twin.service.name}", twin, [f"  {twin.to}"] if twin.to else [])


def _text(who: str, twin: ProviderTwin | ServiceTwin, sources: Sequence[str]) -> str:
    variables = [f"  export {name}={value}" for name, value in twin.environ().items()]
    found = " Set these variables for its clients:" if variables else ""
    lines = [f"{who} listens at {twin.url}.{found}", *variables]
    if sources:
        lines += ["It records requests and forwards them to:", *sources]
    control = f'curl -H "Authorization: Bearer {twin.token}" {twin.control_url}/requests'
    return "\n".join([*lines, "List its requests:", f"  {control}"])


def twin_record(twin: ProviderTwin | ServiceTwin) -> dict[str, object]:
    """Return the addresses of a twin as a JSON object."""
    return {
        "url": twin.url,
        "environ": dict(twin.environ()),
        "control_url": twin.control_url,
        "token": twin.token,
    }


def read_paths(texts: Sequence[str]) -> Sequence[JsonPath]:
    """Return the JSON paths of an option, or raise an error for an invalid one."""
    try:
        return [JsonPath(text) for text in texts]
    except ValueError as cause:
        raise UsageError(str(cause), hint="write it as $.data[*].id") from cause


class ShutdownReason:
    """Signals the shutdown of twins, with the error that caused the shutdown, if any."""

    def __init__(self) -> None:
        self.requested = asyncio.Event()
        self.error: AttractorError | None = None
        self.is_heard = False

    def because_of(self, error: AttractorError) -> None:
        """Shut down because of an error, such as a failed recording."""
        self.error = self.error or error
        self.requested.set()


async def serve(
    twins: Sequence[AbstractAsyncContextManager[Any]],
    ending: ShutdownReason,
    tell: Callable[[], None],
) -> None:
    """Run twins until a signal or an error; call `tell` when all twins are ready.

    A second signal exits immediately.
    """
    loop = asyncio.get_running_loop()

    def hear(number: int, frame: FrameType | None) -> None:
        if ending.is_heard:
            # Code of a script may hang. Recordings are already on disk.
            os._exit(ExitCode.INTERRUPTED)
        # Not raised: the exception would end in the request being answered.
        loop.call_soon_threadsafe(ending.requested.set)
        ending.is_heard = True

    async with AsyncExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM):
            stack.callback(signal.signal, number, signal.signal(number, hear))
        for twin in twins:
            await stack.enter_async_context(twin)
        tell()
        await ending.requested.wait()


def serve_until_signal(
    twins: Sequence[AbstractAsyncContextManager[Any]],
    ending: ShutdownReason,
    tell: Callable[[], None],
) -> None:
    """Run twins until a signal; if an error stopped the twins, raise this error."""
    try:
        asyncio.run(serve(twins, ending, tell))
    except PortInUse as fault:
        # The server is slow to import.
        from attractor.server.errors import PortTaken
        from attractor.server.serving import describe_listener

        raise PortTaken(fault.host, fault.port, describe_listener(fault.port)) from fault
    if ending.error:
        raise ending.error


PORT = click.IntRange(0, 65535)
C = TypeVar("C", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--keep",
        type=click.IntRange(1),
        default=KEEP,
        show_default=True,
        help="Keep the last N requests in memory for the control API.",
    ),
    click.option(
        "--port", type=PORT, default=0, help="Listen on this port (default: any free port)."
    ),
    click.option(
        "--control-port",
        type=PORT,
        default=0,
        help="Serve the control API on this port (default: any free port).",
    ),
    click.option(
        "-v/-q",
        "--verbose/--quiet",
        "is_verbose",
        default=None,
        help="Log each request to stderr. By default, requests are logged unless --json is set.",
    ),
)


def twin_options(command: C) -> C:
    """Add the options shared by twin commands."""
    return reduce(lambda made, option: option(made), reversed(_OPTIONS), command)


def logs_requests(is_verbose: bool | None, *, as_json: bool) -> bool:
    """Return whether to log requests.

    By default, requests are logged, except with `--json`, because a full pipe blocks the twin.
    """
    return not as_json if is_verbose is None else is_verbose
