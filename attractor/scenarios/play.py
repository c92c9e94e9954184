"""Plays the steps of a scenario in an environment."""

import asyncio
import zlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx

from attractor.environments.environment import ExecutionEnvironment, Service
from attractor.scenarios.check import Observation, StepRecord
from attractor.scenarios.suite import CommandStep, RequestStep, Scenario, ServiceStep, Step

_POLL_INTERVAL_S = 0.05
_MAX_BODY = 16 * 1024 * 1024
_ENCODINGS = ("identity", "gzip", "deflate")
_HEADERS = {"accept-encoding": "gzip, deflate"}
_GZIP_OR_ZLIB, _RAW_DEFLATE = 32 + zlib.MAX_WBITS, -zlib.MAX_WBITS
# Step names of a suite contain no dot.
_SETUP = "setup."


@asynccontextmanager
async def play_scenario(
    scenario: Scenario, environment: ExecutionEnvironment, *, timeout: timedelta
) -> AsyncGenerator[Observation]:
    """Run the steps in order up to the first error; after the block, stop all services.

    Checks belong into the block, because some of them use the services.
    """
    player = _Player(environment, timeout)
    try:
        yield Observation(await player.run([*_setup_steps(scenario), *scenario.steps]), environment)
    finally:
        await player.stop_services()


def _setup_steps(scenario: Scenario) -> list[CommandStep]:
    # Built without validation, which refuses the dot.
    return [
        CommandStep.model_construct(name=f"{_SETUP}{number}", run=command, timeout=None)
        for number, command in enumerate(scenario.setup)
    ]


class _Player:
    """Runs steps, and remembers the services that must be stopped."""

    def __init__(self, environment: ExecutionEnvironment, timeout: timedelta) -> None:
        self._environment = environment
        self._timeout = timeout
        self._services: list[Service] = []

    async def run(self, steps: Sequence[Step]) -> dict[str, StepRecord]:
        """Run steps up to the first error; return the records of the steps."""
        records: dict[str, StepRecord] = {}
        for step in steps:
            records[step.name] = await self._run_step(step)
            if _ends_play(records[step.name]):
                break
        return records

    async def stop_services(self) -> None:
        """Stop all services, the last started service first."""
        for service in reversed(self._services):
            await service.stop()

    async def _run_step(self, step: Step) -> StepRecord:
        match step:
            case CommandStep():
                return await self._run_command(step)
            case ServiceStep():
                return await self._start_service(step)
            case RequestStep():
                return await self._send_request(step)

    async def _run_command(self, step: CommandStep) -> StepRecord:
        timeout = step.timeout or self._timeout
        result = await self._environment.exec_command(step.run, timeout_ms=_milliseconds(timeout))
        return StepRecord(
            step.name,
            exit_code=result.exit_code,
            stdout=result.stdout,
            stderr=result.stderr,
            timed_out=result.timed_out,
        )

    async def _start_service(self, step: ServiceStep) -> StepRecord:
        self._services.append(await self._environment.start_service(step.service))
        try:
            async with asyncio.timeout(step.ready.total_seconds()):
                while not await self._is_open(step.port):
                    await asyncio.sleep(_POLL_INTERVAL_S)
        except TimeoutError:
            trouble = f"no connection to port {step.port} in time"
            return StepRecord(step.name, is_ready=False, trouble=trouble)
        return StepRecord(step.name, is_ready=True)

    async def _is_open(self, port: int) -> bool:
        """Return whether a port accepts a connection and keeps it open for a moment."""
        try:
            async with self._environment.reach(port) as address:
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

    async def _send_request(self, step: RequestStep) -> StepRecord:
        timeout = (step.timeout or self._timeout).total_seconds()
        async with self._environment.reach(step.port) as address:
            url = f"http://{address}{step.path}"
            try:
                async with (
                    # The client's timeout is for each read, not for all of an endless response.
                    asyncio.timeout(timeout),
                    httpx.AsyncClient(timeout=timeout, trust_env=False) as client,
                    client.stream(step.method, url, content=step.body, headers=_HEADERS) as answer,
                ):
                    body = await _read_text(answer)
            except (httpx.HTTPError, TimeoutError) as error:
                trouble = f"{step.method} {step.path} failed: {type(error).__name__}"
                return StepRecord(step.name, trouble=trouble)
            except _UnreadableBody as error:
                return StepRecord(step.name, trouble=f"{step.method} {step.path} failed: {error}")
        return StepRecord(step.name, http_status=answer.status_code, body=body)


class _UnreadableBody(Exception):
    """The body of a response is too large or invalid."""


async def _read_text(answer: httpx.Response) -> str:
    """Return the text of a response, decompressed in steps up to the largest size.

    httpx decompresses each chunk as a whole, however large the result is.
    """
    encoding = answer.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in _ENCODINGS:
        raise _UnreadableBody(f"unsupported content-encoding {encoding!r}")
    decompress = None if encoding == "identity" else _decompressor()
    content = bytearray()
    async for chunk in answer.aiter_raw():
        content += decompress(chunk, _MAX_BODY + 1 - len(content)) if decompress else chunk
        if len(content) > _MAX_BODY:
            raise _UnreadableBody(f"the response is larger than {_MAX_BODY} bytes")
    headers = {"content-type": answer.headers.get("content-type", "")}
    return httpx.Response(answer.status_code, headers=headers, content=bytes(content)).text


def _decompressor() -> Callable[[bytes, int], bytes]:
    """Return a function that decompresses the next chunk, up to a number of bytes."""
    decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
    is_first = True

    def decompress(chunk: bytes, most: int) -> bytes:
        nonlocal decoder, is_first
        try:
            return decoder.decompress(chunk, most)
        except zlib.error as error:
            if not is_first:
                raise _UnreadableBody(f"invalid compressed response: {error}") from error
        finally:
            is_first = False
        # Some servers send deflate without the header of zlib.
        decoder = zlib.decompressobj(_RAW_DEFLATE)
        return decompress(chunk, most)

    return decompress


def _ends_play(record: StepRecord) -> bool:
    failed_setup = record.name.startswith(_SETUP) and record.exit_code != 0
    return bool(record.trouble) or failed_setup


def _milliseconds(timeout: timedelta) -> int:
    return round(timeout.total_seconds() * 1000)
