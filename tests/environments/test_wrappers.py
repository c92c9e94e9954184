import pytest

from attractor.environments.environment import ExecutionEnvironment, GrepOptions
from attractor.environments.wrappers import EnvironmentWrapper, SubfolderEnvironment
from tests.environments.places import FAR_MS

pytestmark = pytest.mark.anyio


async def test_paths_and_commands_start_at_the_folder(shell: ExecutionEnvironment) -> None:
    await shell.write_file("a folder/x", "text")
    inner = SubfolderEnvironment(shell, f"{shell.working_directory()}/a folder")
    assert await inner.read_file("x") == "text"
    assert await inner.read_bytes("x", limit=2) == b"te"
    assert await inner.grep("t", ".", GrepOptions()) == "x:1:text\n"
    assert await inner.grep("none", ".", GrepOptions()) == ""
    assert await inner.glob("*") == ["x"]
    beside = f"{shell.working_directory()}/y"
    await inner.write_file("../y", "text")
    assert await inner.glob("y", "..") == [beside]
    assert await inner.grep("text", "../y", GrepOptions()) == f"{beside}:1:text\n"
    result = await inner.exec_command("cat x", timeout_ms=FAR_MS)
    assert result.stdout == "text"
    service = await inner.start_service("false || cat x; exit 3")
    assert b"".join([piece async for piece in service.output()]) == b"text"
    assert await service.stop() == 3


async def test_commands_and_services_have_more_variables(shell: ExecutionEnvironment) -> None:
    inner = EnvironmentWrapper(shell, variables={"ONE": "1", "TWO": "2"})
    result = await inner.exec_command(
        'echo "$ONE $TWO"', timeout_ms=FAR_MS, env_vars={"TWO": "zwei"}
    )
    assert result.stdout == "1 zwei\n"
    service = await inner.start_service('echo "$ONE"')
    assert b"".join([piece async for piece in service.output()]) == b"1\n"
