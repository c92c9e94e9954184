"""Runs a generated app: its server, and commands that read and write its state.

In a sandbox of bubblewrap the state is the only folder that an app can write, and its code is
read-only. Without one (no sandbox given, or none that can show folders) it is a process of the
operator.
"""

import asyncio
import shlex
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from attractor.base.dataclasses import dataclass
from attractor.base.files import file_error
from attractor.base.json import Json, parse_json
from attractor.environments.environment import ExecutionEnvironment, Inherit, RunningCommand
from attractor.environments.local import LocalExecutionEnvironment
from attractor.environments.sandbox.bubblewrap import BindMount
from attractor.environments.selection import EnvironmentChoice, choose_environment
from attractor.growth.apps.access import KEY_HASH, hash_of_key, key_header, new_key
from attractor.growth.apps.service_gateway import service_gateway
from attractor.growth.apps.services import Services, no_services
from attractor.growth.apps.skeleton import APP_FOLDERS, STACK
from attractor.growth.apps.stack import stacks
from attractor.growth.errors import AppFailed
from attractor.growth.migration import State, read_state, write_state
from attractor.workspaces.folders import scratch_folder

# Slow to import, and every start of a released app would wait for it twice.
if TYPE_CHECKING:
    from attractor.pipeline.project.project import Project

_START_S = 60.0
_COMMAND_MS = 120_000
_READY = "listening on http://127.0.0.1:"
_KEPT = 1000


@dataclass(frozen=True)
class RunningApp:
    """An app that answers at `url`."""

    url: str
    output: list[str]
    """The output of the app so far: places of errors, without values of records."""
    ended: "asyncio.Future[None]"
    """Waits for the end of the app."""
    stop: Callable[[], Awaitable[int]]
    """Ends the app, which answers its requests first."""
    headers: Mapping[str, str]
    """The key of the harness, with which an app with roles allows every request."""


async def app_sandbox(
    environ: Mapping[str, str], *, hide: Sequence[Path], kind: str = "auto"
) -> EnvironmentChoice:
    """Choose the sandbox of apps, in which this Python is visible."""
    python = dict.fromkeys(Path(one).resolve() for one in (sys.prefix, sys.base_prefix))
    shown = [one for one in python if not str(one).startswith("/usr")]
    return await choose_environment(kind, environ=environ, hide=hide, read=shown)


async def sandbox_of(project: "Project") -> EnvironmentChoice:
    """Choose the sandbox of apps, with the folders of the operator hidden."""
    hidden = [
        one for one in (project.root, project.runs_dir, project.machine.state_dir) if one.exists()
    ]
    # Slow to import, as above.
    from attractor.pipeline.project.run_scope import RunScope

    return await app_sandbox(RunScope.of(project).variables_of_tools, hide=hidden)


@asynccontextmanager
async def running_app(
    tree: Path,
    state: Path,
    *,
    clock: datetime | None = None,
    seed: int = 0,
    sandbox: EnvironmentChoice | None = None,
    variables: Mapping[str, str] | None = None,
    services: Services = no_services,
) -> AsyncGenerator[RunningApp]:
    """Serve the app of a tree on a free port until the block ends, or raise AppFailed.

    The clock is fixed if it is given.
    """
    fixed = {"APP_CLOCK": clock.isoformat()} if clock else {}
    async with (
        _place(tree, state, sandbox) as place,
        services(tree, seed) as outside,
        service_gateway(tree, place.environment, outside) as reached,
    ):
        key = new_key()
        given = {**fixed, **reached, KEY_HASH: hash_of_key(key), **(variables or {})}
        variables = {**place.variables, "APP_SEED": str(seed), **given}
        command = _command(*stacks()[STACK].serve)
        service = await place.environment.start_service(command, env_vars=variables)
        output: list[str] = []
        port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        reading = asyncio.create_task(_read_output(service, output, port))
        try:
            async with place.environment.reach(await _started(port, output)) as address:
                ended = asyncio.shield(reading)
                headers = key_header(key)
                yield RunningApp(f"http://{address}", output, ended, service.stop, headers)
        finally:
            await service.stop()
            reading.cancel()
            # Awaiting the task itself, and suppressing its end, would lose a cancellation of ours.
            await asyncio.wait([reading])
            if not reading.cancelled():
                reading.result()


