"""Commands use the paths that Landlock allows, and their sandbox leaves nothing behind."""

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.errors import PORTS_HINT, SandboxLost, SandboxUnavailable
from attractor.environments.sandbox import landlock, process
from attractor.environments.sandbox.environment import SandboxedExecutionEnvironment
from attractor.environments.sandbox.seccomp import seccomp_filter
from tests.environments.places import FAR_MS, make_walls, run, use
from tests.environments.test_escapes import processes_of
from tests.needs import needs_curl
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


@needs_curl
def test_ports_belong_to_the_sandbox(workspace: Path) -> None:
    (workspace / "page").write_text("from another sandbox")
    first, second = (SandboxedExecutionEnvironment(workspace, make_walls("landlock")) for _ in "12")
    fetch = "curl --silent --show-error http://127.0.0.1:8000/page"

    async def work(env: ExecutionEnvironment) -> list[str]:
        await first.initialize()
        service = await first.start_service("exec python3 -m http.server 8000")
        try:
            alone = await env.exec_command(fetch, timeout_ms=FAR_MS)
            async with first.reach(8000) as address, env.offer(8000, address):
                offered = await env.exec_command(
                    f"{fetch} --retry 20 --retry-delay 1 --retry-all-errors", timeout_ms=FAR_MS
                )
            return [alone.stdout, offered.stdout]
        finally:
            await service.stop()
            await first.cleanup()

    assert use(second, work) == ["", "from another sandbox"]


# Each would reach a program of the operator, the kernel, or the network outside.
ATTACKS = """
import fcntl, os, socket, struct
def attempt(name, *how):
    try:
        made = socket.socket(*how)
    except OSError as error:
        print(name, error.errno)
    else:
        print(name, "made", made)
for family in range(1, 46):
    if family not in (2, 10, 16):
        attempt(f"family {family}", family, 2)
for protocol in range(1, 23):
    attempt(f"netlink {protocol}", 16, 3, protocol)
for family in (2, 10):
    attempt(f"raw {family}", family, 3, 255)
    attempt(f"ping {family}", family, 2, 1)
loopback = struct.pack("16sH22x", b"lo", 0)
own = socket.socket(2, 2)
for name, call in {
    "put the loopback down": lambda: fcntl.ioctl(own, 0x8914, loopback),
    "open the namespace of a socket": lambda: fcntl.ioctl(own, 0x894C),
    "enter a namespace of init": lambda: os.open("/proc/1/ns/net", os.O_RDONLY),
    "make an interface": lambda: os.open("/dev/net/tun", os.O_RDWR),
    "bind a low port": lambda: own.bind(("127.0.0.1", 80)),
}.items():
    try:
        print(name, "made", call())
    except OSError as error:
        print(name, error.errno)
print(*sorted(name for _, name in socket.if_nameindex() if name == "lo"))
for address in ("192.0.2.1", "169.254.169.254", "224.0.0.1", "255.255.255.255"):
    try:
        print(address, "made", own.connect((address, 53)))
    except OSError as error:
        print(address, error.errno)
"""


def test_sockets_reach_nothing_outside(environment: SandboxedExecutionEnvironment) -> None:
    [result] = run(environment, f"python3 -c '{ATTACKS}'")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert len(lines) == 42 + 22 + 4 + 5 + 1 + 4
    assert [line for line in lines if "made" in line] == []


SIGNALS = """
import fcntl, os, socket, struct, sys
for owner in (int(sys.argv[1]), os.getppid(), *map(int, os.listdir(f"/proc/{os.getppid()}/task"))):
    for kind in (2, 1):
        for own in (
            lambda file: fcntl.fcntl(file, fcntl.F_SETOWN, owner),
            lambda file: fcntl.ioctl(file, 0x8901, struct.pack("i", owner)),
            lambda file: fcntl.ioctl(file, 0x8902, struct.pack("i", owner)),
        ):
            listener, sender = socket.socket(2, kind), socket.socket(2, kind)
            listener.bind(("127.0.0.1", 0))
            if kind == 1:
                listener.listen()
            try:
                own(listener)
            except PermissionError:
                continue
            fcntl.fcntl(listener, fcntl.F_SETFL, os.O_ASYNC)
            sender.connect(listener.getsockname())
            sender.send(b"x")
            print("sent")
"""


def test_sockets_signal_nothing_outside(environment: SandboxedExecutionEnvironment) -> None:
    with subprocess.Popen(["sleep", "1000"]) as decoy:
        try:
            attack, after = run(environment, f"python3 -c '{SIGNALS}' {decoy.pid}", "echo works")
            assert (attack.exit_code, attack.stderr, after.stdout) == (0, "", "works\n")
            assert attack.stdout == 3 * 2 * "sent\n"
            assert decoy.poll() is None
        finally:
            decoy.kill()


WITHOUT_PORTS = """
import asyncio, os, sys
from pathlib import Path
from attractor.environments.environment import Promises
from attractor.environments.errors import NotSupported
from attractor.environments.selection import choose_environment, require_promised
choosing = choose_environment("landlock", environ=os.environ, hide=[], scratch=Path(sys.argv[1]))
choice = asyncio.run(choosing)
print(choice.promises.own_network, choice.promises.own_loopback, choice.sentence)
async def refused():
    environment = choice.make(Path(sys.argv[1]))
    await environment.initialize()
    try:
        result = await environment.exec_command(sys.argv[2], timeout_ms=60_000)
        print(result.exit_code, result.stderr.splitlines()[-1])
        for forwarding in (environment.reach(80), environment.offer(80, "127.0.0.1:1")):
            try:
                async with forwarding:
                    print("has ports")
            except NotSupported as error:
                print(error.message, error.hint)
    finally:
        await environment.cleanup()
asyncio.run(refused())
for refuse in (choice.require_ports, lambda: require_promised(Promises(own_loopback=True), choice)):
    try:
        refuse()
    except Exception as error:
        print(type(error).__name__, error)
"""


def test_without_a_namespace_there_are_no_ports(tmp_path: Path) -> None:
    command = "python3 -c 'import socket; socket.socket()'"
    python = [sys.executable, "-m", "tests.without_namespaces", sys.executable]
    words = [*python, "-c", WITHOUT_PORTS, str(tmp_path), command]
    first, socket, *refused = subprocess.check_output(words, text=True).splitlines()
    fault, remedy = "commands in the Landlock sandbox of this machine have no ports", PORTS_HINT
    assert first.startswith("True False Tools run in a sandbox (Landlock) that may leak: ")
    assert first.endswith(f" Without ports: {fault}; {remedy}.")
    assert socket == "1 PermissionError: [Errno 1] Operation not permitted"
    assert refused == [
        *[f"{fault} {remedy}"] * 2,
        f"NotSupported {fault}",
        f"SandboxWeakened the sandbox guarantees less than at the start of the run: {fault}",
    ]


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
