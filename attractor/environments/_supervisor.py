"""The supervisor of a sandbox: starts and stops commands, and sends sockets to the outside.

A separate program for any Python from 3.9. It receives messages over one inherited socket, as
`marshal` writes them, with the pipes for the output of a command. It answers each once, in JSON,
with its `id`:

- `start` (`argv`, `cwd`, `env`; two descriptors, and optionally a third for stdin): `code` and
  `cut` when all processes in the command's group are gone; `cut` means stopped early.
- `end` (`job`, `grace` in seconds): SIGTERM for the command's group, SIGKILL after the grace; with
  a grace of 0 only SIGKILL.
- `socket` (`family`): a new socket of the sandbox, which the outside binds or connects.

Its second argument contains the bounds of the sandbox. The kernel enforces those of a process: open
files and file size. Processes and memory are counted for all commands together, as the kernel's
limits do not hold for commands of root. Above a bound, all commands are killed.

In bubblewrap it is process 1: it cannot be killed from inside, adopts all orphans, and its end
kills all others. With a third argument, the restrictions, it runs outside of the Landlock domain
of its commands, with them in a network namespace of its own where the kernel allows one. It ends
when the socket closes, so nothing outlives the process that started it.
"""

from __future__ import annotations

import ctypes
import errno
import marshal
import os
import resource
import select
import stat
import struct
import sys
import time

# Each sandbox waits for the imports: without pathlib, shutil and typing it waits 9 ms less, and 15
# ms without the modules that need `enum` or `re`: json, signal, socket, subprocess and contextlib.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    import socket
    from collections.abc import Sequence
    from contextlib import suppress
    from typing import Any
else:
    import _signal as signal
    import _socket as socket

    class suppress:
        """As in `contextlib`."""

        def __init__(self, *errors):
            self.errors = errors

        def __enter__(self):
            """Do nothing."""

        def __exit__(self, kind, error, trace):
            """Suppress the errors."""
            return isinstance(error, self.errors)


_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_CAPBSET_DROP = 4, 22, 24
_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 36, 38
_SECCOMP_MODE_FILTER = 2
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
_SET_INTERFACE_FLAGS, _INTERFACE_IS_UP = 0x8914, 1
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION, _CAPABILITIES = 0x20080522, 64
# Of linux/landlock.h; the numbers of the calls are equal on all processors.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PATH_BENEATH, _SCOPE_SOCKETS_AND_SIGNALS = 1, 3
# Execute, write, read, truncate, and ioctl of devices: the accesses that apply to a file.
_FILE_ACCESS = 1 | 2 | 4 | 1 << 14 | 1 << 15
_KEYCTL = {"x86_64": 250, "aarch64": 219}
_JOIN_SESSION_KEYRING = 1
_LARGEST_MESSAGE = 1024 * 1024
_POLL_S = 0.01
# Time for background processes of a command: `program > >(tee log)` still prints.
_SETTLE_S = 0.2
_GRACE_S = 2.0
_NOT_STARTED = 127
# Time for the kernel to execute a SIGKILL.
_KILL_S = 1.0
# ProcessUsage is counted soon after a command starts, and then less and less often.
_SOONEST_COUNT_S = 0.02
_LATEST_COUNT_S = 0.25
# Shared memory is slow to count: pause counting it for this many times as long.
_SLOW_COUNT = 20
# A fork bomb delays the reading of each of its processes, and grows meanwhile: shared memory is not
# counted while there are more processes than at the last count, by a factor and a number.
_GROWTH, _MORE = 1.25, 8
_PAGE = resource.getpagesize()
_NUMBER = struct.Struct("i")
# Of Linux; a module for sockets need not know it.
_CLOSE_ON_EXEC = 0x40000000


class Job:
    """A command in its own process group, and its pending signals."""

    def __init__(self, number: int, pid: int, err: int) -> None:
        self.number = number
        self.err = err
        self.group = pid
        self.code: int | None = None
        self.cut = False
        self.is_killed = False
        self._signals: list[tuple[float, int]] = []
        self._give_up = 0.0

    def has_ended(self, status: int) -> None:
        """Store the exit status of the command, and stop the remaining processes of its group."""
        self.code = os.waitstatus_to_exitcode(status)
        if not self.cut:
            self._plan(time.monotonic() + _SETTLE_S, _GRACE_S)

    def end(self, grace: float) -> None:
        """Stop the command early."""
        if self.code is None and not self.cut:
            self.cut = True
            self._plan(time.monotonic(), grace)

    def is_ending(self) -> bool:
        """Return whether the command is ending."""
        return self.cut or self.code is not None

    def is_gone(self) -> bool:
        """Send due signals, and return whether all processes of the group are gone."""
        now = time.monotonic()
        while self._signals and self._signals[0][0] <= now:
            self._signal(self._signals.pop(0)[1])
        if self.code is None:
            return False
        return not self._signal(0) or (not self._signals and now > self._give_up)

    def _plan(self, start: float, grace: float) -> None:
        self._signals = [(start, signal.SIGTERM)] if grace else []
        self._signals.append((start + grace, signal.SIGKILL))
        self._give_up = start + grace + _KILL_S

    def _signal(self, number: int) -> bool:
        try:
            os.killpg(self.group, number)
        except ProcessLookupError:
            return False
        return True


