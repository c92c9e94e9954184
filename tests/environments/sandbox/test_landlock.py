"""Commands use the paths that Landlock allows, and their sandbox leaves nothing behind."""

import asyncio
import os
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.errors import NotSupported, SandboxLost, SandboxUnavailable
from attractor.environments.sandbox import landlock, process
from attractor.environments.sandbox.environment import SandboxedExecutionEnvironment
from attractor.environments.sandbox.seccomp import seccomp_filter
from tests.environments.places import FAR_MS, make_walls, run, use
from tests.environments.test_escapes import processes_of
from tests.patience import until

pytestmark = pytest.mark.usefixtures("landlock_allowed")


@pytest.fixture
def environment(workspace: Path) -> SandboxedExecutionEnvironment:
    return SandboxedExecutionEnvironment(workspace, make_walls("landlock"))


def test_own_folders_are_writable_and_removed(environment: SandboxedExecutionEnvironment) -> None:
    made, output = run(
        environment,
        'mkdir -p "$HOME/a/b" && echo x | tee here "$TMPDIR/x" "$HOME/a/b/x" && chmod 0 "$HOME/a"',
        'echo "$HOME" "$TMPDIR"; git init -q . && git status --short; cat <(echo piped) /dev/null',
    )
    assert (made.exit_code, output.stderr) == (0, "")
    home, tmp, *rest = output.stdout.split()
    assert rest == ["??", "here", "piped"]
    assert not Path(home).parent.exists()
    assert Path(home).parent == Path(tmp).parent


def test_readable_folders_are_not_writable(tmp_path: Path, workspace: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "tool").write_text("#!/bin/sh\necho works\n")
    (tools / "tool").chmod(0o755)
    environment = SandboxedExecutionEnvironment(workspace, make_walls("landlock", read=[tools]))
    works, written, listed = run(
        environment, f"{tools}/tool; ls {tools}", f"touch {tools}/x", f"ls {tmp_path} /tmp /root"
    )
    assert works.stdout == "works\ntool\n"
    assert (written.exit_code, listed.stdout) == (1, "")


def test_system_is_readable_without_processes(environment: SandboxedExecutionEnvironment) -> None:
    [result] = run(
        environment,
        "id -un >&2; python3 -c 'import os, socket; print(os.cpu_count(), socket.socketpair())';"
        "head -1 /proc/meminfo /proc/sys/kernel/pid_max; cat /proc/self/stat /proc/1/comm",
    )
    assert "MemTotal" in result.stdout
    assert all("Permission denied" in line for line in result.stderr.splitlines()[1:])
    assert len(result.stderr.splitlines()) == 3


def test_ports_are_not_supported(environment: SandboxedExecutionEnvironment) -> None:
    async def work(env: ExecutionEnvironment) -> None:
        for forwarding in (env.reach(80), env.offer(80, "127.0.0.1:1")):
            with pytest.raises(NotSupported, match="no ports") as caught:
                async with forwarding:
                    pass
            assert "bubblewrap" in caught.value.hint

    use(environment, work)


def test_killed_supervisor_leaves_nothing(environment: SandboxedExecutionEnvironment) -> None:
    stay = f"sleep 2000.{os.getpid()}"

    async def work(env: ExecutionEnvironment) -> Path:
        result = await env.exec_command('echo $PPID "$HOME"', timeout_ms=FAR_MS)
        supervisor, home = result.stdout.split()
        doing = asyncio.create_task(
            env.exec_command(f"setsid {stay} & sleep 1000", timeout_ms=FAR_MS)
        )
        await until(lambda: processes_of(stay))
        os.kill(int(supervisor), signal.SIGKILL)
        with pytest.raises(SandboxLost):
            await doing
        return Path(home)

    home = use(environment, work)
    assert (processes_of(stay), home.parent.exists()) == ([], False)


def test_missing_filters_are_reported(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = tmp_path / "private"
    private.mkdir()
    monkeypatch.setattr(process, "make_private_folder", lambda: private)
    monkeypatch.setattr(landlock, "seccomp_filter", partial(seccomp_filter, "riscv64"))
    with pytest.raises(SandboxUnavailable, match="needs seccomp"):
        run(SandboxedExecutionEnvironment(workspace, make_walls("landlock")), "true")
    assert not private.exists()


def test_interpreter_may_be_anywhere(workspace: Path, tmp_path: Path) -> None:
    settings = make_walls("landlock")
    program = tmp_path / "python"
    program.symlink_to(settings.python.program)
    settings = replace(settings, python=replace(settings.python, program=str(program)))
    [result] = run(SandboxedExecutionEnvironment(workspace, settings), "echo works")
    assert result.stdout == "works\n"


def test_files_of_a_read_only_workspace_are_unchanged(workspace: Path) -> None:
    (workspace / "file").write_text("text")
    settings = replace(make_walls("landlock"), read_only=True)
    changing = ("echo new >file", "rm file", "touch other", "mkdir folder", "mv file other")
    results = run(SandboxedExecutionEnvironment(workspace, settings), *changing, "cat file")
    assert [one.exit_code != 0 for one in results] == [True] * 5 + [False]
    assert [(one.name, one.read_text()) for one in workspace.iterdir()] == [("file", "text")]
