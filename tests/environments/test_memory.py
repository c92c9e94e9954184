"""The environment in memory."""

import asyncio

import pytest

from attractor.base.processes import ExecResult, OutputChunk
from attractor.environments.environment import ExecutionEnvironment, Promises
from attractor.environments.errors import NotSupported
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
