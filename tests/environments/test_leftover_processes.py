"""Processes that commands leave on the operator's machine end with their environment."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from attractor.environments.local import LocalExecutionEnvironment
from attractor.environments.orphan_processes import (
    MARK,
    Process,
    can_find_orphans,
    kill_marked,
    signal_process,
)
from tests.counts import count
from tests.environments.places import FAR_MS, OPERATOR
from tests.patience import PATIENCE_S, holds_once, until

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(not can_find_orphans(), reason="no /proc")]

# A leftover process writes its process id when it runs; the command ends after that.
STAY = "echo $$ >pids; exec sleep 1000 >/dev/null 2>&1"
STUBBORN = 'trap "" TERM; echo $$ >pids; while :; do sleep 0.01; done'
WAIT = "while ! [ -s pids ]; do sleep 0.01; done"


@pytest.fixture
def environment(workspace: Path) -> LocalExecutionEnvironment:
    return LocalExecutionEnvironment(workspace, environ=OPERATOR)


@pytest.fixture
def pids(workspace: Path) -> Iterator[Path]:
    """The file into which leftover processes write their ids."""
    (workspace / "stay").write_text(STAY)
    (workspace / "stubborn").write_text(STUBBORN)
    yield workspace / "pids"
    # Select by working directory: another process may have a written id by now.
    for pid in running_in(workspace):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def running_in(workspace: Path) -> list[int]:
    """Return the running processes whose working directory is the workspace."""
    found: list[int] = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink() == workspace and is_running(int(process.name)):
                found.append(int(process.name))
    return found


def written_pids(file: Path) -> list[int]:
    return [int(word) for word in file.read_text().split()] if file.exists() else []


def is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def leave_processes(environment: LocalExecutionEnvironment, pids: Path, command: str) -> list[bool]:
    """Run a command; return whether a leftover process ran before and after the clean-up."""

    async def work() -> list[bool]:
        await environment.initialize()
        await environment.exec_command(command, timeout_ms=FAR_MS)
        before = [is_running(pid) for pid in written_pids(pids)]
        await environment.cleanup()
        return [any(before), any(is_running(pid) for pid in written_pids(pids))]

    return asyncio.run(work())


@pytest.mark.parametrize(
    "command",
    [
        "setsid sh stay &",
        "nohup setsid sh stay >/dev/null 2>&1 &",
        "setsid sh -c '(sh stay &) &' &",
        # Without variables, the process is found by its parent and by its session.
        "setsid sh -c 'env -i setsid sh stay & sleep 1000' >/dev/null 2>&1 &",
        "setsid sh -c '(env -i sh stay &) & sleep 1000' >/dev/null 2>&1 &",
    ],
)
def test_processes_outside_the_group_end_with_the_environment(
    command: str, environment: LocalExecutionEnvironment, pids: Path
) -> None:
    assert leave_processes(environment, pids, f"{command} {WAIT}") == [True, False]


def test_processes_may_exit_cleanly_on_sigterm(
    environment: LocalExecutionEnvironment, pids: Path, workspace: Path
) -> None:
    work = 'trap "echo asked >asked; exit" TERM; echo $$ >pids; while :; do sleep 0.01; done'
    (workspace / "orderly").write_text(work)
    command = f"setsid sh orderly >/dev/null 2>&1 & {WAIT}"
    assert leave_processes(environment, pids, command) == [True, False]
    assert (workspace / "asked").read_text() == "asked\n"


def test_sigterm_may_be_ignored(environment: LocalExecutionEnvironment, pids: Path) -> None:
    command = f"setsid sh stubborn >/dev/null 2>&1 & {WAIT}"
    assert leave_processes(environment, pids, command) == [True, False]


async def test_service_processes_end(environment: LocalExecutionEnvironment, pids: Path) -> None:
    await environment.initialize()
    service = await environment.start_service(f"setsid sh stay & {WAIT}")
    async for _ in service.output():
        pass
    assert [is_running(pid) for pid in written_pids(pids)] == [True]
    await environment.cleanup()
    assert [is_running(pid) for pid in written_pids(pids)] == [False]


async def test_other_environments_and_the_operator_keep_their_processes(
    environment: LocalExecutionEnvironment, pids: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = LocalExecutionEnvironment(tmp_path / "other", environ={**OPERATOR, MARK: "of others"})
    own = await asyncio.create_subprocess_exec("sleep", "1000", env={MARK: "of others"})
    await other.initialize()
    await environment.initialize()
    await environment.exec_command(f"setsid sh stay & {WAIT}", timeout_ms=FAR_MS)
    await other.cleanup()
    assert [is_running(pid) for pid in written_pids(pids)] == [True]
    await environment.cleanup()
    assert [is_running(pid) for pid in written_pids(pids)] == [False]
    assert is_running(own.pid)
    own.kill()
    await own.wait()


def test_fork_bombs_are_killed(
    environment: LocalExecutionEnvironment, pids: Path, workspace: Path
) -> None:
    hop = (
        "[ $(wc -l <hops) -ge 5 ] || echo hop >>hops; sleep 0.01; [ -e stop ] || setsid sh hop &\n"
    )
    (workspace / "hop").write_text(hop)

    def scene() -> None:
        (workspace / "hops").write_text("")
        command = "setsid sh hop; while [ $(wc -l <hops) -lt 5 ]; do sleep 0.01; done"
        asyncio.run(_once(environment, command))
        # On a busy machine, a process that has just been replaced may be missed.
        assert running_in(workspace) == []

    try:
        for _ in range(count(ci=1, full=20)):
            holds_once(scene)
    finally:
        (workspace / "stop").touch()


def test_children_of_a_process_that_exits_meanwhile_are_killed(
    environment: LocalExecutionEnvironment, pids: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    too_late: list[Process] = []

    def signal_late(process: Process, number: int) -> bool:
        if not too_late:
            too_late.append(process)
            return False
        return signal_process(process, number)

    monkeypatch.setattr("attractor.environments.orphan_processes.signal_process", signal_late)
    assert leave_processes(environment, pids, f"setsid sh stay & {WAIT}") == [True, False]
    assert too_late


async def _once(environment: LocalExecutionEnvironment, command: str) -> None:
    await environment.initialize()
    await environment.exec_command(command, timeout_ms=FAR_MS)
    await environment.cleanup()


async def test_cancelled_cleanup_kills(environment: LocalExecutionEnvironment, pids: Path) -> None:
    command = f"setsid sh stubborn >/dev/null 2>&1 & {WAIT}"
    await environment.initialize()
    await environment.exec_command(command, timeout_ms=FAR_MS)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await environment.cleanup()
    await until(lambda: not any(is_running(pid) for pid in written_pids(pids)))


async def test_unused_mark_kills_no_process() -> None:
    others = await asyncio.create_subprocess_exec("sleep", "1000", env={MARK: "of others"})
    bare = await asyncio.create_subprocess_exec("sleep", "1000", env={})
    try:
        for mark in ("of nobody", "of other", "of others too"):
            await kill_marked(mark)
        assert [is_running(others.pid), is_running(bare.pid)] == [True, True]
        # Check that the process can be found: its own mark ends it.
        await kill_marked("of others")
        async with asyncio.timeout(PATIENCE_S):
            await others.wait()
        assert is_running(bare.pid)
    finally:
        for one in (others, bare):
            with suppress(ProcessLookupError):
                one.kill()
            await one.wait()


def test_cleanup_without_commands(environment: LocalExecutionEnvironment) -> None:
    looks: list[object] = []

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        if event == "os.listdir" and arguments == ("/proc",):
            looks.append(event)

    # An audit hook cannot be removed; this one does almost nothing.
    sys.addaudithook(hear)

    async def use(command: str) -> int:
        before = len(looks)
        await environment.initialize()
        if command:
            await environment.exec_command(command, timeout_ms=FAR_MS)
        await environment.cleanup()
        return len(looks) - before

    assert asyncio.run(use("")) == 0
    assert asyncio.run(use("true")) > 0
    # The next stage in the same environment started no process.
    assert asyncio.run(use("")) == 0
