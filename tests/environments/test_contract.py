"""Contract of all environments, including files in memory; commands on machines."""

import asyncio
import socket
import urllib.request

import pytest

from attractor.base.errors import AttractorError, UsageError
from attractor.base.processes import ExecResult, OutputChunk
from attractor.environments.container import ContainerExecutionEnvironment
from attractor.environments.environment import (
    DirEntry,
    ExecutionEnvironment,
    GrepOptions,
    RunningCommand,
)
from attractor.environments.errors import (
    FileMissing,
    FileUnusable,
    InvalidPattern,
    NotText,
    PathOutside,
)
from tests.environments.places import FAR_MS, run
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.anyio

# A zombie keeps its process id until its parent reaps it, which may be late. In Landlock a command
# cannot read /proc, but the supervisor reaps at once.
LIVES = "grep -qs '^State:.[RSDT]' /proc/{0}/status || ! [ -r /proc/self/status ] && kill -0 {0}"
SERVER = """
import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"from a service")
server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
print(server.server_port, flush=True)
server.serve_forever()
"""


async def test_file_is_unchanged_after_a_round_trip(env: ExecutionEnvironment) -> None:
    await env.write_file("a/b/c.txt", "before")
    for text in ("", "one\ntwo", "1\r\n2\r\n", "\ufeffgrüße 🐍\n", "a\x0bb\x85c\u2028d\n"):
        await env.write_file("a/b/c.txt", text)
        assert await env.read_file("a/b/c.txt") == text


async def test_the_first_bytes_of_a_file(env: ExecutionEnvironment) -> None:
    await env.write_file("x", "grün")
    assert await env.read_bytes("x", limit=4) == b"gr\xc3\xbc"
    assert await env.read_bytes("x", limit=9) == "grün".encode()


async def test_bytes_are_written_unchanged(env: ExecutionEnvironment) -> None:
    await env.write_file("x", b"\xff\0\n")
    assert await env.read_bytes("x", limit=9) == b"\xff\0\n"
    with pytest.raises(NotText):
        await env.read_file("x")


async def test_new_file_gets_the_permissions_of_another(shell: ExecutionEnvironment) -> None:
    await shell.write_file("from", "")
    await shell.exec_command("chmod 750 from", timeout_ms=FAR_MS)
    await shell.write_file("to", "x", permissions_of="from")
    asked = await shell.exec_command("ls -l to", timeout_ms=FAR_MS)
    assert asked.stdout.startswith("-rwxr-x---")
    assert await shell.read_file("to") == "x"


async def test_lines_are_counted_from_one(env: ExecutionEnvironment) -> None:
    await env.write_file("x", "1\n2\n3")
    for offset, limit, lines in (
        (None, None, "1\n2\n3"),
        (1, 2, "1\n2\n"),
        (3, None, "3"),
        (2, 99, "2\n3"),
        (4, 1, ""),
        (1, 0, ""),
    ):
        assert await env.read_file("x", offset=offset, limit=limit) == lines, (offset, limit)


async def test_line_zero_is_rejected(env: ExecutionEnvironment) -> None:
    await env.write_file("x", "1\n")
    with pytest.raises(UsageError, match="invalid line 0"):
        await env.read_file("x", offset=0)


async def test_absolute_paths_of_the_working_folder(env: ExecutionEnvironment) -> None:
    folder = env.working_directory()
    await env.write_file(f"{folder}/x/y", "text")
    names = [f"{folder}/x/y", "/workspace/x/y", "./x//y", "x/./y"]
    assert await env.glob(f"{folder}/x/*") == ["x/y"]
    assert {await env.read_file(name) for name in names} == {"text"}


async def test_paths_outside_are_refused(env: ExecutionEnvironment) -> None:
    await env.write_file("a/x", "text")
    for path in ("../x", "a/../../x", "a/../x", "/etc/passwd", "/workspaces/x"):
        for doing in (
            env.read_file(path),
            env.read_bytes(path, limit=1),
            env.write_file(path, "text"),
            env.delete_file(path),
            env.file_exists(path),
            env.list_directory(path),
            env.glob("*", path),
            env.grep("x", path, GrepOptions()),
        ):
            with pytest.raises(PathOutside) as caught:
                await doing
            assert caught.value.hint


async def test_missing_files_are_reported(env: ExecutionEnvironment) -> None:
    for doing in (
        env.read_file("no/such"),
        env.read_bytes("no/such", limit=1),
        env.delete_file("no/such"),
        env.list_directory("no/such"),
        env.glob("*", "no/such"),
        env.grep("x", "no/such", GrepOptions()),
    ):
        with pytest.raises(FileMissing, match="no/such"):
            await doing


