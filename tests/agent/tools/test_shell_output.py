"""Background commands: `shell` starts them, `shell_output` reads and stops them."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from attractor.agent.events import EventKind
from attractor.agent.tool_calls.background_commands import BackgroundCommands
from attractor.agent.tool_calls.tool import ToolCallScope
from attractor.agent.tools import shell, shell_output
from attractor.base.errors import UnknownName
from attractor.base.json import Json
from attractor.environments.local import LocalExecutionEnvironment
from tests.agent.places import finish, local
from tests.agent.twinned import WIRES, says, submit, talk, use, uses
from tests.base.running import is_running
from tests.patience import until
from tests.tables import table

Read = Callable[..., Awaitable[str]]


def background(
    folder: Path, command: str, work: Callable[[Read, ToolCallScope], Awaitable[None]]
) -> None:
    """Start a command in the background, use its output, and clean up the environment."""

    async def run(environment: LocalExecutionEnvironment) -> None:
        call = ToolCallScope()
        arguments: dict[str, Json] = {"command": command, "run_in_background": True}
        try:
            started = await shell.part.execute(arguments, environment, call)
            assert started.startswith("command_id: command_1\nstatus: running\n")

            async def read(id: str = "command_1", **more: Json) -> str:
                return await shell_output.part.execute(
                    {"command_id": id, **more}, environment, call
                )

            await work(read, call)
        finally:
            await environment.cleanup()

    finish(run(local(folder)))


def test_later_output_is_returned_once(tmp_path: Path) -> None:
    async def work(read: Read, call: ToolCallScope) -> None:
        shown = ""
        while "begun" not in shown:
            shown = await read(wait_ms=10)
        assert shown == "begun\n[running]"
        (tmp_path / "go").touch()
        assert await read(wait_ms=20_000) == "ended\n[exit code 3]"
        assert await read() == "[exit code 3]"

    command = "echo begun; until [ -e go ]; do sleep 0.01; done; printf ended >&2; exit 3"
    background(tmp_path, command, work)


def test_a_command_is_stopped_with_its_processes(tmp_path: Path) -> None:
    async def work(read: Read, call: ToolCallScope) -> None:
        shown = ""
        while "\n" not in shown.removesuffix("[running]"):
            shown = await read(wait_ms=10)
        assert await read(stop=True) == "[exit code -15]"
        # A killed process exists until its parent reaps it.
        await until(lambda: not is_running(int(shown.split()[0])))

    background(tmp_path, "sleep 1000 & echo $!; wait", work)


def test_all_commands_end_with_the_session(tmp_path: Path) -> None:
    async def work(read: Read, call: ToolCallScope) -> None:
        await call.state.of(BackgroundCommands).stop_all()
        assert re.fullmatch(r"\[exit code -\d+\]", await read())

    background(tmp_path, "sleep 1000", work)


@table("wire", WIRES)
def test_a_server_serves_later_calls_and_ends_with_the_session(tmp_path: Path, wire: str) -> None:
    starts = {"command": "echo $$ >server; exec sleep 1000", "run_in_background": True}
    waits = {"command": "until [ -s server ]; do sleep 0.01; done; kill -0 $(cat server)"}
    reads = {"command_id": "command_1"}
    answers = [
        *(uses(use("shell", starts)), uses(use("shell", waits)), uses(use("shell_output", reads))),
        says("ok"),
    ]
    done = talk(tmp_path, wire, answers, submit("Serve"))
    started, waited, read = (one["output"] for one in done.data_of(EventKind.TOOL_CALL_END))
    assert "command_id: command_1" in str(started)
    assert "[exit code 0" in str(waited)
    assert read == "[running]"
    assert not is_running(int((tmp_path / "server").read_text()))


def test_the_middle_of_long_unread_output_is_omitted(tmp_path: Path) -> None:
    async def work(read: Read, call: ToolCallScope) -> None:
        shown = await read(wait_ms=20_000)
        assert shown.startswith("first\n")
        assert shown.endswith("last\n[exit code 0]")
        assert "bytes omitted" in shown
        assert len(shown) < 300_000

    background(tmp_path, "echo first; yes | head -c 3000000; echo last", work)


def test_an_unknown_id_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    async def work(read: Read, call: ToolCallScope) -> None:
        with pytest.raises(UnknownName, match="unknown background command '7'") as refused:
            await read("7")
        assert refused.value.hint == "known: command_1"

    background(tmp_path, "true", work)
