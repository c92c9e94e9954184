"""Attacks of an agent from inside a sandbox fail."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.sandbox.bubblewrap import SandboxBounds
from attractor.environments.sandbox.environment import SandboxedExecutionEnvironment
from tests.counts import count
from tests.environments.places import FAR_MS, OPERATOR, hold, make_walls, processes_in, run, use
from tests.needs import needs, require
from tests.patience import PATIENCE_S, until

pytestmark = pytest.mark.usefixtures("sandbox_allowed")

CANARY = "canary-7e5fca01"
NAMESPACE = "readlink /proc/self/ns/pid"


@pytest.fixture
def operator(tmp_path: Path) -> Path:
    """A home with a project, its suite, a state folder and a key."""
    home = tmp_path / "home-of-somebody"
    for name in ("project/scenarios/suite.toml", ".local/state/attractor/ledger.key", ".netrc"):
        file = home / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(CANARY)
    return home


@pytest.fixture
def neutral_workspace() -> Iterator[Path]:
    """A workspace with a neutral path, as in a run; `tmp_path` contains the name of the test."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture
def environment(operator: Path, neutral_workspace: Path) -> ExecutionEnvironment:
    environ = OPERATOR | {
        "HOME": str(operator),
        "PATH": f"{operator}/bin:{OPERATOR['PATH']}",
        "ATTRACTOR_STATE_DIR": str(operator / ".local/state/attractor"),
        "GOPATH": str(operator / "go"),
        "XDG_RUNTIME_DIR": str(operator / "run"),
        "SECRET_KEY_BASE": CANARY,
        "OPENAI_API_KEY": CANARY,
    }
    return SandboxedExecutionEnvironment(
        neutral_workspace, make_walls(environ=environ, hide=[operator])
    )


def python(code: str, *arguments: str) -> str:
    """Return a command that runs Python in the sandbox."""
    quoted = textwrap.dedent(code).replace("'", "'\"'\"'")
    return f"python3 -I -c '{quoted}' {' '.join(arguments)}"


def test_operator_files_are_unreadable(environment: ExecutionEnvironment, operator: Path) -> None:
    files = [str(file) for file in operator.rglob("*") if file.is_file()]
    assert len(files) == 3
    roots = ["", "/proc/1/root", "/proc/self/root", "/workspace/..", "/proc/1/cwd"]
    results = run(environment, *[f"cat {root}{file}" for root in roots for file in files])
    assert all(result.exit_code != 0 and CANARY not in result.output for result in results)


def test_operator_files_are_invisible(environment: ExecutionEnvironment, operator: Path) -> None:
    look = "find / -xdev -path /proc -prune -o -path /usr -prune -o -print"
    (found,) = run(environment, look)
    assert "/workspace" in found.stdout
    assert operator.name not in found.stdout
    assert "scenarios" not in found.stdout


def test_processes_show_no_secrets(environment: ExecutionEnvironment, operator: Path) -> None:
    names = "cmdline environ mountinfo mounts mountstats maps cgroup status stat limits comm"
    look = f"env; for name in {names}; do cat /proc/[0-9]*/$name; done; ls -l /proc/[0-9]*/fd"
    output, passwd = run(environment, look, "getent passwd; hostname; cat /etc/hosts")
    assert "supervisor" in output.stdout
    assert "/workspace" in output.stdout
    hidden = [CANARY, operator.name, str(operator.parent), str(Path(__file__).parent.parent.parent)]
    assert [word for word in hidden if word in output.output] == []
    assert passwd.stdout.startswith("agent:")
    assert socket.gethostname() not in passwd.stdout


def test_mounts_show_no_host_paths(
    environment: ExecutionEnvironment, neutral_workspace: Path
) -> None:
    (result,) = run(environment, "cat /proc/self/mountinfo")
    disk = [line.split() for line in result.stdout.splitlines() if " - tmpfs " not in line]
    sources = {words[3] for words in disk if not words[4].startswith(("/proc", "/dev"))}
    beyond = {path for path in sources if not path.startswith(("/usr", "/etc", "/lib", "/bin"))}
    # If the workspace is on a disk of its own, the path is relative to its mount point.
    assert all(str(neutral_workspace).endswith(path) for path in beyond)
    assert len(beyond) == 1