async def test_files_and_folders_are_not_mixed_up(env: ExecutionEnvironment) -> None:
    await env.write_file("folder/file", "text")
    for doing in (
        env.read_file("folder"),
        env.read_bytes("folder", limit=1),
        env.write_file("folder", "text"),
        env.delete_file("folder"),
        env.write_file(".", "text"),
        env.write_file("folder/file/below", "text"),
        env.list_directory("folder/file"),
    ):
        with pytest.raises(FileUnusable):
            await doing
    assert await env.read_file("folder/file") == "text"


async def test_deletion_keeps_the_folder(env: ExecutionEnvironment) -> None:
    await env.write_file("a/x", "text")
    await env.write_file("a/y", "text")
    await env.delete_file("a/x")
    assert [await env.file_exists(name) for name in ("a/x", "a/y", "a", ".", "a/y/z", "b")] == [
        False,
        True,
        True,
        True,
        False,
        False,
    ]


async def test_surrogate_keeps_the_old_file(env: ExecutionEnvironment) -> None:
    await env.write_file("x", "old")
    with pytest.raises(FileUnusable, match="surrogate"):
        await env.write_file("x", "new \ud800")
    assert await env.read_file("x") == "old"


async def test_a_folder_is_listed_sorted_and_as_deep_as_asked(env: ExecutionEnvironment) -> None:
    for name in ("b/c/d", "a", "b/a", ".hidden"):
        await env.write_file(name, "four")
    flat = [DirEntry(".hidden", False, 4), DirEntry("a", False, 4), DirEntry("b", True, None)]
    assert list(await env.list_directory(".")) == flat
    names = [entry.name for entry in await env.list_directory(".", depth=2)]
    assert names == [".hidden", "a", "b", "b/a", "b/c"]
    assert [entry.name for entry in await env.list_directory("b", depth=9)] == ["a", "c", "c/d"]
    with pytest.raises(UsageError):
        await env.list_directory(".", depth=0)


async def test_glob_sorts_by_newest_file(env: ExecutionEnvironment) -> None:
    for name in ("a.py", "src/b.py", "src/deep/c.py", "src/deep/d.txt", ".git/e.py"):
        await env.write_file(name, "text")
    assert set(await env.glob("**/*.py")) >= {"a.py", "src/b.py", "src/deep/c.py"}
    assert list(await env.glob("*.py")) == ["a.py"]
    assert set(await env.glob("src/**")) == {"src/b.py", "src/deep/c.py", "src/deep/d.txt"}
    assert list(await env.glob("*/?.txt", "src")) == ["src/deep/d.txt"]
    assert list(await env.glob("no such")) == []
    for newest in ("a.py", "src/b.py", "a.py"):
        # File times are coarse, so write until the time changes.
        for _ in range(1000):
            await env.write_file(newest, "again")
            if (await env.glob("**/*.py"))[0] == newest:
                break
        else:
            pytest.fail(f"{newest} does not come first")


async def test_grep_finds_matching_lines(env: ExecutionEnvironment) -> None:
    await env.write_file("src/a.py", "one\nTwo three\n")
    await env.write_file("b.txt", "two\ntwo\n")

    async def grep(pattern: str, path: str, options: GrepOptions | None = None) -> list[str]:
        found = await env.grep(pattern, path, options or GrepOptions())
        return found.splitlines()

    assert await grep("[tT]wo", ".") == ["b.txt:1:two", "b.txt:2:two", "src/a.py:2:Two three"]
    assert await grep("TWO", "src", GrepOptions(ignore_case=True)) == ["src/a.py:2:Two three"]
    assert await grep("two", "src") == []
    assert await grep("o", ".", GrepOptions(glob="*.py")) == [
        "src/a.py:1:one",
        "src/a.py:2:Two three",
    ]
    assert await grep("two", "b.txt", GrepOptions(max_results=1)) == ["b.txt:1:two"]
    assert await grep("^-{0}two$", "b.txt") == ["b.txt:1:two", "b.txt:2:two"]
    with pytest.raises(InvalidPattern, match="invalid regular expression"):
        await grep("(", ".")


def test_streams_and_exit_status_of_a_command(machine: ExecutionEnvironment) -> None:
    said, failed, killed, unread = run(
        machine, "echo out; echo err >&2", "exit 7", "kill -9 $$", "cat; echo 'no input'"
    )
    assert (said.stdout, said.stderr, said.exit_code) == ("out\n", "err\n", 0)
    assert (failed.exit_code, failed.timed_out) == (7, False)
    assert killed.exit_code == -9
    assert unread.stdout == "no input\n"


