import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from attractor.base import processes
from attractor.base.errors import FileError, ProcessNotStarted
from attractor.base.processes import ExecResult, OutputChunk, has_members, run_process
from tests.base.running import FAR, NEVER, SOON, end, is_child, is_running, open_files, run, sh
from tests.counts import count
from tests.patience import PATIENCE_S, with_longer_limits
from tests.tables import table

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["pidfd", "polling"])
def pidfd_or_polling(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Detect the end of a program by pidfd, and by polling where the kernel has no pidfd."""
    if request.param == "polling":
        monkeypatch.delattr(os, "pidfd_open", raising=False)


@pytest.fixture
def sigterm_ignored() -> Iterator[None]:
    """Start children with SIGTERM ignored: unlike a trap, this needs no time to set up."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGTERM, before)


def test_result_has_output_and_exit_status(pidfd_or_polling: None):
    result = sh("echo out; echo err >&2; exit 3")
    assert (result.stdout, result.stderr, result.exit_code) == ("out\n", "err\n", 3)
    assert not result.timed_out
    assert result.duration_ms >= 0
    assert (result.stdout_omitted, result.stderr_omitted) == (0, 0)


def test_program_gets_folder_and_environment(tmp_path: Path):
    argv = ["/bin/sh", "-c", 'pwd; echo "$GREETING ${HOME-none}"']
    result = asyncio.run(run_process(argv, cwd=tmp_path, env={"GREETING": "hello"}, timeout=FAR))
    assert result.stdout == f"{tmp_path.resolve()}\nhello none\n"


def test_program_leads_its_own_session_and_group():
    shown = run("python3", "-c", "import os; print(os.getpid(), os.getsid(0), os.getpgrp())")
    assert len(set(shown.stdout.split())) == 1


async def test_programs_run_concurrently():
    argvs = [["sh", "-c", f"echo {number}"] for number in range(8)]
    runs = [run_process(argv, cwd="/", env=None, timeout=FAR) for argv in argvs]
    assert [result.stdout for result in await asyncio.gather(*runs)] == [f"{n}\n" for n in range(8)]


# --- ends


@pytest.mark.crash
def test_time_limit_kills_the_group_and_keeps_its_output(pidfd_or_polling: None):
    def play(limit_s: float) -> None:
        limit = timedelta(seconds=limit_s)
        result = sh(f"sleep {NEVER} & echo $!; echo $$; wait", timeout=limit)
        child, leader = (int(line) for line in result.stdout.split())
        assert (result.timed_out, result.exit_code) == (True, -signal.SIGTERM)
        assert result.duration_ms >= limit_s * 1000
        assert not is_running(child)
        assert not is_child(leader)

    with_longer_limits(play, first_s=SOON.total_seconds())


@pytest.mark.crash
def test_clean_up_after_the_time_limit_keeps_output_and_exit_status():
    script = """if True:
        import os, signal, time
        def clean_up(*_):
            os.write(1, b"cleaned\\n")
            os._exit(7)
        signal.signal(signal.SIGTERM, clean_up)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        time.sleep(1000)
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # inherited by the child
    try:
        result = run(sys.executable, "-S", "-c", script, timeout=SOON, grace=FAR)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert (result.stdout, result.exit_code, result.timed_out) == ("cleaned\n", 7, True)


@pytest.mark.crash
def test_process_that_ignores_sigterm_is_killed_after_the_grace_period(
    pidfd_or_polling: None, sigterm_ignored: None
):
    result = run("sleep", NEVER, timeout=SOON, grace=SOON)
    assert (result.timed_out, result.exit_code) == (True, -signal.SIGKILL)
    assert result.duration_ms >= 600


@pytest.mark.crash
def test_remaining_process_that_ignores_sigterm_is_killed(sigterm_ignored: None):
    result = run("sh", "-c", f"sleep {NEVER} & echo $!", grace=SOON)
    assert result.exit_code == 0
    assert not is_running(int(result.stdout))
    assert result.duration_ms >= 300


def test_remaining_process_may_finish_its_output():
    # On a busy machine some output may come too late, but not in all of 20 runs.
    script = "exec > >(sleep 0.02; cat); echo hello"
    assert any(run("bash", "-c", script).stdout == "hello\n" for _ in range(20))


@pytest.mark.crash
@pytest.mark.parametrize("away", ["sleep 1000", "yes"])
def test_process_outside_the_group_with_an_open_pipe_does_not_block(tmp_path: Path, away: str):
    pid = tmp_path / "pid"
    script = f"""
        setsid sh -c 'echo $$ > "{pid}"; exec {away}' &
        while [ ! -s "{pid}" ]; do sleep 0.01; done
        printf 'done\\303' >&2
    """
    chunks: list[OutputChunk] = []
    result = run("sh", "-c", script, on_output=chunks.append)
    try:
        said = "".join(chunk.text for chunk in chunks if chunk.stream == "stderr")
        assert said == result.stderr == "done\N{REPLACEMENT CHARACTER}"
        assert (result.exit_code, result.timed_out) == (0, False)
        assert away == "yes" or is_running(int(pid.read_text()))
    finally:
        end(int(pid.read_text()))


LAZY = """
import ctypes, subprocess, sys
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0  # orphans come here, as to process 1
sys.exit(subprocess.run([sys.executable, "-c", sys.argv[1]], timeout=60).returncode)
"""
LEAVES_AN_ORPHAN = """
import asyncio, os
from datetime import timedelta
from attractor.base.processes import run_process
argv = ["sh", "-c", "sleep 1000 & echo $!"]
result = asyncio.run(run_process(argv, cwd="/", env=None, timeout=timedelta(seconds=30)))
assert result.duration_ms < 1500, result
"""
ADOPTS_IT = """
import ctypes
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0
"""
HAS_NO_CHILD = """
try:
    raise SystemExit(f"a child is left: {os.waitpid(-1, os.WNOHANG)}")
except ChildProcessError:
    pass
"""


@pytest.mark.crash
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has subreapers")
@pytest.mark.parametrize(
    "argv", [["-c", LAZY, LEAVES_AN_ORPHAN], ["-c", ADOPTS_IT + LEAVES_AN_ORPHAN + HAS_NO_CHILD]]
)
def test_zombies_do_not_count_as_running(argv: list[str]):
    done = subprocess.run(
        [sys.executable, *argv], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.crash
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows it as a zombie")
def test_process_without_its_first_thread_is_killed(tmp_path: Path):
    pid, program = tmp_path / "pid", tmp_path / "program.py"
    program.write_text(f"""
import ctypes, os, threading, time
def go_on():
    while ") Z " not in open("/proc/self/stat").read():
        time.sleep(0.01)
    open("{pid}", "w").write(str(os.getpid()))
    time.sleep(1000)
threading.Thread(target=go_on).start()
ctypes.CDLL(None).pthread_exit(None)
""")
    result = sh(f"""
        "{sys.executable}" -S "{program}" &
        while [ ! -s "{pid}" ]; do sleep 0.01; done
    """)
    left = int(pid.read_text())
    threads = len(list(Path(f"/proc/{left}").glob("task/*")))
    end(left)
    assert threads <= 1
    assert (result.exit_code, result.timed_out) == (0, False)


# --- cancellation, and output callbacks that raise


class FirstPid:
    """An output callback that reads a process id from the first line."""

    def __init__(self) -> None:
        self.pid = asyncio.get_running_loop().create_future()

    def __call__(self, chunk: OutputChunk) -> None:
        if not self.pid.done():
            self.pid.set_result(int(chunk.text.split()[0]))


async def started(script: str, *, grace: timedelta) -> tuple[asyncio.Task[ExecResult], int]:
    first = FirstPid()
    argv = ["sh", "-c", script]
    running = run_process(argv, cwd="/", env=None, timeout=FAR, on_output=first, grace=grace)
    task = asyncio.create_task(running)
    return task, await asyncio.wait_for(first.pid, PATIENCE_S)


@pytest.mark.crash
async def test_cancellation_waits_until_the_group_is_killed(pidfd_or_polling: None):
    task, pid = await started(f"sleep {NEVER} & echo $!; wait", grace=FAR)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not is_running(pid)


@pytest.mark.crash
async def test_cancellation_during_the_grace_period_kills_at_once(sigterm_ignored: None):
    task, pid = await started(f"echo $$; exec sleep {NEVER}", grace=FAR)
    task.cancel()
    await asyncio.wait([task], timeout=0.1)
    assert not task.done()
    assert is_running(pid)
    async with asyncio.timeout(PATIENCE_S):
        while not task.done():
            task.cancel()  # repeatedly, as anyio does
            await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not is_child(pid)


class CallbackError(Exception):
    """Raised by the output callbacks of these tests."""


@pytest.mark.crash
@table("kind", [CallbackError, TimeoutError, KeyboardInterrupt])
def test_exception_of_the_output_callback_kills_the_group(kind: type[BaseException]):
    chunks: list[OutputChunk] = []

    def read(chunk: OutputChunk) -> None:
        chunks.append(chunk)
        raise kind("enough")

    script = f"trap 'echo more; exit' TERM; echo $$; sleep {NEVER} & wait"
    with pytest.raises(kind, match="enough"):
        run("sh", "-c", script, on_output=read)
    assert len(chunks) == 1
    assert not is_child(int(chunks[0].text))


@pytest.mark.crash
def test_no_files_and_threads_leak(pidfd_or_polling: None):
    def refuse(_: OutputChunk) -> None:
        raise CallbackError

    files, threads = open_files(), threading.active_count()
    for _ in range(count(ci=3, full=50)):
        assert sh("echo a; echo b >&2").exit_code == 0
        assert run("true", stdin=b"x" * 1_000_000).exit_code == 0
        assert run("sleep", NEVER, timeout=timedelta(milliseconds=20)).timed_out
        with pytest.raises(ProcessNotStarted):
            run("no-such-program")
        with pytest.raises(CallbackError):
            run("echo", "a", on_output=refuse)
    # Fewer: files and threads of an earlier test may end meanwhile.
    assert open_files() <= files
    assert threading.active_count() <= threads


def test_missing_program_is_reported(tmp_path: Path):
    with pytest.raises(ProcessNotStarted, match="cannot start no-such-program") as caught:
        run("no-such-program")
    assert "PATH" in caught.value.hint
    assert isinstance(caught.value.cause, FileNotFoundError)
    with pytest.raises(ProcessNotStarted) as caught:
        run("./missing", cwd=tmp_path)
    assert caught.value.hint == f"{tmp_path}/missing does not exist"


def test_missing_folder_is_reported(tmp_path: Path):
    with pytest.raises(
        ProcessNotStarted, match=f"cannot start true in {tmp_path}/gone: No such"
    ) as no:
        run("true", cwd=tmp_path / "gone")
    assert "folder" in no.value.hint
    (tmp_path / "file").touch()
    with pytest.raises(ProcessNotStarted, match="file: Not a directory"):
        run("true", cwd=str(tmp_path / "file"))


@table(
    ("text", "mode", "hint"),
    [
        ("#!/bin/sh\n", 0o644, "chmod +x"),
        ("#!/no/such/interpreter\n", 0o755, "interpreter"),
        ("no first line that names one\n", 0o755, "#! line"),
    ],
)
def test_unexecutable_file_is_reported(tmp_path: Path, text: str, mode: int, hint: str):
    program = tmp_path / "program"
    program.write_text(text)
    program.chmod(mode)
    with pytest.raises(ProcessNotStarted) as caught:
        run(str(program))
    assert hint in caught.value.hint


def test_other_reasons_of_a_failed_start_are_reported(tmp_path: Path):
    with pytest.raises(ProcessNotStarted) as caught:
        run(str(tmp_path))
    assert caught.value.hint == f"{tmp_path} is a folder"
    with pytest.raises(ProcessNotStarted) as caught:
        run("true", "x" * 10_000_000)
    assert "stdin" in caught.value.hint
    with pytest.raises(ProcessNotStarted, match="null byte"):
        run("echo", "a\0b")
    with pytest.raises(ProcessNotStarted, match="empty command"):
        run()


def test_stdin_and_stdout_can_be_files(tmp_path: Path):
    given, taken = tmp_path / "given", tmp_path / "taken"
    given.write_bytes(bytes(range(256)) * 4096)
    result = run("cat", stdin=given, output=taken)
    assert taken.read_bytes() == given.read_bytes()
    assert (result.stdout, result.stderr, result.exit_code) == ("", "", 0)
    assert run("sh", "-c", "wc -c; echo odd >&2", stdin=taken).stdout == f"{256 * 4096}\n"
    assert run("sh", "-c", "echo odd >&2", output=taken).stderr == "odd\n"
    assert taken.read_bytes() == b""


def test_unreadable_file_starts_no_program(tmp_path: Path):
    with pytest.raises(FileError, match=f"cannot read {tmp_path}/none: No such file"):
        run("touch", str(tmp_path / "made"), stdin=tmp_path / "none")
    with pytest.raises(FileError, match=f"cannot write {tmp_path}/no/where: No such file"):
        run("touch", str(tmp_path / "made"), output=tmp_path / "no" / "where")
    assert not (tmp_path / "made").exists()


LATE_PARENT = """import os, subprocess
child = subprocess.Popen(["true"], process_group=0)
os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
print(child.pid, flush=True)
input()
child.wait()
"""


def test_group_whose_zombie_is_reaped_during_the_scan_has_no_members(
    monkeypatch: pytest.MonkeyPatch,
):
    scan = processes._alive_members  # pyright: ignore[reportPrivateUsage]
    parent = subprocess.Popen(
        [sys.executable, "-c", LATE_PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdout
    group = int(parent.stdout.readline())

    def reap_and_scan(group: int) -> list[bool]:
        parent.communicate(b"\n")
        return scan(group)

    assert not has_members(group)
    monkeypatch.setattr(processes, "_alive_members", reap_and_scan)
    assert not has_members(group)
