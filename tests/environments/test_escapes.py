"""Escapes fail in each sandbox; without a sandbox they succeed, otherwise they prove nothing."""

import asyncio
import ctypes
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.local import LocalExecutionEnvironment
from attractor.environments.orphan_processes import can_find_orphans
from attractor.environments.sandbox.environment import SandboxedExecutionEnvironment
from tests.base.running import command_lines
from tests.environments.places import FAR_MS, OPERATOR, make_walls, run, use
from tests.patience import PATIENCE_S, until

pytestmark = pytest.mark.skipif(not can_find_orphans(), reason="no /proc")

CANARY = "canary-41d09a6c"
CPU_S = 1 << 20
SHARED_KEY = 0x41D09A6C
ENVIRON = OPERATOR | {"OPENAI_API_KEY": CANARY, "PROVIDER_TOKEN": CANARY}


def python(code: str) -> str:
    """Return a command that runs Python with the variables of `outside`."""
    quoted = textwrap.dedent(code).replace("'", "'\"'\"'")
    return f"python3 -I -c '{PRELUDE}{quoted}'"


PRELUDE = """
import ctypes, fcntl, os, resource, signal, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
home, secret, path, abstract = (os.environ[n] for n in ("home", "secret", "path", "abstract"))
decoy, tcp, udp = (int(os.environ[n]) for n in ("decoy", "tcp", "udp"))
def check(result):
    if result < 0: raise OSError(ctypes.get_errno(), "")
    return result
"""

READ = {
    "a file": 'cat "$secret"',
    "a folder": 'ls "$home/project"',
    "a symbolic link": 'ln -sf "$secret" link && cat link',
    "a hard link": 'ln "$secret" hard && cat hard',
    "a link in a folder": 'ln -sfn "$home" folder && cat folder/project/secret',
    "root of a process": 'cat "/proc/$decoy/root$secret"',
    "folder of a process": 'cat "/proc/$decoy/cwd/secret"',
    "descriptor of a process": 'cat "/proc/$decoy/fd/0"',
    "variables of a process": 'grep -a canary "/proc/$decoy/environ"',
    "command line of a process": 'grep -a canary "/proc/$decoy/cmdline"',
    "memory of a process": 'cat "/proc/$decoy/maps"',
    "a variable with a key": 'test "$OPENAI_API_KEY$PROVIDER_TOKEN"',
    "names by inotify": python("""
        check(libc.inotify_add_watch(check(libc.inotify_init()), home.encode(), 0xfff))
    """),
    "a nested user namespace": 'unshare --user --map-root-user cat "$secret"',
    "git alternates": """
        git init -q a && echo "$home/project/.git/objects" > a/.git/objects/info/alternates &&
        git -C a show "$commit:secret"
    """,
    "a gitlink": """
        mkdir -p b && echo "gitdir: $home/project/.git" > b/.git && git -C b show HEAD:secret
    """,
    "core.worktree": """
        git init -q c && git -C c config core.worktree "$home/project" &&
        git -C c add secret && git -C c show :secret
    """,
    "git clone": 'git clone -q "$home/project" d && cat d/secret',
    "shared memory by key": python(f"""
        number = check(libc.shmget({SHARED_KEY}, 0, 0))
        libc.shmat.restype = ctypes.c_char_p
        assert b"canary" in libc.shmat(number, None, 0o10000)
    """),
}
WRITE = {
    "a new file": 'echo > "$home/new"',
    "append": 'echo x >> "$home/append"',
    "truncate": 'truncate -s 0 "$home/truncate"',
    "through a link": 'ln -sf "$home/link" to && echo x > to',
    "remove": 'rm "$home/remove"',
    "rename": 'mv "$home/rename" "$home/renamed"',
    "a folder": 'mkdir "$home/folder"',
    "a link": 'ln -s x "$home/linked"',
    "a hard link": 'echo > own && ln own "$home/hard"',
    "a system folder": "touch /usr/escape && rm /usr/escape",
    "a setting of the kernel": "exec 3<>/proc/sys/kernel/core_pattern",
    "a hook of the project's git": 'echo > "$home/project/.git/hooks/post-commit"',
}
METADATA = {
    "sizes and times": 'stat "$secret"',
    "permissions": 'chmod 600 "$secret"',
    "times": python("os.utime(secret, (0, 0))"),
}
NETWORK = {
    "TCP": "exec 3<>/dev/tcp/127.0.0.1/$tcp",
    "IPv6": python("""
        socket.socket(socket.AF_INET6).connect(("::ffff:127.0.0.1", tcp))
    """),
    "UDP": python("""
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.settimeout(20)
        made.connect(("127.0.0.1", udp))
        made.send(b"x")
        made.recv(1)
    """),
    "a socket with a path": python("socket.socket(socket.AF_UNIX).connect(path)"),
    "an abstract socket": python('socket.socket(socket.AF_UNIX).connect("\\0" + abstract)'),
    "a datagram of a pair": python("""
        socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendto(b"x", path + ".datagrams")
    """),
}
PROCESSES = {
    "a signal": "kill -CONT $decoy",
    "a limit": python(f"resource.prlimit(decoy, resource.RLIMIT_CPU, ({CPU_S}, -1))"),
    "trace": python("check(libc.ptrace(0x4206, decoy, 0, 0))"),
    "a descriptor": python("check(libc.syscall(438, os.pidfd_open(decoy), 0, 0))"),
    "SIGKILL by pidfd": python("signal.pidfd_send_signal(os.pidfd_open(decoy), signal.SIGKILL)"),
}
SECTIONS = {
    "read": READ,
    "write": WRITE,
    "metadata": METADATA,
    "network": NETWORK,
    "processes": PROCESSES,
}
LEAKS: Mapping[str, set[str]] = {
    "bubblewrap": set(),
    # Excluded by the promise `hides_metadata`.
    "landlock": {f"metadata: {name}" for name in METADATA},
}


