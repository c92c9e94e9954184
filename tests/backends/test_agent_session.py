"""What an agent's commands print is seen while they run, and they have the stage's variables."""

import asyncio
from pathlib import Path

from attractor.backends.agent_session import AgentPlace
from attractor.engine.stage.folder import TAIL
from attractor.environments.environment import ExecutionEnvironment
from tests.agent.places import finish, local
from tests.handlers.stages import KeptFiles


def test_what_a_command_prints_is_seen_while_it_runs(tmp_path: Path) -> None:
    files = KeptFiles()
    place: ExecutionEnvironment = AgentPlace(local(tmp_path), {}, files)

    async def look_on() -> str:
        command = "echo begun; while [ ! -e go ]; do sleep 0.02; done"
        running = asyncio.create_task(place.exec_command(command, timeout_ms=15_000))
        while TAIL not in files.texts:
            assert not running.done()
            await asyncio.sleep(0.02)
        (tmp_path / "go").touch()
        assert (await running).exit_code == 0
        return files.texts[TAIL]

    assert finish(look_on()) == "begun\n"


def test_commands_and_services_have_the_variables_and_their_own(tmp_path: Path) -> None:
    place = AgentPlace(local(tmp_path), {"ONE": "1", "TWO": "2"}, KeptFiles())

    async def told() -> tuple[str, bytes]:
        result = await place.exec_command(
            'echo "$ONE $TWO"', timeout_ms=5_000, env_vars={"TWO": "zwei"}
        )
        service = await place.start_service('echo "$ONE"')
        return result.stdout, b"".join([piece async for piece in service.output()])

    assert finish(told()) == ("1 zwei\n", b"1\n")
