""""""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest

from attractor.base.errors import FileError, ProcessNotStarted
from attractor.base.process_output import OutputChunk
from attractor.base.processes import ExecResult, run_process
from tests.base.running import FAR, NEVER, SOON, end, is_child, is_running, open_files, run, sh
from tests.counts import count


@pytest.fixture(params=["pidfd", "polling"])
def watching(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """See the end of a program with the kernel's help, and on systems that give none."""
    if request.param == "polling":
        monkeypatch.delattr(os, "pidfd_open", raising=False)


@pytest.fixture
def deaf() -> Iterator[None]:
    """Let children start with SIGTERM ignored: no trap they would have to set up in time."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGTERM, before)


def test_what_it_prints_and_how_it_ends_comes_back(watching: None):
    result = sh("echo out; echo err >&2; exit 3")
    assert (result.stdout, result.stderr, result.exit_code) == ("out\n", "err\n", 3)
    assert not result.timed_out
    assert 0 <= result.duration_ms < 30_000
    assert (result.stdout_omitted, result.stderr_omitted) == (0, 0)


def test_a_signal_shows_as_a_negative_exit_code(watching: None):
    assert sh("kill -USR1 $$").exit_code == -signal.SIGUSR1


def test_it_runs_where_and_with_what_it_is_told(tmp_path: Path):
    argv = ["/bin/sh", "-c", 'pwd; echo "$GREETING ${HOME-none}"']
    result = asyncio.run(run_process(argv, cwd=tmp_path, env={"GREETING": "hello"}, timeout=FAR))
    assert result.stdout == f"{tmp_path.resolve()}\nhello none\n"


def test_it_is_the_leader_of_a_session_and_a_group_of_its_own():
    shown = run("python3", "-c", "import os; print(os.getpid(), os.getsid(0), os.getpgrp())")
    assert len(set(shown.stdout.split())) == 1


def test_several_run_side_by_side():
    async def race() -> Sequence[ExecResult]:
        argvs = [["sh", "-c", f"echo {number}"] for number in range(8)]
        runs = [run_process(argv, cwd="/", env=None, timeout=FAR) for argv in argvs]
        return await asyncio.gather(*runs)

    assert [result.stdout for result in asyncio.run(race())] == [f"{n}\n" for n in range(8)]


def test_it_runs_on_a_loop_of_another_thread():
    results: list[ExecResult] = []
    thread = threading.Thread(target=lambda: results.append(sh("echo here")))
    thread.start()
    thread.join(60)
    assert [result.stdout for result in results] == ["here\n"]


# --- ends


@pytest.mark.crash
def test_time_up_ends_the_whole_group_and_keeps_what_was_printed(watching: None):
    result = sh(f"sleep {NEVER} & echo $!; echo $$; wait", timeout=SOON)
    child, leader = (int(line) for line in result.stdout.split())
    assert (result.timed_out, result.exit_code) == (True, -signal.SIGTERM)
    assert result.duration_ms >= 300
    assert not is_running(child)
    assert not is_child(leader)


@pytest.mark.crash
def test_who_cleans_up_when_the_time_is_up_is_heard_and_keeps_its_exit_code():
    script = """if True:
        import os, signal, time
        def clean_up(*_):
            os.write(1, b"cleaned\\n")
            os._exit(7)
        signal.signal(signal.SIGTERM, clean_up)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        time.sleep(1000)
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # the child starts so
    try:
        result = run(sys.executable, "-S", "-c", script, timeout=SOON, grace=FAR)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert (result.stdout, result.exit_code, result.timed_out) == ("cleaned\n", 7, True)


@pytest.mark.crash
def test_who_ignores_the_request_is_killed_after_the_grace(watching: None, deaf: None):
    result = run("sleep", NEVER, timeout=SOON, grace=SOON)
    assert (result.timed_out, result.exit_code) == (True, -signal.SIGKILL)
    assert 600 <= result.duration_ms < 5000


def test_no_time_at_all_is_a_time_limit_too():
    assert run("sleep", NEVER, timeout=timedelta()).timed_out


def test_no_time_limit_waits_for_the_end():
    assert not run("sleep", "0.05", timeout=None).timed_out


@pytest.mark.crash
def test_what_is_left_running_in_the_group_is_ended(watching: None):
    result = sh(f"sleep {NEVER} & echo $!; exit 4")
    assert (result.exit_code, result.timed_out) == (4, False)
    assert not is_running(int(result.stdout))
    assert result.duration_ms < 5000


@pytest.mark.crash
def test_what_is_left_running_and_deaf_is_killed(deaf: None):
    result = run("sh", "-c", f"sleep {NEVER} & echo $!", grace=SOON)
    assert result.exit_code == 0
    assert not is_running(int(result.stdout))
    assert 300 <= result.duration_ms < 5000


def test_what_is_about_to_end_by_itself_has_its_last_word():
    # On a machine that is very busy one may come too late, but not all.
    script = "exec > >(sleep 0.02; cat); echo hello"
    assert any(run("bash", "-c", script).stdout == "hello\n" for _ in range(20))


@pytest.mark.crash
@pytest.mark.parametrize("away", ["sleep 1000", "yes"])
def test_who_left_the_group_and_holds_the_pipe_is_not_waited_for(tmp_path: Path, away: str):
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
        assert result.duration_ms < 5000
        assert away == "yes" or is_running(int(pid.read_text()))
    finally:
        end(int(pid.read_text()))


@pytest.mark.crash
def test_who_left_the_group_does_not_hold_up_the_time_limit(tmp_path: Path):
    pid = tmp_path / "pid"
    script = f"""setsid sh -c 'echo $$ > "{pid}"; exec sleep {NEVER}' & wait"""
    result = sh(script, timeout=timedelta(seconds=1))
    end(int(pid.read_text()))
    assert result.timed_out
    assert result.duration_ms < 10_000


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
def test_the_dead_that_nobody_waited_for_are_not_mistaken_for_living(argv: list[str]):
    done = subprocess.run([sys.executable, *argv], capture_output=True, text=True, timeout=90)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.crash
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows it as a zombie")
def test_who_lost_its_first_thread_lives_and_is_ended(tmp_path: Path):
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


# --- cancellation, and readers that raise


class Started:
    """Waits for the first line of a program, which is a process id."""

    def __init__(self) -> None:
        self.pid = asyncio.get_running_loop().create_future()

    def __call__(self, chunk: OutputChunk) -> None:
        if not self.pid.done():
            self.pid.set_result(int(chunk.text.split()[0]))


async def started(script: str, *, grace: timedelta) -> tuple[asyncio.Task[ExecResult], int]:
    first = Started()
    argv = ["sh", "-c", script]
    running = run_process(argv, cwd="/", env=None, timeout=FAR, on_output=first, grace=grace)
    task = asyncio.create_task(running)
    return task, await asyncio.wait_for(first.pid, 30)


@pytest.mark.crash
def test_cancellation_leaves_only_after_the_group_was_ended(watching: None):
    async def scene() -> None:
        task, pid = await started(f"sleep {NEVER} & echo $!; wait", grace=FAR)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not is_running(pid)

    asyncio.run(scene())


@pytest.mark.crash
def test_cancellation_during_the_grace_kills_at_once(deaf: None):
    async def scene() -> None:
        task, pid = await started(f"echo $$; exec sleep {NEVER}", grace=FAR)
        task.cancel()
        await asyncio.wait([task], timeout=0.1)
        assert not task.done()
        assert is_running(pid)
        begun = monotonic()
        while not task.done() and monotonic() < begun + 30:
            task.cancel()  # again and again, as anyio does
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not is_child(pid)

    asyncio.run(scene())


@pytest.mark.crash
def test_a_task_cancelled_before_it_begins_starts_nothing(tmp_path: Path):
    async def scene() -> None:
        argv = ["touch", str(tmp_path / "made")]
        task = asyncio.create_task(run_process(argv, cwd="/", env=None, timeout=FAR))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scene())
    assert not list(tmp_path.iterdir())