def test_supervisor_cannot_be_traced(environment: ExecutionEnvironment) -> None:
    attack = python("""
        import ctypes, json, os
        libc = ctypes.CDLL(None, use_errno=True)
        got = []
        if libc.ptrace(16, 1, 0, 0) == 0: got.append("ptrace")
        if libc.ptrace(0x4206, 1, 0, 0) == 0: got.append("seize")
        pidfd = os.pidfd_open(1)
        for number in range(64):
            if libc.syscall(438, pidfd, number, 0) >= 0: got.append(f"pidfd_getfd {number}")
            try: got.append(os.readlink(f"/proc/1/fd/{number}"))
            except OSError: pass
        for name in ("mem", "environ", "maps", "root/etc/passwd", "syscall", "stack"):
            try: got.append(f"{name} {len(open(f'/proc/1/{name}', 'rb').read(1))}")
            except OSError: pass
        memory = ctypes.create_string_buffer(16)
        class Part(ctypes.Structure):
            _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
        ours, theirs = Part(ctypes.addressof(memory), 16), Part(0x400000, 16)
        if libc.process_vm_readv(1, ctypes.byref(ours), 1, ctypes.byref(theirs), 1, 0) > 0:
            got.append("process_vm_readv")
        print(json.dumps(got))
    """)
    (result,) = run(environment, attack)
    assert json.loads(result.stdout) == []


def test_supervisor_cannot_be_killed(environment: ExecutionEnvironment) -> None:
    signals = "for n in $(seq 1 64); do kill -$n 1; done 2>/dev/null; true"
    *_, after = run(
        environment, signals, "kill -STOP 1; kill -9 1", "kill -9 -1", "echo still here"
    )
    assert after.stdout == "still here\n"


@pytest.mark.usefixtures("landlock_allowed")
def test_landlock_supervisor_cannot_be_killed_traced_or_limited(neutral_workspace: Path) -> None:
    attack = python("""
        import ctypes, fcntl, json, os, resource, signal, struct
        libc = ctypes.CDLL(None, use_errno=True)
        libc.syscall.argtypes = [ctypes.c_long] * 7
        parent = os.getppid()
        threads = [int(name) for name in os.listdir(f"/proc/{parent}/task")]
        assert len(threads) == 2
        machine = os.uname().machine == "x86_64"
        tkill, tgkill, queue = (200, 234, 129) if machine else (130, 131, 138)
        thread_queue = 297 if machine else 240
        info = ctypes.create_string_buffer(struct.pack("iii", 9, 0, -1), 128)
        at = ctypes.addressof(info)
        got = []
        for one in [parent, *threads]:
            for name, attempt in (
                ("kill", lambda: os.kill(one, 9)),
                ("tkill", lambda: libc.syscall(tkill, one, 9, 0, 0, 0, 0)),
                ("tgkill", lambda: libc.syscall(tgkill, parent, one, 9, 0, 0, 0)),
                ("sigqueue", lambda: libc.syscall(queue, one, 9, at, 0, 0, 0)),
                ("tgsigqueue", lambda: libc.syscall(thread_queue, parent, one, 9, at, 0, 0)),
                ("pidfd", lambda: libc.syscall(424, os.pidfd_open(one, 0o200), 9, 0, 0, 0, 0)),
                ("owner", lambda: fcntl.fcntl(0, 15, struct.pack("ii", 0, one))),
                ("group", lambda: os.killpg(one, 9)),
                ("limit", lambda: resource.prlimit(one, resource.RLIMIT_CPU, (1, 1))),
                ("trace", lambda: libc.ptrace(0x4206, one, 0, 0)),
                ("descriptor", lambda: libc.syscall(438, os.pidfd_open(one), 3, 0, 0, 0, 0)),
                ("memory", lambda: open(f"/proc/{parent}/task/{one}/mem").close()),
                ("root", lambda: os.listdir(f"/proc/{parent}/task/{one}/root/root")),
            ):
                try:
                    if attempt() != -1: got.append(name)
                except OSError: pass
        print(json.dumps(got))
    """)
    confined = SandboxedExecutionEnvironment(neutral_workspace, make_walls("landlock"))
    tried, *_, after = run(confined, attack, "kill -9 -1", "kill -9 $PPID", "echo still here")
    assert (json.loads(tried.stdout), after.stdout) == ([], "still here\n")