ONLY_ROOT = {"write: a system folder", "write: a setting of the kernel"}
# Some machines allow these only to root.
MAYBE = {
    "read: a nested user namespace",
    "network: IPv6",
    "processes: trace",
    "processes: a descriptor",
}


@contextmanager
def outside(home: Path) -> Generator[dict[str, str]]:
    """Create everything that a sandbox must protect; yield the locations as variables."""
    project = home / "project"
    project.mkdir(parents=True)
    for name in ("project/secret", "append", "truncate", "link", "remove", "rename"):
        (home / name).write_text(CANARY)
    git = ["git", "-C", str(project), "-c", "user.name=x", "-c", "user.email=x"]
    for words in (["init", "-q"], ["add", "secret"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], check=True, timeout=PATIENCE_S)
    commit = subprocess.check_output([*git, "rev-parse", "HEAD"], timeout=PATIENCE_S, text=True)
    waits = [sys.executable, "-c", "import signal; signal.pause()", CANARY]
    with (
        (project / "secret").open() as secret,
        subprocess.Popen(waits, cwd=project, env={"KEY": CANARY}, stdin=secret) as decoy,
        socket.create_server(("127.0.0.1", 0)) as tcp,
        ExitStack() as stack,
    ):
        stack.callback(decoy.kill)
        unix = {"path": str(home / "s"), "abstract": f"attractor-test-{decoy.pid}"}
        for kind, address in (
            (socket.SOCK_STREAM, unix["path"]),
            (socket.SOCK_STREAM, "\0" + unix["abstract"]),
            (socket.SOCK_DGRAM, unix["path"] + ".datagrams"),
        ):
            made = stack.enter_context(socket.socket(socket.AF_UNIX, kind))
            made.bind(address)
            if kind == socket.SOCK_STREAM:
                made.listen()
        stack.enter_context(shared_memory())
        yield {
            **unix,
            "home": str(home),
            "secret": str(project / "secret"),
            "commit": commit.strip(),
            "decoy": str(decoy.pid),
            "tcp": str(tcp.getsockname()[1]),
        }


@contextmanager
def shared_memory() -> Generator[None]:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmat.restype = ctypes.c_void_p
    number = libc.shmget(SHARED_KEY, 4096, 0o1600)
    try:
        ctypes.memmove(libc.shmat(number, None, 0), CANARY.encode(), len(CANARY))
        yield
    finally:
        libc.shmctl(number, 0, None)


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(data, addr)