@pytest.mark.crash
def test_a_time_limit_around_it_ends_the_group_as_well():
    async def scene() -> None:
        task, pid = await started(f"echo $$; exec sleep {NEVER}", grace=FAR)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(task, 0.05)
        assert not is_child(pid)

    asyncio.run(scene())


class Unreadable(Exception):
    """What a reader raises in these tests."""


@pytest.mark.crash
@pytest.mark.parametrize("kind", [Unreadable, TimeoutError, KeyboardInterrupt])
def test_a_reader_that_raises_ends_the_group_and_is_heard(kind: type[BaseException]):
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
def test_nothing_is_left_over(watching: None):
    def refuse(_: OutputChunk) -> None:
        raise Unreadable

    files, threads = open_files(), threading.active_count()
    for _ in range(count(ci=3, full=50)):
        assert sh("echo a; echo b >&2").exit_code == 0
        assert run("true", stdin=b"x" * 1_000_000).exit_code == 0
        assert run("sleep", NEVER, timeout=timedelta(milliseconds=20)).timed_out
        with pytest.raises(ProcessNotStarted):
            run("no-such-program")
        with pytest.raises(Unreadable):
            run("echo", "a", on_output=refuse)
    assert open_files() == files
    assert threading.active_count() == threads


def test_a_relative_program_is_sought_in_its_folder(tmp_path: Path):
    program = tmp_path / "greet"
    program.write_text("#!/bin/sh\necho hello\n")
    program.chmod(0o755)
    assert run("./greet", cwd=tmp_path).stdout == "hello\n"