@pytest.mark.usefixtures("landlock_allowed")
@pytest.mark.parametrize("kind", ["bubblewrap", "landlock"])
def test_supervisor_cannot_be_slowed_down_or_limited(neutral_workspace: Path, kind: str) -> None:
    attack = python("""
        import ctypes, json, os, resource
        libc = ctypes.CDLL(None, use_errno=True)
        x86 = os.uname().machine == "x86_64"
        attributes = (ctypes.c_uint32 * 12)(48, 5)
        ioprio, setattr, idle = (251 if x86 else 30), (314 if x86 else 274), os.sched_param(0)
        got = []
        for one in {int(name) for name in os.listdir(f"/proc/{os.getppid()}/task")}:
            for name, attempt in (
                ("limit", lambda: resource.prlimit(one, resource.RLIMIT_CPU, (1, 1))),
                ("affinity", lambda: os.sched_setaffinity(one, {0})),
                ("scheduler", lambda: os.sched_setscheduler(one, os.SCHED_IDLE, idle)),
                ("param", lambda: os.sched_setparam(one, idle)),
                ("attributes", lambda: libc.syscall(setattr, one, attributes, 0)),
                ("priority", lambda: os.setpriority(os.PRIO_PROCESS, one, 19)),
                ("group", lambda: os.setpriority(os.PRIO_PGRP, 0, 19)),
                ("user", lambda: os.setpriority(os.PRIO_USER, 0, 19)),
                ("disk", lambda: libc.syscall(ioprio, 1, one, 3 << 13)),
                ("disk of all", lambda: libc.syscall(ioprio, 3, os.getuid(), 3 << 13)),
            ):
                try:
                    if attempt() != -1: got.append(name)
                except OSError: pass
        os.setpriority(os.PRIO_PROCESS, 0, 5)
        os.sched_setaffinity(os.getpid(), os.sched_getaffinity(0))
        print(json.dumps(got))
    """)
    confined = SandboxedExecutionEnvironment(neutral_workspace, make_walls(kind))
    (tried,) = run(confined, attack)
    assert json.loads(tried.stdout) == []


@needs("gcc")
@pytest.mark.usefixtures("landlock_allowed")
@pytest.mark.parametrize("kind", ["bubblewrap", "landlock"])
def test_program_pins_its_own_threads_with_openmp(neutral_workspace: Path, kind: str) -> None:
    (neutral_workspace / "pin.c").write_text("""
        #define _GNU_SOURCE
        #include <sched.h>
        #include <stdio.h>
        int main(void) {
            #pragma omp parallel num_threads(2)
            {
                cpu_set_t set;
                sched_getaffinity(0, sizeof set, &set);
                printf("%d\\n", CPU_COUNT(&set));
            }
        }
    """)
    confined = SandboxedExecutionEnvironment(neutral_workspace, make_walls(kind))
    pinned = "OMP_PROC_BIND=true OMP_PLACES='{0}' ./pin"
    built, ran, nice = run(confined, "gcc -fopenmp pin.c -o pin", pinned, "nice -n 5 nice")
    assert (built.output, ran.stdout, nice.stdout) == ("", "1\n1\n", "5\n")


def test_chromium_starts(environment: ExecutionEnvironment) -> None:
    program = require("chromium-headless-shell")
    (shown,) = run(environment, f"{program} --no-sandbox --dump-dom 'data:text/html,<b>drawn'")
    assert "<b>drawn</b>" in shown.stdout


def test_command_inherits_no_descriptors(environment: ExecutionEnvironment) -> None:
    (result,) = run(environment, "ls /proc/self/fd; ls -l /proc/self/fd/3")
    assert result.stdout.split()[:3] == ["0", "1", "2"]
    assert "socket" not in result.stdout
    assert "attractor" not in result.stdout