async def test_command_gets_folder_and_variables(shell: ExecutionEnvironment) -> None:
    await shell.write_file("a folder/x", "text")
    at_home = await shell.exec_command("pwd", timeout_ms=FAR_MS)
    assert at_home.stdout.strip() == shell.working_directory()
    below = await shell.exec_command(
        'cat x; echo "$GREETING"',
        timeout_ms=FAR_MS,
        working_dir="/workspace/a folder",
        env_vars={"GREETING": "hello $HOME"},
    )
    assert below.stdout == "texthello $HOME\n"
    for missing in ("..", "no such", "a folder/x"):
        with pytest.raises(FileUnusable):
            await shell.exec_command("true", timeout_ms=FAR_MS, working_dir=missing)


async def test_command_reads_stdin(shell: ExecutionEnvironment) -> None:
    handed = bytes(range(256)) * 8000

    async def hand(command: str) -> ExecResult:
        return await shell.exec_command(command, timeout_ms=FAR_MS, stdin=handed)

    assert (await hand("wc -c")).stdout.strip() == str(len(handed))
    assert (await hand("cmp - <(cat /dev/stdin) | head -1; true")).exit_code == 0
    unread = await hand("echo I do not look")
    assert (unread.stdout, unread.exit_code) == ("I do not look\n", 0)
    await shell.write_file("x", "")
    copied = await hand("cat > x; cksum < x")
    expected = await shell.exec_command("cksum < x", timeout_ms=FAR_MS)
    assert copied.stdout == expected.stdout


async def test_output_is_passed_on_while_the_command_runs(shell: ExecutionEnvironment) -> None:
    heard: list[OutputChunk] = []
    came = asyncio.Event()

    def hear(chunk: OutputChunk) -> None:
        heard.append(chunk)
        came.set()

    command = "printf 'grü'; echo ße; echo err >&2; until [ -e go ]; do sleep 0.01; done"
    running = asyncio.create_task(
        shell.exec_command(f"{command}; echo last", timeout_ms=FAR_MS, on_output=hear)
    )
    while "err" not in "".join(one.text for one in heard):
        await came.wait()
        came.clear()
    assert not running.done()
    await shell.write_file("go", "")
    result = await running
    for stream, whole in (("stdout", result.stdout), ("stderr", result.stderr)):
        assert "".join(one.text for one in heard if one.stream == stream) == whole
    assert result.stdout == "grüße\nlast\n"


def test_no_key_reaches_a_command(machine: ExecutionEnvironment) -> None:
    (result,) = run(machine, "env")
    assert "PATH=" in result.stdout
    assert "never-to-be-seen" not in result.stdout


async def test_timeout_kills_command_and_children(shell: ExecutionEnvironment) -> None:
    command = "trap 'echo asked; exit 3' TERM; sleep 1000 & echo $!; wait"
    # On a busy machine, a short time limit may end before the command begins.
    for timeout_ms in (300, 3_000, 30_000):
        result = await shell.exec_command(command, timeout_ms=timeout_ms)
        if len(result.stdout.split()) == 2:
            break
    child = result.stdout.split()[0]
    assert result.timed_out
    assert (result.stdout.split()[1], result.exit_code) == ("asked", 3)
    left = await shell.exec_command(LIVES.format(child), timeout_ms=FAR_MS)
    assert left.exit_code != 0


def test_background_processes_end_with_their_command(machine: ExecutionEnvironment) -> None:
    ended, left = run(machine, "sleep 1000 & echo $! >child", LIVES.format("$(cat child)"))
    assert (ended.exit_code, ended.timed_out) == (0, False)
    assert left.exit_code != 0


def test_detached_process_does_not_block(machine: ExecutionEnvironment) -> None:
    ended, cleared = run(
        machine, "setsid sleep 1000 & echo $! >child; echo done", "kill -9 $(cat child)"
    )
    assert ended.stdout == "done\n"
    assert cleared.exit_code == 0


def test_long_output_keeps_start_and_end(machine: ExecutionEnvironment) -> None:
    (result,) = run(machine, "echo first; yes | head -c 3000000; echo last")
    assert result.stdout.startswith("first\n")
    assert result.stdout.endswith("last\n")
    assert len(result.stdout) < 3000
    assert result.stdout_omitted == 3_000_000 + len("first\nlast\n") - 2000


