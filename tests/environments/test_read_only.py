"""Read-only files: refused changes, with and without a sandbox for the commands."""

from dataclasses import replace
from pathlib import Path

import pytest

from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.errors import FileUnusable
from attractor.environments.local import LocalExecutionEnvironment
from attractor.environments.read_only import ReadOnlyExecutionEnvironment
from attractor.environments.sandbox.environment import SandboxedExecutionEnvironment
from tests.environments.places import OPERATOR, make_walls, run, use


def test_files_are_read_but_not_changed(workspace: Path) -> None:
    (workspace / "file").write_text("text")
    environment = ReadOnlyExecutionEnvironment(
        LocalExecutionEnvironment(workspace, environ=OPERATOR)
    )

    async def work(env: ExecutionEnvironment) -> str:
        for refused in (env.write_file("file", "new"), env.delete_file("file")):
            with pytest.raises(FileUnusable, match="file: the files are read-only") as caught:
                await refused
            assert "describe the change" in caught.value.hint
        return await env.read_file("file")

    assert use(environment, work) == "text"
    # A command cannot be checked in advance for writes.
    (result,) = run(environment, "echo new >file && cat file")
    assert result.stdout == "new\n"


@pytest.mark.usefixtures("sandbox_allowed")
def test_commands_in_a_read_only_sandbox_change_no_file(workspace: Path) -> None:
    (workspace / "file").write_text("text")
    walls = replace(make_walls(), read_only=True)
    environment = ReadOnlyExecutionEnvironment(SandboxedExecutionEnvironment(workspace, walls))
    changing = ("echo new >file", "rm file", "touch other", "mkdir folder", "chmod 777 file")
    results = run(environment, *changing, "mount -o remount,rw /workspace; echo new >file")
    assert [one.exit_code != 0 for one in results] == [True] * 6
    (result,) = run(environment, "cat file; echo elsewhere >/tmp/x && cat /tmp/x")
    assert result.stdout == "textelsewhere\n"
    assert [one.name for one in workspace.iterdir()] == ["file"]