async def _started(port: "asyncio.Future[int]", output: Sequence[str]) -> int:
    try:
        async with asyncio.timeout(_START_S):
            return await port
    except TimeoutError as cause:
        said = "".join(output)
        raise AppFailed(f"the app did not start within {_START_S:.0f} s: {said}") from cause


async def _read_output(
    service: RunningCommand, output: list[str], port: "asyncio.Future[int]"
) -> None:
    """Collect the newest output, and find the port in the ready line."""
    async for piece in service.output():
        output.append(piece.decode(errors="replace"))
        del output[:-_KEPT]
        if not port.done():
            _, _, rest = "".join(output).partition(_READY)
            digits, ended, _ = rest.partition("\n")
            if ended:
                port.set_result(int(digits))
    if not port.done():
        last = "".join(output).strip().rpartition("\n")[2]
        port.set_exception(AppFailed(f"the app ended at its start: {last}"))


async def export_state(
    tree: Path, state: Path, *, sandbox: EnvironmentChoice | None = None
) -> State:
    """Return the records of an app, or raise AppFailed."""
    async with _place(tree, state, sandbox) as place:
        with scratch_folder(state) as folder:
            await place.run("export", folder)
            return read_state(folder)


async def import_state(
    tree: Path, state: Path, records: State, *, sandbox: EnvironmentChoice | None = None
) -> None:
    """Replace the records of an app, or raise AppFailed; without entities, there are none."""
    if not records:
        # The app refuses a folder without files: it may be the wrong one.
        return
    async with _place(tree, state, sandbox) as place:
        with scratch_folder(state) as folder:
            write_state(records, folder)
            await place.run("import", folder)


async def ask_app(
    tree: Path, state: Path, *words: str, sandbox: EnvironmentChoice | None = None
) -> Json:
    """Return the JSON that a command of an app prints, or raise AppFailed with its words."""
    async with _place(tree, state, sandbox) as place:
        return parse_json(await place.execute(*words))


@dataclass(frozen=True)
class _Place:
    """Where an app runs: in a sandbox that shows its code in its state, or in its tree."""

    environment: ExecutionEnvironment
    state: Path
    is_sandboxed: bool

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment variables of the app."""
        state = "." if self.is_sandboxed else str(self.state)
        return {"APP_STATE": state, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}

    async def run(self, name: str, folder: Path) -> None:
        """Run a command of the app on a folder within its state."""
        path = folder.name if self.is_sandboxed else str(folder)
        try:
            await self.execute(name, path)
        except AppFailed as cause:
            fault = f"the app cannot {name} its state: {cause.message}"
            raise AppFailed(fault) from cause

    async def execute(self, *words: str) -> str:
        """Run a command of the app and return its output, or raise AppFailed with its words."""
        result = await self.environment.exec_command(
            _command("-m", "app", *words), timeout_ms=_COMMAND_MS, env_vars=self.variables
        )
        if result.exit_code:
            last = result.stderr.strip().rpartition("\n")[2].removeprefix("error: ")
            raise AppFailed("time limit exceeded" if result.timed_out else last)
        return result.stdout


@asynccontextmanager
async def _place(
    tree: Path, state: Path, sandbox: EnvironmentChoice | None
) -> AsyncGenerator[_Place]:
    try:
        state.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise file_error("create", state, cause) from cause
    if sandbox and sandbox.make_showing:
        shown = [BindMount(tree, folder) for folder in APP_FOLDERS if (tree / folder).is_dir()]
        place = _Place(sandbox.make_showing(state, shown), state.resolve(), True)
    else:
        local = LocalExecutionEnvironment(tree, inherit=Inherit.CORE)
        place = _Place(local, state.resolve(), False)
    try:
        await place.environment.initialize()
        yield place
    finally:
        await place.environment.cleanup()


def _command(*arguments: str) -> str:
    return f"exec {shlex.join([sys.executable, *arguments])}"