async def test_a_cancelled_command_is_ended(shell: ExecutionEnvironment) -> None:
    doing = asyncio.create_task(
        shell.exec_command("echo $$ >leader; exec sleep 1000", timeout_ms=FAR_MS)
    )
    async with asyncio.timeout(PATIENCE_S):
        while not await shell.file_exists("leader") or not await shell.read_file("leader"):
            await asyncio.sleep(0.01)
    doing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await doing
    left = await shell.exec_command(LIVES.format("$(cat leader)"), timeout_ms=FAR_MS)
    assert left.exit_code != 0


async def test_many_commands_run_at_the_same_time(shell: ExecutionEnvironment) -> None:
    commands = [f"echo {number}; exit {number}" for number in range(20)]
    doing = [shell.exec_command(one, timeout_ms=FAR_MS) for one in commands]
    results = await asyncio.gather(*doing)
    assert [one.exit_code for one in results] == list(range(20))
    assert [one.stdout for one in results] == [f"{number}\n" for number in range(20)]


async def first_line(service: RunningCommand) -> str:
    said = b""
    async with asyncio.timeout(PATIENCE_S):
        async for piece in service.output():
            said += piece
            if b"\n" in said:
                return said.decode().splitlines()[0]
    return said.decode()


def fetch(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/", timeout=PATIENCE_S) as answer:
        return answer.read().decode()


async def test_service_runs_and_its_port_can_be_reached(reachable: ExecutionEnvironment) -> None:
    shell = reachable
    await shell.write_file("server.py", SERVER)
    service = await shell.start_service("exec python3 server.py 2>/dev/null")
    port = int(await first_line(service))
    assert (await shell.exec_command("true", timeout_ms=FAR_MS)).exit_code == 0
    async with shell.reach(port) as address:
        for _ in range(3):
            assert await asyncio.to_thread(fetch, address) == "from a service"
    assert await service.stop() == -15
    assert await service.stop() == -15
    async with shell.reach(port) as address:
        with pytest.raises(OSError, match=r".+"):
            await asyncio.to_thread(fetch, address)


async def test_output_and_exit_status_of_a_service(shell: ExecutionEnvironment) -> None:
    service = await shell.start_service("echo $NAME; echo two >&2; exit 4", env_vars={"NAME": "1"})
    async with asyncio.timeout(PATIENCE_S):
        said = b"".join([piece async for piece in service.output()])
    assert (said, await service.stop()) == (b"1\ntwo\n", 4)


async def test_a_killed_service_gets_no_time_to_end(shell: ExecutionEnvironment) -> None:
    for at_once, saved in ((False, True), (True, False)):
        service = await shell.start_service(
            "rm -f saved; trap 'touch saved; exit' TERM; echo ready; while sleep 0.05; do :; done"
        )
        assert await first_line(service) == "ready"
        await service.stop(at_once=at_once)
        assert await shell.file_exists("saved") == saved


async def test_running_service_ends_with_its_environment(machine: ExecutionEnvironment) -> None:
    await machine.initialize()
    service = await machine.start_service("echo ready; trap '' TERM; sleep 1000")
    assert await first_line(service) == "ready"
    await machine.cleanup()
    async with asyncio.timeout(PATIENCE_S):
        assert b"".join([piece async for piece in service.output()]) == b""
        assert await service.stop() != 0
    await machine.cleanup()


async def test_an_address_outside_can_be_offered_inside(
    offering: ExecutionEnvironment,
) -> None:
    shell = offering

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = await reader.readline()
        writer.write(b"heard " + said)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = free_port()
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        talk = f"exec 3<>/dev/tcp/127.0.0.1/{port} && echo hello >&3 && cat <&3"
        async with shell.offer(port, address):
            for _ in range(2):
                result = await shell.exec_command(talk, timeout_ms=FAR_MS)
                assert result.stdout == "heard hello\n"
            with pytest.raises(AttractorError, match=str(port)):
                async with shell.offer(port, address):
                    pass
        assert (await shell.exec_command(talk, timeout_ms=FAR_MS)).exit_code != 0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


async def test_cleaning_up_is_harmless_when_repeated(environment: ExecutionEnvironment) -> None:
    await environment.cleanup()
    await environment.initialize()
    await environment.write_file("x", "text")
    await environment.cleanup()
    await environment.cleanup()
    # It can be initialized again; a container is another one then.
    await environment.initialize()
    if not isinstance(environment, ContainerExecutionEnvironment):
        assert await environment.read_file("x") == "text"
    await environment.cleanup()


async def test_environment_describes_its_platform(env: ExecutionEnvironment) -> None:
    assert env.working_directory().startswith("/")
    assert env.platform() in {"linux", "darwin", "windows", "wasm"}
    assert env.os_version()
