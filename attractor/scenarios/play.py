"""Plays the steps of one scenario in an environment and writes down what was seen."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import httpx

from attractor.environments.environment import ExecutionEnvironment, Service
from attractor.scenarios.evaluation import Observed, StepRecord
from attractor.scenarios.suite import CommandStep, RequestStep, Scenario, ServiceStep, Step

_BETWEEN_KNOCKS_S = 0.05
# No step that people write can have a dot in its name.
_SETUP = "setup."


async def play(
    scenario: Scenario, environment: ExecutionEnvironment, *, timeout: timedelta
) -> Observed:
    """Make every step in order; one that can't be made ends the play. Services are stopped."""
    player = _Player(environment, timeout)
    try:
        return Observed(await player.make([*_setup_steps(scenario), *scenario.steps]), environment)
    finally:
        await player.stop_services()


def _setup_steps(scenario: Scenario) -> list[CommandStep]:
    # Built without validation, which would refuse the dot.
    return [
        CommandStep.model_construct(name=f"{_SETUP}{number}", run=command, timeout=None)
        for number, command in enumerate(scenario.setup)
    ]


class _Player:
    """Makes steps and remembers the services it started."""

    def __init__(self, environment: ExecutionEnvironment, timeout: timedelta) -> None:
        self._environment = environment
        self._timeout = timeout
        self._services: list[Service] = []

    async def make(self, steps: Sequence[Step]) -> dict[str, StepRecord]:
        """Return the record of every step that was reached."""
        records: dict[str, StepRecord] = {}
        for step in steps:
            records[step.name] = await self._make(step)
            if _is_the_end(records[step.name]):
                break
        return records

    async def stop_services(self) -> None:
        """Stop every service, the last one first."""
        for service in reversed(self._services):
            await service.stop()

    async def _make(self, step: Step) -> StepRecord:
        match step:
            case CommandStep():
                return await self._run(step)
            case ServiceStep():
                return await self._serve(step)
            case RequestStep():
                return await self._ask(step)

    async def _run(self, step: CommandStep) -> StepRecord:
        patience = step.timeout or self._timeout
        result = await self._environment.exec_command(step.run, timeout_ms=_milliseconds(patience))
        return StepRecord(
            step.name,
            exit_code=result.exit_code,
            stdout=result.stdout,
            stderr=result.stderr,
            timed_out=result.timed_out,
        )

    async def _serve(self, step: ServiceStep) -> StepRecord:
        self._services.append(await self._environment.start_service(step.service))
        try:
            async with asyncio.timeout(step.ready.total_seconds()):
                while not await self._answers(step.port):
                    await asyncio.sleep(_BETWEEN_KNOCKS_S)
        except TimeoutError:
            trouble = f"nothing answered on port {step.port} in time"
            return StepRecord(step.name, is_ready=False, trouble=trouble)
        return StepRecord(step.name, is_ready=True)

    async def _answers(self, port: int) -> bool:
        """Tell whether a port inside takes a connection and keeps it for a moment."""
        try:
            async with self._environment.reach(port) as address:
                host, _, outside = address.rpartition(":")
                reader, writer = await asyncio.open_connection(host, int(outside))
                try:
                    # A forwarder accepts before it knows; who is not there hangs up at once.
                    async with asyncio.timeout(_BETWEEN_KNOCKS_S):
                        return await reader.read(1) != b""
                except TimeoutError:
                    return True
                finally:
                    writer.close()
        except OSError:
            return False

    async def _ask(self, step: RequestStep) -> StepRecord:
        patience = (step.timeout or self._timeout).total_seconds()
        async with self._environment.reach(step.port) as address:
            try:
                async with httpx.AsyncClient(timeout=patience, trust_env=False) as client:
                    url = f"http://{address}{step.path}"
                    answer = await client.request(step.method, url, content=step.body)
            except httpx.HTTPError as error:
                trouble = f"{step.method} {step.path} was not answered: {type(error).__name__}"
                return StepRecord(step.name, trouble=trouble)
        return StepRecord(step.name, http_status=answer.status_code, body=answer.text)


def _is_the_end(record: StepRecord) -> bool:
    failed_setup = record.name.startswith(_SETUP) and record.exit_code != 0
    return bool(record.trouble) or failed_setup


def _milliseconds(patience: timedelta) -> int:
    return round(patience.total_seconds() * 1000)
