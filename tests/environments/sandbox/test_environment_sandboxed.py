"""Start and loss of a sandbox, its Python interpreters and its sockets."""

import asyncio
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.errors import UsageError
from attractor.base.processes import ExecResult
from attractor.environments.environment import ExecutionEnvironment, GrepOptions
from attractor.environments.errors import SandboxLost, SandboxNotStarted
from attractor.environments.sandbox import process
from attractor.environments.sandbox.bubblewrap import Interpreter, SandboxBounds
from attractor.environments.sandbox.environment import SandboxedExecutionEnvironment
from tests.counts import count
from tests.environments.places import FAR_MS, hold, make_walls, processes_in, run, use
from tests.patience import PATIENCE_S

PR_SET_CHILD_SUBREAPER = 36

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("sandbox_allowed")]


@pytest.fixture
def environment(workspace: Path) -> SandboxedExecutionEnvironment:
    return SandboxedExecutionEnvironment(workspace, make_walls())


def test_sandbox_runs_from_start_to_end(environment: SandboxedExecutionEnvironment) -> None:
    async def work() -> None:
        with pytest.raises(UsageError, match="does not run") as caught:
            await environment.exec_command("true", timeout_ms=FAR_MS)
        assert "initialize()" in caught.value.hint
        with pytest.raises(UsageError):
            await environment.start_service("true")

    asyncio.run(work())
    use(environment, lambda env: env.exec_command("true", timeout_ms=FAR_MS))
    asyncio.run(work())


def test_no_descriptor_or_process_leaks(environment: SandboxedExecutionEnvironment) -> None:
    async def work(env: ExecutionEnvironment) -> str:
        service = await env.start_service("echo one; sleep 1000")
        async for piece in service.output():
            assert piece == b"one\n"
            break
        async with env.reach(80), env.offer(8080, "127.0.0.1:1"):
            result = await env.exec_command("readlink /proc/self/ns/pid", timeout_ms=FAR_MS)
        namespace = result.stdout.strip()
        held.append(hold(namespace))
        return namespace

    held: list[int] = []
    try:
        namespaces = [use(environment, work)]
        before = len(list(Path("/dev/fd").iterdir())) - len(held)
        namespaces += [use(environment, work) for _ in range(count(ci=3, full=30))]
        assert len(list(Path("/dev/fd").iterdir())) - len(held) == before
        assert [processes_in(one) for one in namespaces] == [[]] * len(namespaces)
    finally:
        for descriptor in held:
            os.close(descriptor)


async def test_killed_sandbox_is_lost(env: SandboxedExecutionEnvironment) -> None:
    result = await env.exec_command("readlink /proc/self/ns/pid", timeout_ms=FAR_MS)
    first = min(processes_in(result.stdout.strip()))
    service = await env.start_service("sleep 1000")
    doing = asyncio.create_task(env.exec_command("sleep 1000", timeout_ms=FAR_MS))
    await asyncio.sleep(0)
    os.kill(first, signal.SIGKILL)
    with pytest.raises(SandboxLost, match="ended too early"):
        await doing
    assert await service.stop() == -signal.SIGKILL
    with pytest.raises(SandboxLost):
        await env.exec_command("true", timeout_ms=FAR_MS)


TRACED = (
    "import ctypes, os; ctypes.CDLL(None).syscall({ptrace}, 0, 0, 0, 0); os.kill(os.getpid(), 10)"
)


@pytest.mark.parametrize("is_filtered", [True, False], ids=["filter", "no filter"])
def test_command_that_is_traced_stops_only_itself(
    sandbox: str, workspace: Path, monkeypatch: pytest.MonkeyPatch, *, is_filtered: bool
) -> None:
    """A command that asks to be traced makes the supervisor its tracer."""
    if not is_filtered:
        if sandbox == "landlock":
            pytest.skip("Landlock needs the filter")
        monkeypatch.setattr(process, "seccomp_filter", lambda: None)
    environment = SandboxedExecutionEnvironment(workspace, make_walls(sandbox))
    ptrace = {"x86_64": 101, "aarch64": 117}[os.uname().machine]
    attack = f"exec python3 -c '{TRACED.format(ptrace=ptrace)}'"

    async def work(env: ExecutionEnvironment) -> tuple[ExecResult, ExecResult]:
        traced = await env.exec_command(attack, timeout_ms=FAR_MS if is_filtered else 1000)
        return traced, await env.exec_command("echo on", timeout_ms=FAR_MS)

    traced, after = use(environment, work)
    assert (traced.exit_code, traced.timed_out) == (
        (-signal.SIGUSR1, False) if is_filtered else (-signal.SIGKILL, True)
    )
    assert after.stdout == "on\n"


