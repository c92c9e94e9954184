"""Files and commands over docker and ssh, beyond the contract of environments."""

import asyncio
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from attractor.base.errors import ProcessNotStarted, UsageError
from attractor.environments.docker import DockerExecutionEnvironment
from attractor.environments.environment import ExecutionEnvironment, GrepOptions, GrepOutput
from attractor.environments.errors import (
    FileUnusable,
    InvalidPattern,
    NotSupported,
    NotText,
    PathOutside,
    RemoteLost,
)
from attractor.environments.files import MAX_READ
from attractor.environments.remote import MarkedOutput
from tests.environments.places import FAR_MS
from tests.environments.remotes import CONTAINER
from tests.patience import PATIENCE_S, until

pytestmark = pytest.mark.anyio

Operation = Callable[[ExecutionEnvironment, str], Coroutine[Any, Any, object]]


def alive(number: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


async def until_gone(number: int) -> None:
    await until(lambda: not alive(number))


async def test_remote_links_outside_are_refused(
    remote: ExecutionEnvironment, workspace: Path
) -> None:
    outside = workspace.parent / "outside"
    outside.mkdir()
    (outside / "file").write_text("secret")
    (workspace / "file").symlink_to(outside / "file")
    (workspace / "folder").symlink_to("../outside")
    (workspace / "new").symlink_to(outside / "new")
    doings: list[tuple[Operation, list[str]]] = [
        (lambda env, path: env.read_file(path), ["file", "folder/file"]),
        (lambda env, path: env.write_file(path, "x"), ["file", "new", "folder/x", "folder/a/b"]),
        (lambda env, path: env.delete_file(path), ["folder/file"]),
        (lambda env, path: env.file_exists(path), ["file", "folder/file"]),
        (lambda env, path: env.list_directory(path), ["folder"]),
        (lambda env, path: env.glob("*", path), ["folder"]),
        (lambda env, path: env.grep("s", path, GrepOptions()), ["file", "folder"]),
        (
            lambda env, path: env.exec_command("true", timeout_ms=FAR_MS, working_dir=path),
            ["folder"],
        ),
    ]
    for doing, paths in doings:
        for path in paths:
            with pytest.raises(PathOutside, match=path):
                await doing(remote, path)
    assert {one.name: one.read_text() for one in outside.iterdir()} == {"file": "secret"}
    await remote.delete_file("file")
    assert [one.name for one in await remote.list_directory(".")] == ["folder", "new"]
    assert await remote.glob("**") == []


async def test_links_inside_are_followed(remote: ExecutionEnvironment, workspace: Path) -> None:
    await remote.write_file("folder/file", "old")
    (workspace / "link").symlink_to("folder")
    (workspace / "new").symlink_to("folder/new")
    await remote.write_file("link/file", "new")
    await remote.write_file("new", "text")
    assert await remote.read_file("folder/file") == "new"
    assert await remote.read_file("folder/new") == "text"
    assert (workspace / "new").is_symlink()


async def test_files_are_replaced_whole(remote: ExecutionEnvironment, workspace: Path) -> None:
    script = workspace / "script"
    script.write_text("old")
    script.chmod(0o750)
    (workspace / "twin").hardlink_to(script)
    await remote.write_file("script", "new")
    assert (script.read_text(), stat.S_IMODE(script.stat().st_mode)) == ("new", 0o750)
    assert (workspace / "twin").read_text() == "old"
    assert {one.name for one in workspace.iterdir()} == {"script", "twin"}


async def test_only_text_files_are_read(remote: ExecutionEnvironment, workspace: Path) -> None:
    (workspace / "binary").write_bytes(b"a\0b")
    os.mkfifo(workspace / "pipe")
    for name in ("binary", "pipe"):
        with pytest.raises(NotText, match=name):
            await remote.read_file(name)
    with pytest.raises(NotText):
        await remote.write_file("pipe", "text")
    with (workspace / "large").open("wb") as large:
        large.truncate(MAX_READ + 1)
    with pytest.raises(FileUnusable, match="larger than"):
        await remote.read_file("large")


async def test_unusual_names_and_commands_arrive(remote: ExecutionEnvironment) -> None:
    names = ["a b", "it's", 'qu"ote', "back\\nslash", "$HOME", "%s%b", "-rf", "ü", "line\nbreak"]
    for name in names:
        await remote.write_file(f"x/{name}", name)
        assert await remote.read_file(f"x/{name}") == name
    found = await remote.glob("x/*")
    assert set(found) >= {f"x/{name}" for name in names if "\n" not in name}
    command = "printf '%s\\n' \"$A\" 'back\\\\slash'\necho \"it's\" # \\"
    result = await remote.exec_command(command, timeout_ms=FAR_MS, env_vars={"A": "1\n2 '\\n'"})
    assert result.stdout == "1\n2 '\\n'\nback\\\\slash\nit's\n"
    with pytest.raises(ProcessNotStarted, match="null"):
        await remote.exec_command("echo a\0b", timeout_ms=FAR_MS)


async def test_variables_are_on_no_command_line(remote: ExecutionEnvironment) -> None:
    await remote.start_service("sleep 1000; true", env_vars={"NAME": "not-for-all"})
    async with asyncio.timeout(PATIENCE_S):
        while not any(b"sleep\x001000" in line for line in command_lines()):
            assert not any(b"not-for-all" in line for line in command_lines())
            await asyncio.sleep(0.02)
    assert not any(b"not-for-all" in line for line in command_lines())


def command_lines() -> Iterator[bytes]:
    for place in Path("/proc").iterdir():
        with suppress(OSError):
            if place.name.isdecimal():
                yield (place / "cmdline").read_bytes()


async def test_processes_left_over_end_with_the_environment(
    remote: ExecutionEnvironment, workspace: Path
) -> None:
    await remote.exec_command("setsid sleep 1000 & echo $! >left", timeout_ms=FAR_MS)
    left = int((workspace / "left").read_text())
    assert alive(left)
    await remote.cleanup()
    await until_gone(left)


async def test_lost_connections_are_reported(remote: ExecutionEnvironment) -> None:
    with pytest.raises(RemoteLost, match="connection was lost") as caught:
        await remote.exec_command("kill -9 $PPID", timeout_ms=FAR_MS)
    assert caught.value.hint
    assert (await remote.exec_command("echo again", timeout_ms=FAR_MS)).stdout == "again\n"


RUNNER = """
import asyncio, json, sys
from attractor.environments.docker import DockerExecutionEnvironment

async def work():
    container, folder, environ = json.loads(sys.argv[1])
    env = DockerExecutionEnvironment(container, folder, environ=environ)
    await env.initialize()
    await env.exec_command("echo $$ >leader; sleep 1000 & wait", timeout_ms=600_000)

asyncio.run(work())
"""


async def test_commands_end_with_the_runner(workspace: Path, with_docker: dict[str, str]) -> None:
    given = json.dumps([CONTAINER, str(workspace), with_docker])
    leader = workspace / "leader"
    with subprocess.Popen([sys.executable, "-c", RUNNER, given]) as runner:
        async with asyncio.timeout(PATIENCE_S):
            while not leader.exists() or not leader.read_text().strip():
                assert runner.poll() is None
                await asyncio.sleep(0.01)
        runner.send_signal(signal.SIGKILL)
    await until_gone(int(leader.read_text()))


async def test_use_before_the_connection_is_refused(with_docker: dict[str, str]) -> None:
    environment = DockerExecutionEnvironment(CONTAINER, environ=with_docker)
    with pytest.raises(UsageError, match="not connected") as caught:
        await environment.read_file("x")
    assert "initialize()" in caught.value.hint


async def test_a_small_container_needs_few_programs(
    workspace: Path, tmp_path: Path, with_docker: dict[str, str]
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()

    def put(*names: str) -> None:
        for name in names:
            (programs / name).symlink_to(shutil.which(name) or "")

    put("sh", "cat", "cp", "cut", "find", "grep", "head", "mkdir", "mktemp", "mv", "readlink", "rm")
    put("sed", "sleep", "sort", "stat", "uname", "wc", "xargs")
    environ = with_docker | {"CONTAINER_PATH": str(programs)}
    environment = DockerExecutionEnvironment(CONTAINER, str(workspace), environ=environ)
    with pytest.raises(NotSupported, match="setsid"):
        await environment.initialize()
    put("setsid")
    await environment.initialize()
    for name in ("a/x.py", "a/y.py", "b.txt", ".git/x.py"):
        await environment.write_file(name, "one\ntwo\n" + "x" * 9999)
    options = GrepOptions(glob="**/*.{py,c}", ignore_case=True)
    for output, lines in (
        (GrepOutput.CONTENT, ["a/x.py:2:two", "a/y.py:2:two"]),
        (GrepOutput.FILES, ["a/x.py", "a/y.py"]),
        (GrepOutput.COUNT, ["a/x.py:1", "a/y.py:1"]),
    ):
        found = await environment.grep("W+o", ".", replace(options, output=output))
        assert found.splitlines() == lines
    assert await environment.grep("^t", "b.txt", GrepOptions()) == "b.txt:2:two\n"
    assert await environment.grep("^no", ".", GrepOptions(output=GrepOutput.COUNT)) == ""
    assert len(await environment.grep("xx", ".", GrepOptions(max_results=2))) < 1400
    with pytest.raises(InvalidPattern, match=r"Unmatched \("):
        await environment.grep("(", ".", GrepOptions())
    result = await environment.exec_command('echo "$BASH_VERSION"', timeout_ms=FAR_MS)
    assert result.stdout == "\n"
    await environment.cleanup()


def test_output_is_passed_on_up_to_its_mark() -> None:
    mark = b"\0abc 0\n"
    random.seed(1)
    for data in (b"", b"text", b"\0", b"\0\0abc \0abc\n", b"\0" * 1000, b"text\0ab" * 99):
        for _ in range(20):
            assert pass_on(data + mark + b"left over") == (data, "0")
            assert pass_on(data) == (data, None)


def pass_on(data: bytes) -> tuple[bytes, str | None]:
    """Feed data in random pieces; return the output, and the word of the mark."""

    async def work() -> tuple[bytes, str | None]:
        taken = bytearray()
        stream = asyncio.StreamReader()
        reading = asyncio.create_task(MarkedOutput("abc", taken.extend).read(stream))
        left = data
        while left:
            size = random.choice((1, 2, 5, 300))
            stream.feed_data(left[:size])
            left = left[size:]
            await asyncio.sleep(0)
        stream.feed_eof()
        word = await reading
        return bytes(taken), word

    return asyncio.run(work())