def test_no_listener_outside_can_be_reached(environment: ExecutionEnvironment) -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind("\0attractor-test-" + str(os.getpid()))
        unix.listen()
        port = tcp.getsockname()[1]
        dial = python(
            """
            import socket, sys
            unix = socket.socket(socket.AF_UNIX)
            for connect in (
                lambda: socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5),
                lambda: socket.create_connection(("192.0.2.1", 80), 5),
                lambda: unix.connect("\\0attractor-test-" + sys.argv[2]),
            ):
                try: connect()
                except OSError as error: print(type(error).__name__)
                else: print("reached")
        """,
            str(port),
            str(os.getpid()),
        )
        output, devices = run(environment, dial, "tail -n +3 /proc/net/dev | cut -d: -f1")
    assert len(output.stdout.split()) == 3
    assert "reached" not in output.stdout
    assert devices.stdout.split() == ["lo"]


def test_outside_processes_are_out_of_reach(environment: ExecutionEnvironment) -> None:
    waits = [sys.executable, "-c", "import sys; sys.stdin.read()", CANARY]
    with subprocess.Popen(waits, stdin=subprocess.PIPE) as decoy:
        ended, seen = run(
            environment,
            f"kill -9 {decoy.pid}; kill -9 {os.getpid()}; kill -9 {os.getppid()}",
            "cat /proc/[0-9]*/cmdline | tr '\\0' ' '",
        )
        assert decoy.poll() is None
        decoy.communicate(timeout=PATIENCE_S)
    assert ended.exit_code != 0
    assert CANARY not in seen.stdout


def test_only_the_workspace_is_writable(
    environment: ExecutionEnvironment, neutral_workspace: Path
) -> None:
    tries = [
        *(f"touch {place}/x" for place in ("", "/usr", "/etc", "/run", "/usr/local", "/var")),
        *("touch /tmp/../x", "mount -o remount,rw /usr", "umount /proc/sys", "mknod x b 8 0"),
        *("chroot / true", "echo >/etc/passwd", "rm /usr/bin/env", "ln /etc/passwd hard"),
    ]
    results = run(environment, *tries, "touch /tmp/x /var/tmp/y ~/z here", "id -u; id -G")
    assert [result.exit_code == 0 for result in results] == [False] * len(tries) + [True, True]
    assert [file.name for file in neutral_workspace.iterdir()] == ["here"]
    assert results[-1].stdout.split() == ["1000", "1000"]


def test_kernel_settings_are_read_only(environment: ExecutionEnvironment) -> None:
    look = "find /proc -path '/proc/[0-9]*' -prune -o -type f -print 2>/dev/null | head -5000"
    attack = python("""
        import os, sys
        for name in sys.stdin.read().split():
            if name.startswith("/proc/pressure"): continue  # asks for a notice, sets nothing
            try: os.close(os.open(name, os.O_WRONLY))
            except OSError: continue
            print(name)
    """)
    output, capable = run(
        environment, f"{look} | {attack}", "grep -h Cap /proc/self/status /proc/1/status"
    )
    assert output.stdout == ""
    assert set(capable.stdout.split()[1::2]) == {"0" * 16}


def test_nested_namespace_does_not_weaken_the_sandbox(environment: ExecutionEnvironment) -> None:
    inner = "unshare --user --map-root-user --mount --pid --fork sh -c '{}'"
    proc, cover, usr = run(
        environment,
        inner.format("mount -t proc proc /tmp && ls /tmp/sys"),
        inner.format("umount /proc/sys || umount -l /proc"),
        inner.format("mount -o remount,bind,rw /usr && touch /usr/x"),
    )
    assert 0 not in {proc.exit_code, cover.exit_code, usr.exit_code}


def test_a_hidden_folder_in_a_readable_one_is_covered(
    tmp_path: Path, neutral_workspace: Path
) -> None:
    tools = tmp_path / "tools"
    for name in ("bin/tool", "project/suite", "project/.venv/lib", "key"):
        (tools / name).parent.mkdir(parents=True, exist_ok=True)
        (tools / name).write_text(CANARY)
    settings = make_walls(
        read=[tools, tools / "project/.venv"], hide=[tools / "project", tools / "key"]
    )
    environment = SandboxedExecutionEnvironment(neutral_workspace, settings)
    found, read, key, write = run(
        environment,
        f"cd {tools} && grep -rl {CANARY} . | sort",
        f"cat {tools}/bin/tool {tools}/project/.venv/lib",
        f"cat {tools}/key",
        f"touch {tools}/x || touch {tools}/project/x || touch {tools}/project/.venv/x",
    )
    assert found.stdout.split() == ["./bin/tool", "./project/.venv/lib"]
    assert read.stdout == CANARY * 2
    assert CANARY not in key.output
    assert write.exit_code != 0