@pytest.fixture
def adopted_children() -> Iterator[Callable[[], list[str]]]:
    """Adopt the orphans of this process, and yield a function that lists all its children."""
    control = ctypes.CDLL(None).prctl
    thread = Path(f"/proc/self/task/{threading.get_native_id()}/children")
    control(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    yield lambda: thread.read_text().split()
    control(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def test_cancelled_start_leaves_nothing(
    environment: SandboxedExecutionEnvironment, adopted_children: Callable[[], list[str]]
) -> None:
    async def work(moment: float) -> None:
        starting = asyncio.create_task(environment.initialize())
        with suppress(TimeoutError):
            async with asyncio.timeout(moment):
                await asyncio.shield(starting)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await environment.cleanup()

    asyncio.run(work(60))
    opened, children = len(list(Path("/dev/fd").iterdir())), adopted_children()
    trials = count(ci=8, full=300)
    for trial in range(trials):
        asyncio.run(work(0.04 * trial / trials))
    assert len(list(Path("/dev/fd").iterdir())) == opened
    assert adopted_children() == children


def test_sandbox_runs_with_the_current_python(sandbox: str, workspace: Path) -> None:
    ours = Interpreter(str(Path(sys.executable).resolve()), (Path(sys.base_prefix),))
    settings = replace(make_walls(sandbox), python=ours)

    async def work(env: ExecutionEnvironment) -> None:
        await env.write_file("x", "needle\n")
        assert await env.grep("needle", ".", GrepOptions()) == "x:1:needle\n"
        assert (await env.exec_command("exit 3", timeout_ms=FAR_MS)).exit_code == 3

    use(SandboxedExecutionEnvironment(workspace, settings), work)


@pytest.mark.parametrize("python", ["/usr/bin/false", "/no/such/python"])
def test_a_sandbox_without_its_supervisor_is_not_started(
    workspace: Path, python: str, sandbox: str
) -> None:
    settings = replace(make_walls(sandbox), python=Interpreter(python))
    with pytest.raises(SandboxNotStarted, match="cannot start a sandbox|did not start"):
        run(SandboxedExecutionEnvironment(workspace, settings), "true")


def test_a_sandbox_by_a_program_that_is_missing_is_not_started(workspace: Path) -> None:
    settings = replace(make_walls(), bubblewrap="/no/such/bwrap")
    with pytest.raises(SandboxNotStarted, match="/no/such/bwrap"):
        run(SandboxedExecutionEnvironment(workspace, settings), "true")


async def test_long_command_is_rejected(env: SandboxedExecutionEnvironment) -> None:
    with pytest.raises(UsageError, match="too long"):
        await env.exec_command(f": {'x' * 1_000_000}", timeout_ms=FAR_MS)
    argument = await env.exec_command(f": {'x' * 140_000}", timeout_ms=FAR_MS)
    assert argument.exit_code == 127
    assert "too long" in argument.stderr
    assert (await env.exec_command(f": {'x' * 120_000}", timeout_ms=FAR_MS)).exit_code == 0


def test_other_loopback_is_reachable(environment: SandboxedExecutionEnvironment) -> None:
    server = (
        "import socket; s = socket.create_server(('::1', 8080), family=socket.AF_INET6);"
        "print(1, flush=True); c, _ = s.accept(); c.sendall(b'six'); c.close()"
    )

    async def work(env: ExecutionEnvironment) -> bytes:
        service = await env.start_service(f'exec python3 -c "{server}"')
        async for _ in service.output():
            break
        async with env.reach(8080) as address, asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection(*address.split(":"))
            try:
                return await reader.read()
            finally:
                writer.close()

    assert use(environment, work) == b"six"


async def test_a_low_port_can_be_offered_inside(env: SandboxedExecutionEnvironment) -> None:
    async with env.offer(80, "127.0.0.1:1"):
        listens = await env.exec_command("grep -c ':0050 ' /proc/net/tcp", timeout_ms=FAR_MS)
    assert listens.stdout == "1\n"


async def test_files_are_shared(env: SandboxedExecutionEnvironment, workspace: Path) -> None:
    await env.write_file("from-outside", "1")
    result = await env.exec_command(
        "cat from-outside; echo 2 >from-inside; mkdir deep", timeout_ms=FAR_MS
    )
    assert result.stdout == "1"
    assert await env.read_file("/workspace/from-inside") == "2\n"
    owners = {file.stat().st_uid for file in workspace.iterdir()}
    assert owners == {os.getuid()}


def test_a_bound_of_the_sandbox_is_enforced_and_reported(sandbox: str, workspace: Path) -> None:
    bounds = SandboxBounds(max_processes=60, max_memory_mb=100, max_open_files=40, max_file_mb=1)
    settings = replace(make_walls(sandbox), bounds=bounds)
    environment = SandboxedExecutionEnvironment(workspace, settings)
    killed = "killed: the sandbox had more than "
    hog = "import time; held = bytearray(300 << 20); time.sleep(60)"
    for command, code, words in (
        ("b() { b | b & }; b; sleep 60", -9, f"{killed}60 processes and threads (setting sandbox."),
        (f"python3 -c '{hog}'", -9, f"{killed}100 MB of memory (setting sandbox.max_memory_mb)"),
        ("head -c 200M /dev/zero | tail; sleep 60", -9, f"{killed}100 MB of memory"),
        ("for i in {9..90}; do eval \"exec $i</dev/null\" || exit 7; done", 7, "Bad file desc"),
        ("head -c 2M /dev/zero > file", 153, "File size limit exceeded"),
        ("true", 0, ""),
    ):  # fmt: skip
        [result] = run(environment, command)
        assert (result.exit_code, words in result.stderr) == (code, True), (command, result)
    # Other commands are killed too, and the sandbox stays usable.
    twice = run(environment, "sleep 60 & b() { b | b & }; b; sleep 60", "echo on")
    assert [one.exit_code for one in twice] == [-9, 0]


def test_memory_that_forks_share_is_counted_once(sandbox: str, workspace: Path) -> None:
    settings = replace(make_walls(sandbox), bounds=SandboxBounds(max_memory_mb=150))
    environment = SandboxedExecutionEnvironment(workspace, settings)
    held = "held = bytes([1]) * (60 << 20)"
    share = f"import os, time; {held}; [os.fork() or time.sleep(1) for _ in '12']"
    [result] = run(environment, f'python3 -c "{share}"')
    assert (result.exit_code, result.stderr) == (0, "")


# Numbers of the system calls on x86_64 and aarch64.
KEY_CALLS = {"x86_64": (248, 250), "aarch64": (217, 219)}


def test_keys_of_the_operator_are_not_inside(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without the seccomp filter, which hides all keyrings.
    monkeypatch.setattr(process, "seccomp_filter", lambda: None)
    environment = SandboxedExecutionEnvironment(workspace, make_walls())
    add, keyctl = KEY_CALLS[os.uname().machine]
    libc = ctypes.CDLL(None, use_errno=True)
    key = libc.syscall(add, b"user", b"attractor-test", b"secret", 6, -3)
    if key < 0:
        pytest.skip("this machine has no keyrings")
    try:
        search = f"{keyctl}, 10, -3, b'user', b'attractor-test', 0"
        assert libc.syscall(keyctl, 10, -3, b"user", b"attractor-test", 0) == key
        inside = f"import ctypes; print(ctypes.CDLL(None).syscall({search}))"
        [result] = run(environment, f'python3 -c "{inside}"')
        assert result.stdout == "-1\n"
    finally:
        libc.syscall(keyctl, 9, key, -3)
