"""The background commands of a session: their later output, their end, and stopping them."""

import asyncio

from attractor.base.errors import UnknownName
from attractor.base.processes import BoundedOutput, OutputLimit
from attractor.environments.environment import ExecutionEnvironment, RunningCommand

UNREAD = OutputLimit(head=64 * 1024, tail=192 * 1024)
"""The limit of the output that a command keeps for the next call."""


class BackgroundCommand:
    """A background command and its unread output."""

    def __init__(self, service: RunningCommand) -> None:
        self._service = service
        self._unread = BoundedOutput(UNREAD)
        self._reading = asyncio.create_task(self._read())

    async def wait(self, seconds: float) -> None:
        """Wait for the end of the command, but not longer than some seconds."""
        await asyncio.wait([self._reading], timeout=seconds)

    async def stop(self) -> None:
        """Stop the command; harmless if the command has ended."""
        await self._service.stop()
        await self._reading

    def take_output(self) -> str:
        """Return the output since the last call, with its middle omitted if it is too long."""
        output, self._unread = self._unread, BoundedOutput(UNREAD)
        return output.kept().text

    @property
    def exit_code(self) -> int | None:
        """The exit status; None while the command runs."""
        return self._reading.result() if self._reading.done() else None

    async def _read(self) -> int:
        async for piece in self._service.output():
            self._unread.add(piece)
        return await self._service.stop()


class BackgroundCommands:
    """The background commands of a session by id."""

    def __init__(self) -> None:
        self._commands: dict[str, BackgroundCommand] = {}

    async def start(self, command: str, environment: ExecutionEnvironment) -> str:
        """Start a command and return its id."""
        service = await environment.start_service(command)
        id = f"command_{len(self._commands) + 1}"
        self._commands[id] = BackgroundCommand(service)
        return id

    def find(self, id: str) -> BackgroundCommand:
        """Return the command with an id."""
        if id not in self._commands:
            raise UnknownName("background command", id, self._commands)
        return self._commands[id]

    async def stop_all(self) -> None:
        """Stop all commands, at the end of the session."""
        await asyncio.gather(*(command.stop() for command in self._commands.values()))