def test_cleanup_kills_hidden_and_stopped_processes(environment: ExecutionEnvironment) -> None:
    hide_away = """
        setsid sh -c "trap '' TERM HUP INT; touch one; sleep 1000" >/dev/null 2>&1 &
        (setsid setsid nohup sh -c 'touch two; sleep 1000' >/dev/null 2>&1 &)
        until [ -e one ] && [ -e two ]; do sleep 0.01; done
        kill -STOP $! ; readlink /proc/self/ns/pid
    """

    async def work(env: ExecutionEnvironment) -> str:
        await env.start_service("trap '' TERM; sleep 1000")
        namespace = (await env.exec_command(hide_away, timeout_ms=FAR_MS)).stdout.strip()
        await env.delete_file("one")
        await env.delete_file("two")
        assert len(processes_in(namespace)) >= 4
        held.append(hold(namespace))
        return namespace

    for _ in range(count(ci=3, full=50)):
        held: list[int] = []
        namespace = use(environment, work)
        assert namespace.startswith("pid:[")
        assert processes_in(namespace) == []
        os.close(held[0])


RUNNER = '''
import asyncio, sys
from pathlib import Path
from attractor.environments.sandbox.environment import SandboxedExecutionEnvironment
from tests.environments.places import make_walls

async def main():
    environment = SandboxedExecutionEnvironment(Path(sys.argv[1]), make_walls())
    await environment.initialize()
    await environment.start_service("sleep 1000")
    command = """
        setsid setsid sh -c 'touch ready; exec sleep 1000' >/dev/null 2>&1 &
        until [ -e ready ]; do sleep 0.01; done
        rm ready; readlink /proc/self/ns/pid
    """
    print((await environment.exec_command(command, timeout_ms=60000)).stdout.strip(), flush=True)
    await environment.exec_command("sleep 1000", timeout_ms=1000000)

asyncio.run(main())
'''


@pytest.mark.crash
@pytest.mark.parametrize("stopped", [False, True], ids=["supervisor runs", "supervisor stopped"])
def test_killed_runner_leaves_no_process(neutral_workspace: Path, *, stopped: bool) -> None:
    for _ in range(count(ci=1, full=20)):
        with subprocess.Popen(
            [sys.executable, "-c", RUNNER, str(neutral_workspace)],
            stdout=subprocess.PIPE,
            text=True,
        ) as runner:
            assert runner.stdout is not None
            namespace = runner.stdout.readline().strip()
            before, held = processes_in(namespace), hold(namespace)
            if stopped:  # so that it does not notice the closed socket
                os.kill(min(before), signal.SIGSTOP)
            runner.kill()
        assert len(before) >= 3
        asyncio.run(until_no_process_is_left(namespace))
        os.close(held)


async def until_no_process_is_left(namespace: str) -> None:
    await until(lambda: not processes_in(namespace))


def test_processes_are_counted_while_shared_memory_is_slow_to_count(
    neutral_workspace: Path,
) -> None:
    # Before the shared pages are counted as shared, the processes seem to exceed the memory bound.
    settings = replace(make_walls(), bounds=SandboxBounds(max_processes=200, max_memory_mb=200))
    forks = "import os, time\nfor _ in range(10):\n    os.fork()\ntime.sleep(1)"
    (bomb,) = run(SandboxedExecutionEnvironment(neutral_workspace, settings), python(forks))
    assert bomb.exit_code == -signal.SIGKILL
    assert "more than 200 processes" in bomb.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change it")
def test_supervisor_runs_before_commands(environment: ExecutionEnvironment) -> None:
    ask = "import os; print(*(os.sched_getscheduler(one) & os.SCHED_RR for one in (1, 0)))"
    (found,) = run(environment, python(ask))
    assert found.stdout.split() == [str(os.SCHED_RR), "0"]
