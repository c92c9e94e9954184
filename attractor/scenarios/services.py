"""Starts the services of a trial, waits until they are ready, and kills and restarts them."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack

from attractor.base.dataclasses import dataclass
from attractor.environments.environment import ExecutionEnvironment, RunningCommand
from attractor.scenarios.http_request import RequestFailed, send_request
from attractor.scenarios.suite import RequestStep, ServiceStep
from attractor.scenarios.suite_setup import last_line

_POLL_INTERVAL_S = 0.05
# As with systemd, a command that leaves a daemon behind ends when the daemon is about ready.
# Without a limit, each trial of a program that does nothing would wait for the whole `ready`.
_DAEMON_READY_S = 2.0
_KEPT_OUTPUT = 4096
# Time for a process that sees the end of its service, and ends by itself.
_LEFT_S = 2.0
_LOOK_MS = 10_000
# Only words of the shell itself, which no file of the candidate replaces. A process that closes
# each connection would seem to be gone if one asked its port. Some sandboxes show no table,
# although `[ -r` says so.
_LISTENING = """\
{ read -r _; } 2>/dev/null </proc/net/tcp || exit 3
for table in /proc/net/tcp /proc/net/tcp6; do
    { read -r _; } 2>/dev/null <$table || continue
    while read -r _ address _ state _; do
        [ "$state" != 0A ] || echo "${address##*:}"
    done <$table
done
true
"""
_NO_TABLES = 3


class Services:
    """The services of a trial in its environment; `ending` stops them in the end."""

    def __init__(self, environment: ExecutionEnvironment, ending: AsyncExitStack) -> None:
        self.environment = environment
        self._ending = ending
        self._started: dict[str, _StartedService] = {}

    @property
    def ports(self) -> Mapping[str, int]:
        """The ports of the services that were started, by name."""
        return {name: one.step.port for name, one in self._started.items()}

    async def start(self, step: ServiceStep, variables: Mapping[str, str]) -> str:
        """Start a service; return the reason why it is not ready in time, or ""."""
        service = _RunningService(
            await self.environment.start_service(step.service, env_vars=variables)
        )
        self._ending.push_async_callback(service.stop)
        self._started[step.name] = _StartedService(step, variables, service)
        failure, left_daemon, now = _unready(step), False, asyncio.get_running_loop().time
        latest = now() + step.ready.total_seconds()
        try:
            async with asyncio.timeout_at(latest) as limit:
                while failure := await self._readiness_failure(step):
                    if service.has_ended and not left_daemon:
                        if (code := await service.stop()) != 0:
                            failure = f"the service {_ended(code)}"
                            break
                        left_daemon = True
                        limit.reschedule(min(latest, now() + _DAEMON_READY_S))
                    await asyncio.sleep(_POLL_INTERVAL_S)
        except TimeoutError:
            failure += " in time"
            failure += f" after the service {_ended(0)}" if left_daemon else ""
        return ": ".join(filter(None, (failure, service.last_line))) if failure else ""

    async def stop(self) -> None:
        """Stop all services."""
        for one in self._started.values():
            await one.service.stop()

    async def restart(self, name: str, *, killed: bool = False) -> str:
        """Stop a service and start it again; return the reason of a failure, or "".

        No process of the service that was stopped can answer in place of the new one.
        """
        before = self._started[name]
        if before.service.has_ended:
            ended = f"the service {name} {_ended(await before.service.stop())} before this step"
            return ": ".join(filter(None, (ended, before.service.last_line)))
        await before.service.stop(at_once=killed)
        if not await self._becomes_free(before.step.port):
            how = "killed" if killed else "stopped"
            port = before.step.port
            return (
                f"the service {name} was {how}, and a process that it left listens on port {port}"
            )
        return await self.start(before.step, before.variables)

    async def _becomes_free(self, port: int) -> bool:
        now = asyncio.get_running_loop().time
        latest = now() + _LEFT_S
        while await self._has_listener(port):
            if now() >= latest:
                return False
            await asyncio.sleep(_POLL_INTERVAL_S)
        return True

    async def _has_listener(self, port: int) -> bool:
        looked = await self.environment.exec_command(_LISTENING, timeout_ms=_LOOK_MS)
        if looked.exit_code == _NO_TABLES:
            return await self._is_open(port)
        # A process that kills the shell which looks has something to hide.
        found = {int(one, 16) for one in looked.stdout.split()}
        return looked.exit_code != 0 or port in found

    async def _readiness_failure(self, step: ServiceStep) -> str:
        """Return the reason why a service is not ready, or ""."""
        if step.health is None:
            # A slow forwarder keeps a connection open for a moment, also without a server.
            is_ready = await self._is_open(step.port) and await self._has_listener(step.port)
            return "" if is_ready else _unready(step)
        request = RequestStep(name=step.name, port=step.port, path=step.health.path)
        try:
            answer = await send_request(request, self.environment, step.ready)
        except RequestFailed:
            return _unready(step)
        if answer.status == step.health.status:
            return ""
        place = f"port {step.port}, {step.health.path}"
        return f"{place} responded with {answer.status}, not {step.health.status}"

    async def _is_open(self, port: int) -> bool:
        """Return whether a port accepts a connection and keeps it open for a moment."""
        try:
            async with self.environment.reach(port) as address:
                host, _, outside = address.rpartition(":")
                reader, writer = await asyncio.open_connection(host, int(outside))
                try:
                    # A forwarder accepts every connection; without a server, it closes the
                    # connection immediately.
                    async with asyncio.timeout(_POLL_INTERVAL_S):
                        return await reader.read(1) != b""
                except TimeoutError:
                    return True
                finally:
                    writer.close()
        except OSError:
            return False


@dataclass(frozen=True)
class _StartedService:
    step: ServiceStep
    variables: Mapping[str, str]
    service: "_RunningService"


class _RunningService:
    """A service, and the end of its output."""

    def __init__(self, service: RunningCommand) -> None:
        self._service = service
        self._output = bytearray()
        self._watching = asyncio.create_task(self._watch())

    @property
    def has_ended(self) -> bool:
        """Whether the command ended by itself."""
        return self._watching.done()

    @property
    def last_line(self) -> str:
        """The last line of the output so far."""
        return last_line(self._output.decode("utf-8", "replace"))

    async def stop(self, *, at_once: bool = False) -> int:
        """Stop the service if it runs, and return its exit status."""
        code = await self._service.stop(at_once=at_once)
        await self._watching
        return code

    async def _watch(self) -> None:
        async for piece in self._service.output():
            self._output += piece
            del self._output[:-_KEPT_OUTPUT]


def _unready(step: ServiceStep) -> str:
    if step.health is None:
        return f"no connection to port {step.port}"
    return f"no response from port {step.port}, {step.health.path}"


def _ended(code: int) -> str:
    return f"ended with {code}"