class Namespace:
    """The PID namespace of a bubblewrap sandbox, in which this process is process 1."""

    # File systems in memory.
    in_memory: Sequence[str] = ("/tmp", "/dev")

    def start(self, argv: list[str], cwd: str, env: dict[str, str], files: list[int]) -> int:
        """Start a command with its three streams; return its process id."""
        failed, failing = os.pipe()
        pid = os.fork()
        if pid == 0:
            _become(argv, cwd, env, files, failing)
        os.close(failing)
        words = os.read(failed, select.PIPE_BUF)
        os.close(failed)
        if words:
            raise OSError(words.decode("utf-8", "replace"))
        return pid

    def numbers(self, most: int) -> list[str]:
        """Return the ids of all processes of commands; of too many, at least `most` + 1."""
        names = os.listdir("/proc")
        return [name for name in names if name.isdigit() and name != "1"]

    def kill_all(self) -> None:
        """Kill all processes of commands."""
        with suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)

    def end(self) -> None:
        """Do nothing: the end of process 1 kills all others."""


class Domain:
    """The Landlock domain of a sandbox, which contains the descendants of this process.

    A domain belongs to a thread, and its children inherit it. One thread is in the domain and
    starts all commands. So commands can signal each other, but not this process.
    """

    in_memory: Sequence[str] = ()

    def __init__(self, restrictions: dict[str, Any], *, has_network: bool) -> None:
        # Slow to import, and not needed in bubblewrap.
        from concurrent.futures import ThreadPoolExecutor

        _control(_PR_SET_CHILD_SUBREAPER, 1)
        _prefer_this_thread()
        self._private = restrictions["private"]
        self._thread = ThreadPoolExecutor(1)
        program = restrictions["filter" if has_network else "filter_without_sockets"]
        self._thread.submit(_confine, restrictions, bytes.fromhex(program)).result()

    def start(self, argv: list[str], cwd: str, env: dict[str, str], files: list[int]) -> int:
        """Start a command with its three streams; return its process id."""
        return self._thread.submit(_started, argv, cwd, env, files).result()

    def numbers(self, most: int) -> list[str]:
        """Return the ids of all processes of commands; of too many, at least `most` + 1."""
        found = _children(str(os.getpid()), most)
        for number in found:  # it grows meanwhile
            if len(found) > most:
                break
            found += _children(number, most)
        return found

    def kill_all(self) -> None:
        """Kill all processes of commands: the thread cannot signal others."""
        with suppress(ProcessLookupError, PermissionError):
            self._thread.submit(os.kill, -1, signal.SIGKILL).result()

    def end(self) -> None:
        """Kill all processes of commands, wait until they are gone, and remove private files."""
        with suppress(ChildProcessError):
            while True:
                self.kill_all()
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
                time.sleep(_POLL_S)
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        for folder, _, _ in os.walk(self._private):
            with suppress(OSError):
                os.chmod(folder, 0o700)
        # Only Landlock needs it, at the end.
        import shutil

        shutil.rmtree(self._private, ignore_errors=True)


def _become(argv: list[str], cwd: str, env: dict[str, str], files: list[int], failing: int) -> None:
    """Become the command, in a session of its own; write an error to a pipe."""
    try:
        os.setsid()
        # Python ignores them, and so would the command.
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        os.chdir(cwd)
        for number, file in enumerate(files):
            os.dup2(file, number)
        os.execvpe(argv[0], argv, env)
    except (OSError, ValueError) as error:
        os.write(failing, str(error).encode("utf-8", "replace")[: select.PIPE_BUF])
    finally:
        os._exit(_NOT_STARTED)