def test_a_program_that_is_nowhere_is_told(tmp_path: Path):
    with pytest.raises(ProcessNotStarted, match="no-such-program was not started") as caught:
        run("no-such-program")
    assert "PATH" in caught.value.hint
    assert isinstance(caught.value.cause, FileNotFoundError)
    with pytest.raises(ProcessNotStarted) as caught:
        run("./missing", cwd=tmp_path)
    assert caught.value.hint == f"{tmp_path}/missing does not exist"


def test_a_missing_folder_is_told_apart_from_a_missing_program(tmp_path: Path):
    with pytest.raises(ProcessNotStarted, match=f"not started in {tmp_path}/gone: No such") as no:
        run("true", cwd=tmp_path / "gone")
    assert "folder" in no.value.hint
    (tmp_path / "file").touch()
    with pytest.raises(ProcessNotStarted, match="file: Not a directory"):
        run("true", cwd=str(tmp_path / "file"))


@pytest.mark.parametrize(
    ("text", "mode", "hint"),
    [
        ("#!/bin/sh\n", 0o644, "chmod +x"),
        ("#!/no/such/interpreter\n", 0o755, "interpreter"),
        ("no first line that names one\n", 0o755, "#! line"),
    ],
)
def test_a_file_that_cannot_be_executed_is_told(tmp_path: Path, text: str, mode: int, hint: str):
    program = tmp_path / "program"
    program.write_text(text)
    program.chmod(mode)
    with pytest.raises(ProcessNotStarted) as caught:
        run(str(program))
    assert hint in caught.value.hint


def test_other_reasons_not_to_start_are_told(tmp_path: Path):
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


def test_it_reads_a_file_and_writes_another_byte_for_byte(tmp_path: Path):
    given, taken = tmp_path / "given", tmp_path / "taken"
    given.write_bytes(bytes(range(256)) * 4096)
    result = run("cat", stdin=given, output=taken)
    assert taken.read_bytes() == given.read_bytes()
    assert (result.stdout, result.stderr, result.exit_code) == ("", "", 0)
    assert run("sh", "-c", "wc -c; echo odd >&2", stdin=taken).stdout == f"{256 * 4096}\n"
    assert run("sh", "-c", "echo odd >&2", output=taken).stderr == "odd\n"
    assert taken.read_bytes() == b""


def test_a_file_that_cannot_be_opened_is_told_and_nothing_is_started(tmp_path: Path):
    with pytest.raises(FileError, match=f"cannot read {tmp_path}/none: No such file"):
        run("touch", str(tmp_path / "made"), stdin=tmp_path / "none")
    with pytest.raises(FileError, match=f"cannot write {tmp_path}/no/where: No such file"):
        run("touch", str(tmp_path / "made"), output=tmp_path / "no" / "where")
    assert not (tmp_path / "made").exists()