async def escapes(environment: ExecutionEnvironment, variables: Mapping[str, str]) -> set[str]:
    """Return the names of the attempts that succeed."""
    loop = asyncio.get_running_loop()
    echo, _ = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    variables = {**variables, "udp": str(echo.get_extra_info("sockname")[1])}
    await environment.initialize()
    try:
        succeeded: set[str] = set()
        for section, attempts in SECTIONS.items():
            for name, command in attempts.items():
                result = await environment.exec_command(
                    command, timeout_ms=FAR_MS, env_vars=variables
                )
                if result.exit_code == 0:
                    succeeded.add(f"{section}: {name}")
                assert CANARY not in result.output or result.exit_code == 0, name
        return succeeded
    finally:
        await environment.cleanup()
        echo.close()


def contents(home: Path) -> dict[str, str]:
    files = (file for file in home.rglob("*") if file.is_file())
    return {str(file): file.read_text("latin-1") for file in files}


def test_escapes_from_each_sandbox(sandbox: str, workspace: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    walls = make_walls(sandbox, environ=ENVIRON, hide=[home])
    with outside(home) as variables:
        before = contents(home)
        environment = SandboxedExecutionEnvironment(workspace, walls)
        assert asyncio.run(escapes(environment, variables)) == LEAKS[sandbox]
        assert contents(home) == before
        limit = resource.prlimit(int(variables["decoy"]), resource.RLIMIT_CPU)
        assert limit == resource.getrlimit(resource.RLIMIT_CPU)


def test_without_a_sandbox_the_attempts_succeed(workspace: Path, tmp_path: Path) -> None:
    environment = LocalExecutionEnvironment(workspace, environ=ENVIRON)
    with outside(tmp_path / "home") as variables:
        succeeded = asyncio.run(escapes(environment, variables))
    every = {f"{section}: {name}" for section, names in SECTIONS.items() for name in names}
    # Keys are removed from commands without a sandbox too.
    every -= {"read: a variable with a key", *(ONLY_ROOT if os.getuid() else ())}
    assert every - succeeded <= MAYBE


def test_setuid_program_gets_no_rights(sandbox: str) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can make a program of another user")
    # Not in `tmp_path`, which may be on a file system that ignores setuid.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        program = Path(folder, "other-user")
        shutil.copy("/usr/bin/id", program)
        os.chown(program, 12345, -1)
        program.chmod(0o4755)
        local = LocalExecutionEnvironment(folder, environ=ENVIRON)
        confined = SandboxedExecutionEnvironment(folder, make_walls(sandbox))
        assert [run(one, "./other-user -u")[0].stdout for one in (local, confined)] == [
            "12345\n",
            {"bubblewrap": "1000\n", "landlock": "0\n"}[sandbox],
        ]


ADOPT = 'import ctypes, os; ctypes.CDLL(None).prctl(36, 1); os.system("(exec {stay}) &"); os.wait()'
STAYS = (
    "setsid setsid {stay}",
    "(setsid nohup {stay} &)",
    "env -i setsid {stay}",
    """setsid sh -c 'trap "" TERM HUP INT; {stay}; true'""",
    f"setsid python3 -c '{ADOPT}'",
)


def test_no_process_is_left_behind(sandbox: str, workspace: Path) -> None:
    stay = f"sleep 1000.{os.getpid()}"
    environment = SandboxedExecutionEnvironment(workspace, make_walls(sandbox))

    async def work(env: ExecutionEnvironment) -> None:
        begin = "".join(f"{one.format(stay=stay)} >out 2>&1 &\n" for one in STAYS)
        # The service runs until all processes have left its group.
        service = await env.start_service(f"{begin} sleep 1000")
        await until(lambda: len(processes_of(stay)) >= len(STAYS))
        os.kill(processes_of(stay)[0], signal.SIGSTOP)
        await service.stop()
        assert len(processes_of(stay)) == len(STAYS)

    use(environment, work)
    assert processes_of(stay) == []


def processes_of(command: str) -> list[int]:
    """Return the running processes with exactly this command line."""
    return [one for one, words in command_lines().items() if " ".join(words) == command]