def _started(argv: list[str], cwd: str, env: dict[str, str], files: list[int]) -> int:
    # Only Landlock needs it: a process with threads should not fork by itself.
    import subprocess

    stdin, out, err = files
    process = subprocess.Popen[bytes](
        argv, cwd=cwd, env=env, stdin=stdin, stdout=out, stderr=err, start_new_session=True
    )
    # Else it would wait for the process as well.
    process.returncode = 0
    return process.pid


def _children(number: str, most: int) -> list[str]:
    """Return the children of all threads of a process; of too many, at least `most` + 1."""
    found: list[str] = []
    with suppress(OSError):  # it ended
        for thread in os.listdir(f"/proc/{number}/task"):
            file = os.open(f"/proc/{number}/task/{thread}/children", os.O_RDONLY)
            try:
                # In pieces: the kernel may need quadratic time for the whole.
                while len(found) <= most and (piece := os.read(file, 4096)):
                    found += piece.decode("ascii").split()
            finally:
                os.close(file)
    return found


def _prefer_this_thread() -> None:
    """Let this thread run before all commands: a fork bomb must not stop it. Only root may."""
    with suppress(PermissionError):
        policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, policy, os.sched_param(1))


def _enter_own_network() -> bool:
    """Enter a network namespace with only a loopback; return whether the kernel allows it.

    Without the right to do so, it belongs to a user namespace with the same user and group. This
    must happen before the process has threads, and before it is undumpable.
    """
    libc, user, group = ctypes.CDLL(None, use_errno=True), os.geteuid(), os.getegid()
    try:
        try:
            _checked(libc.unshare, _NEW_NETWORK)
        except OSError:
            _checked(libc.unshare, _NEW_USER | _NEW_NETWORK)
            _write("/proc/self/setgroups", "deny")
            _write("/proc/self/uid_map", f"{user} {user} 1")
            _write("/proc/self/gid_map", f"{group} {group} 1")
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            loopback = struct.pack("16sH22x", b"lo", _INTERFACE_IS_UP)
            _checked(libc.ioctl, made.fileno(), _SET_INTERFACE_FLAGS, loopback)
        finally:
            made.close()
    except OSError:
        return False
    return True


def _write(path: str, words: str) -> None:
    file = os.open(path, os.O_WRONLY)
    try:
        os.write(file, words.encode())
    finally:
        os.close(file)


