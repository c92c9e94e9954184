"""The environment in memory."""

import asyncio

import pytest

from attractor.base.processes import ExecResult, OutputChunk
from attractor.environments.environment import ExecutionEnvironment, GrepOptions, Promises
from attractor.environments.errors import InvalidPattern, NotSupported
from attractor.environments.memory import MemoryExecutionEnvironment
from tests.environments.places import use

DONE = ExecResult("made\n", "", 0, timed_out=False, duration_ms=1)


def test_commands_are_answered_by_a_table_and_others_are_refused() -> None:
    environment = MemoryExecutionEnvironment({"a": "text"}, commands={"make": DONE})

    async def work(env: ExecutionEnvironment) -> None:
        heard: list[OutputChunk] = []
        assert await env.exec_command("make", timeout_ms=1, on_output=heard.append) == DONE
        assert [one.text for one in heard] == ["made\n", ""]
        with pytest.raises(NotSupported, match="rm -rf") as caught:
            await env.exec_command("rm -rf /", timeout_ms=1)
        assert "commands=" in caught.value.hint
        with pytest.raises(NotSupported):
            await env.start_service("serve")
        for refused in (lambda: env.reach(80), lambda: env.offer(80, "localhost:80")):
            with pytest.raises(NotSupported, match="port 80"):
                refused()

    use(environment, work)
    assert environment.ran == ["make", "rm -rf /"]
    assert environment.files == {"a": "text"}


def test_memory_environment_starts_with_its_files_and_has_no_guarantees() -> None:
    environment = MemoryExecutionEnvironment({"a/b": "text"})
    assert asyncio.run(environment.read_file("/workspace/a/b")) == "text"
    assert environment.promises() == Promises()
    assert not environment.promises().guards_holdouts


def test_grep_takes_linear_time() -> None:
    environment = MemoryExecutionEnvironment({"a": f"{'a' * 100}!\n{'A' * 100}\n"})
    with pytest.raises(InvalidPattern, match="without look-around and back references"):
        asyncio.run(environment.grep("(?=a)", ".", GrepOptions()))
    found = asyncio.run(environment.grep("^(a+)+$", ".", GrepOptions(ignore_case=True)))
    assert found == f"a:2:{'A' * 100}\n"