def _confine(restrictions: dict[str, Any], program: bytes) -> None:
    """Restrict this thread, and all processes that it starts."""
    # Only Landlock needs it.
    import threading

    _prefer_this_thread()
    access_and_scopes = struct.pack("QQQ", restrictions["handled"], 0, _SCOPE_SOCKETS_AND_SIGNALS)
    rules = _call(_CREATE_RULESET, access_and_scopes, len(access_and_scopes), 0)
    for path, access in restrictions["rules"]:
        with suppress(FileNotFoundError):
            _allow(rules, path, access)
    # Root keeps no capability, and gets none by starting a program.
    for capability in range(_CAPABILITIES):
        with suppress(OSError):
            _control(_PR_CAPBSET_DROP, capability)
    _call(_CAPSET[os.uname().machine], struct.pack("Ii", _CAPABILITY_VERSION, 0), bytes(24))
    _control(_PR_SET_NO_NEW_PRIVS, 1)
    _call(_RESTRICT_SELF, rules, 0)
    os.close(rules)
    for name, thread in (("thread", threading.get_native_id()), ("supervisor", os.getpid())):
        placeholder, own = (struct.pack("I", number) for number in (restrictions[name], thread))
        program = program.replace(placeholder, own)
    instructions = ctypes.create_string_buffer(program, len(program))
    place = ctypes.addressof(instructions)
    _control(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, struct.pack("HP", len(program) // 8, place))
    try:
        os.kill(os.getppid(), 0)
    except PermissionError:
        return
    # kill_all would kill the processes of the operator.
    raise OSError("signals are not confined")


def _allow(rules: int, path: str, access: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            access &= _FILE_ACCESS
        _call(_ADD_RULE, rules, _PATH_BENEATH, struct.pack("=Qi", access, place), 0)
    finally:
        os.close(place)


def _call(number: int, *arguments: int | bytes) -> int:
    """Make a system call."""
    return _checked(ctypes.CDLL(None, use_errno=True).syscall, number, *arguments)


def _control(option: int, *arguments: int | bytes) -> None:
    """Change a property of this thread."""
    words = (*arguments, 0, 0, 0, 0)[:4]
    _checked(ctypes.CDLL(None, use_errno=True).prctl, option, *words)


def _checked(function: Any, *arguments: int | bytes) -> int:
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    result = function(*words)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


class ProcessUsage:
    """Counts the processes and the memory of all commands, and compares them with the bounds."""

    def __init__(self, bounds: dict[str, int], inside: Namespace | Domain) -> None:
        self._bounds = bounds
        self._inside = inside
        self._pause = _SOONEST_COUNT_S
        self._next = 0.0
        self._next_shared = 0.0
        self._last = 0

    def restart(self) -> None:
        """Count soon, because a command started."""
        self._pause = _SOONEST_COUNT_S
        self._next = time.monotonic() + self._pause

    def until_next(self) -> float:
        """Return the seconds until the next count."""
        return max(0.0, self._next - time.monotonic())

    def excess(self) -> str:
        """Count if it is time; return the bound that is exceeded, or ""."""
        if self.until_next():
            return ""
        self._pause = min(1.25 * self._pause, _LATEST_COUNT_S)
        began = time.monotonic()
        self._next = began + self._pause
        numbers = self._numbers()
        # While a fork bomb runs, there is no time to read about each process.
        used = (
            [] if self._are_too_many(numbers) else [_tasks_and_memory(number) for number in numbers]
        )
        if self._are_too_many(numbers, sum(tasks for tasks, _ in used)):
            return self._too_many
        grows = len(numbers) > _GROWTH * self._last + _MORE
        self._last = len(numbers)
        files = sum(map(_size_in_memory, self._inside.in_memory))
        most = self._bounds["max_memory_mb"] << 20
        if files + sum(memory for _, memory in used) <= most:
            return ""
        if files <= most and (grows or began < self._next_shared):
            return ""
        return self._excess_of_memory(files, numbers)

    def _excess_of_memory(self, used: int, numbers: list[str]) -> str:
        """Count memory that processes share only once."""
        began = listed = time.monotonic()
        most = self._bounds["max_memory_mb"]
        for number in numbers:
            used += _own_memory(number)
            if used > most << 20:
                return f"more than {most} MB of memory (setting sandbox.max_memory_mb)"
            if time.monotonic() - listed > _SOONEST_COUNT_S:
                if self._are_too_many(self._numbers()):
                    return self._too_many
                listed = time.monotonic()
        self._next_shared = listed + _SLOW_COUNT * (time.monotonic() - began)
        return ""

    def _numbers(self) -> list[str]:
        return self._inside.numbers(self._bounds["max_processes"])

    def _are_too_many(self, numbers: list[str], tasks: int = 0) -> bool:
        return max(len(numbers), tasks) > self._bounds["max_processes"]

    @property
    def _too_many(self) -> str:
        most = self._bounds["max_processes"]
        return f"more than {most} processes and threads (setting sandbox.max_processes)"


def _tasks_and_memory(number: str) -> tuple[int, int]:
    """Return the number of threads of a process, and its memory including shared memory."""
    try:
        with open(f"/proc/{number}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:  # it ended
        return 0, 0
    return max(1, int(fields[17])), int(fields[21]) * _PAGE


def _own_memory(number: str) -> int:
    """Return the memory of a process with its part of shared memory."""
    try:
        with open(f"/proc/{number}/smaps_rollup", "rb") as file:
            return sum(int(line.split()[1]) << 10 for line in file if line.startswith(b"Pss:"))
    except OSError:  # it ended, or it is protected
        return _tasks_and_memory(number)[1]


def _size_in_memory(folder: str) -> int:
    found = os.statvfs(folder)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


class Supervisor:
    """Executes the requests of the outside."""

    def __init__(
        self, control: socket.socket, usage: ProcessUsage, inside: Namespace | Domain
    ) -> None:
        self._control = control
        self._usage = usage
        self._inside = inside
        self._jobs: list[Job] = []
        self._woken, waker = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(waker, False)
        # An empty handler: its presence makes the signal write to the wakeup pipe.
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)

    def serve(self, *, has_network: bool) -> None:
        """Serve until the socket closes."""
        self._answer(0, network=int(has_network))
        while self._handle_next():
            self._reap()
            for job in [job for job in self._jobs if job.is_ending() and job.is_gone()]:
                self._jobs.remove(job)
                os.close(job.err)
                self._answer(job.number, code=job.code or 0, cut=int(job.cut))
            if self._jobs and (excess := self._usage.excess()):
                self._kill_all(excess)

    def _handle_next(self) -> bool:
        """Wait for a request and execute it; return whether the socket is still open."""
        soon = self._usage.until_next() if self._jobs else None
        if any(job.is_ending() for job in self._jobs):
            soon = _POLL_S
        ready, _, _ = select.select([self._control, self._woken], [], [], soon)
        if self._woken in ready:
            os.read(self._woken, 4096)
        if self._control not in ready:
            return True
        room = socket.CMSG_LEN(3 * _NUMBER.size)
        data, handed, _, _ = self._control.recvmsg(_LARGEST_MESSAGE, room, _CLOSE_ON_EXEC)
        if data:
            received = [number for _, _, file in handed for (number,) in _NUMBER.iter_unpack(file)]
            self._do(marshal.loads(data), received)
        return bool(data)

    def _do(self, request: dict[str, Any], received: Sequence[int]) -> None:
        if request["do"] == "start":
            self._start(request, received)
        elif request["do"] == "socket":
            made = socket.socket(request["family"], socket.SOCK_STREAM)
            self._answer(request["id"], made.fileno())
            made.close()
        for job in self._jobs:
            if request["do"] == "end" and job.number == request["job"]:
                job.end(request["grace"])

    def _start(self, request: dict[str, Any], received: Sequence[int]) -> None:
        out, err, *stdin = received
        if not stdin:
            stdin = [os.open(os.devnull, os.O_RDONLY)]
            received = [*received, *stdin]
        try:
            files = [stdin[0], out, err]
            pid = self._inside.start(request["argv"], request["cwd"], request["env"], files)
        except (OSError, ValueError) as error:
            os.write(err, f"not started: {error}\n".encode("utf-8", "replace"))
            self._answer(request["id"], code=_NOT_STARTED, cut=0)
        else:
            self._jobs.append(Job(request["id"], pid, os.dup(err)))
            self._usage.restart()
        finally:
            for file in received:
                os.close(file)

    def _reap(self) -> None:
        """Collect the exit status of all ended processes, including orphans."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            # A traced process also stops: a command may have made this process its tracer.
            for job in self._jobs:
                if job.group == pid and not os.WIFSTOPPED(status):
                    job.has_ended(status)

    def _kill_all(self, why: str) -> None:
        """Kill all processes of all commands, and print the reason."""
        self._inside.kill_all()
        for job in [job for job in self._jobs if not job.is_killed]:
            job.is_killed = True
            # A full pipe would block.
            if select.select([], [job.err], [], 0)[1]:
                with suppress(OSError):
                    os.write(job.err, f"killed: the sandbox had {why}\n".encode())
        self._usage.restart()

    def _answer(self, number: int, *hand: int, **fields: int) -> None:
        text = ", ".join(f'"{name}": {value}' for name, value in {"id": number, **fields}.items())
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, b"".join(map(_NUMBER.pack, hand)))
        self._control.sendmsg([b"{%s}" % text.encode()], [rights] if hand else [])


def _join_empty_keyring() -> int:
    """Join a new, empty session keyring; return 0, or -1 with an error number."""
    number = _KEYCTL.get(os.uname().machine)
    if number is None:
        return 0
    call = ctypes.CDLL(None, use_errno=True).syscall
    return min(0, call(number, _JOIN_SESSION_KEYRING, ctypes.c_void_p(None)))


def _limit(kind: int, most: int) -> None:
    """Limit a resource of this process and of all processes that it starts."""
    hard = resource.getrlimit(kind)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, most))


def main() -> None:
    """Protect this process from all processes inside, then serve."""
    bounds, *restrictions = (marshal.loads(bytes.fromhex(word)) for word in sys.argv[2:])
    has_network = not restrictions or _enter_own_network()
    # Else a process inside could take the socket (pidfd_getfd) and talk to the outside.
    try:
        _control(_PR_SET_DUMPABLE, 0)
    except OSError as error:
        sys.exit(f"cannot be made undumpable: {error}")
    # Else the keys of the operator could be read.
    if _join_empty_keyring() != 0 and ctypes.get_errno() != errno.ENOSYS:
        sys.exit(f"cannot join an empty session keyring: {os.strerror(ctypes.get_errno())}")
    _limit(resource.RLIMIT_NOFILE, bounds["max_open_files"])
    _limit(resource.RLIMIT_FSIZE, bounds["max_file_mb"] << 20)
    # With Python's own handler a process inside could end this one.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        inside = Domain(*restrictions, has_network=has_network) if restrictions else Namespace()
    except OSError as error:
        sys.exit(f"cannot confine commands with Landlock: {error}")
    control = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(control.fileno(), False)
    try:
        usage = ProcessUsage(bounds, inside)
        Supervisor(control, usage, inside).serve(has_network=has_network)
    except (BrokenPipeError, ConnectionResetError):  # the outside is gone
        return
    finally:
        inside.end()


if __name__ == "__main__":
    main()
