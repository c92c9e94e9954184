"""Promises are proved by attempts, and a leak is detected."""

import asyncio
import json
import marshal
import shutil
import socket
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.environments import selection as choose
from attractor.environments.environment import ExecutionEnvironment, Promises
from attractor.environments.isolation_check import MakeEnvironment, check_isolation, decoy_listeners
from attractor.environments.local import LocalExecutionEnvironment
from attractor.environments.memory import MemoryExecutionEnvironment
from attractor.environments.sandbox import process
from attractor.environments.sandbox.environment import SandboxedExecutionEnvironment
from attractor.environments.sandbox.seccomp import CALLS, seccomp_filter
from tests.counts import IS_FULL, count
from tests.environments.places import OPERATOR, make_walls
from tests.environments.test_isolation_check import fill_queue

ALL = Promises(
    hides_operator=True,
    own_network=True,
    own_processes=True,
    writes_only_workspace=True,
    bounds_resources=True,
    refuses_system_calls=True,
    hides_metadata=True,
    own_loopback=True,
)
PROMISED = {"bubblewrap": ALL, "landlock": replace(ALL, hides_metadata=False)}
# A program can report a refused call falsely, but not that the supervisor killed it.
CLAIMED = replace(ALL, bounds_resources=False)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    (folder / "tools/bin").mkdir(parents=True)
    (folder / ".netrc").write_text("key")
    return folder


def make_sandboxed(read: list[Path], hide: list[Path], kind: str = "bubblewrap") -> MakeEnvironment:
    settings = replace(make_walls(kind, read=read, hide=hide), bounds=choose.TESTED_BOUNDS)
    return lambda folder: SandboxedExecutionEnvironment(folder, settings)


def check_promises(
    make: MakeEnvironment, hide: list[Path], read: list[Path], scratch: Path
) -> Promises:
    return asyncio.run(
        check_isolation(make, python="/usr/bin/python3", hide=hide, read=read, scratch=scratch)
    )


def test_guarantees_of_each_sandbox(sandbox: str, home: Path, tmp_path: Path) -> None:
    read = [home / "tools"]
    promises = check_promises(make_sandboxed(read, [home], sandbox), [home], read, tmp_path)
    assert promises == PROMISED[sandbox]
    assert promises.guards_holdouts
    assert sorted(file.name for file in tmp_path.iterdir()) == ["home"]
    assert sorted(file.name for file in home.iterdir()) == [".netrc", "tools"]


# Both kinds of sandbox share the code that bounds resources.
BOUNDS = {
    "bubblewrap": ["max_processes", "max_memory_mb", "max_open_files", "max_file_mb"],
    "landlock": ["max_memory_mb", "max_open_files"],
}


@pytest.mark.parametrize(
    ("sandbox", "bound"),
    [(kind, bound) for kind, bounds in BOUNDS.items() for bound in bounds],
    indirect=["sandbox"],
)
def test_an_unlimited_resource_is_no_guarantee(
    bound: str, sandbox: str, home: Path, tmp_path: Path
) -> None:
    settings = make_walls(sandbox, hide=[home])
    bounds = replace(choose.TESTED_BOUNDS, **{bound: getattr(settings.bounds, bound)})
    lax = replace(settings, bounds=bounds)
    promises = check_promises(
        lambda one: SandboxedExecutionEnvironment(one, lax), [home], [], tmp_path
    )
    assert promises == replace(PROMISED[sandbox], bounds_resources=False)


@pytest.mark.usefixtures("sandbox_allowed")
@pytest.mark.parametrize("machine", ["", "riscv64"])
def test_allowed_system_calls_are_no_guarantee(
    machine: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filters = {"": seccomp_filter("x86_64", calls=CALLS[:1]), "riscv64": seccomp_filter("riscv64")}
    assert (filters[machine] is None) == bool(machine)
    monkeypatch.setattr(process, "seccomp_filter", lambda: filters[machine])
    promises = check_promises(make_sandboxed([], [home]), [home], [], tmp_path)
    assert promises == replace(ALL, refuses_system_calls=False)


def test_table_of_promises_in_the_reference() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "sandboxes.md"
    cells = [line.strip("| ").split(" | ") for line in page.read_text("utf-8").splitlines()]
    found = {one[0].split("`")[1]: one[2:] for one in cells if len(one) == 5 and "`: " in one[0]}
    words = {True: "yes", False: "no"}
    assert found == {
        name: [words[vars(one)[name]] for one in (*PROMISED.values(), Promises())]
        for name in vars(ALL)
    }


def test_visible_folder_removes_the_guarantee(sandbox: str, home: Path, tmp_path: Path) -> None:
    leaky = make_sandboxed([home], [], sandbox)
    promises = check_promises(leaky, [home], [], tmp_path)
    assert promises == replace(PROMISED[sandbox], hides_operator=False)
    assert not promises.guards_holdouts


def test_local_environment_has_no_guarantees(home: Path, tmp_path: Path) -> None:
    def make(folder: Path) -> ExecutionEnvironment:
        return LocalExecutionEnvironment(folder, environ=OPERATOR)

    for _ in range(count(ci=1, full=50)):
        promises = asyncio.run(
            check_isolation(make, python=sys.executable, hide=[home], scratch=tmp_path, places=[])
        )
        assert promises == make(tmp_path).promises() == Promises()
    assert sorted(file.name for file in home.iterdir()) == [".netrc", "tools"]


def test_failed_attempts_prove_nothing(home: Path, tmp_path: Path) -> None:
    def make(folder: Path) -> ExecutionEnvironment:
        return LocalExecutionEnvironment(folder, environ=OPERATOR)

    assert (
        asyncio.run(check_isolation(make, python="/bin/false", hide=[home], scratch=tmp_path))
        == Promises()
    )


def test_memory_environment_has_no_guarantees() -> None:
    assert MemoryExecutionEnvironment().promises() == Promises()


REFUSED = """
import json, marshal, os, signal, socket, sys
from pathlib import Path
asked = marshal.loads(Path(sys.argv[-1]).read_bytes())
lists = ("doubtful", "reads", "connects", "exceeds", "calls", "metadata")
told = {"sees": False, "answers": True, **{name: [] for name in lists}}
Path(asked["token"]).touch()
"""
TELL = "print(json.dumps(told))"


def promises_of(work: str, home: Path, folder: Path) -> Promises:
    """Return the promises for a program that does some work and then reports only refusals."""
    program = folder / "attempts"
    program.write_text(f"#!{sys.executable}\n{REFUSED}{textwrap.dedent(work)}\n{TELL}\n")
    program.chmod(0o700)

    def make(workspace: Path) -> ExecutionEnvironment:
        return LocalExecutionEnvironment(workspace, environ=OPERATOR)

    return asyncio.run(
        check_isolation(make, python=str(program), hide=[home], scratch=folder, places=[])
    )


def test_blocked_attempts_with_intact_decoys_are_guarantees(home: Path, tmp_path: Path) -> None:
    assert promises_of("", home, tmp_path) == CLAIMED


@pytest.mark.parametrize(
    "work",
    [
        *(f"os.kill(asked['pid'], signal.SIG{how})" for how in ("KILL", "TERM", "HUP")),
        "import resource; resource.prlimit(asked['pid'], resource.RLIMIT_CPU, (9, 9))",
    ],
)
def test_a_harmed_decoy_is_no_proof(work: str, home: Path, tmp_path: Path) -> None:
    assert promises_of(work, home, tmp_path) == replace(CLAIMED, own_processes=False)


def test_closed_listeners_are_no_proof(home: Path, tmp_path: Path) -> None:
    work = """
        sockets = [socket.socket(socket.AF_UNIX) for _ in range(900)]
        try:
            for one in sockets:
                one.setblocking(False)
                one.connect("\\0" + asked["abstract"])
        except BlockingIOError:
            pass
    """
    assert promises_of(work, home, tmp_path) == replace(
        CLAIMED, own_network=False, own_loopback=False
    )


@pytest.mark.parametrize(
    "work",
    [
        "os.unlink(asked['token'])",
        "told = []",
        "print('{')",
        "told = {}",
        "sys.exit(1)",
        "print(json.dumps(told)); sys.exit(1)",
        "print(json.dumps(told), flush=True); os.kill(os.getpid(), signal.SIGKILL)",
    ],
)
def test_incomplete_attempts_prove_nothing(work: str, home: Path, tmp_path: Path) -> None:
    assert promises_of(work, home, tmp_path) == Promises()


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("reads", "hides_operator"),
        ("answers", "own_loopback"),
        ("sees", "own_processes"),
        ("doubtful", "writes_only_workspace"),
        ("calls", "refuses_system_calls"),
        ("metadata", "hides_metadata"),
    ],
)
def test_doubtful_results(name: str, field: str, home: Path, tmp_path: Path) -> None:
    lacking = replace(CLAIMED, **{field: False})
    works = [f"del told['{name}']", f"told['{name}'] = ['/']"]
    # A quick test run tries only one of the two for each name.
    for work in works if IS_FULL else [works[len(name) % 2]]:
        assert promises_of(work, home, tmp_path) == lacking


def test_doubtful_connections_prove_no_loopback(home: Path, tmp_path: Path) -> None:
    lacking = replace(CLAIMED, own_network=False, own_loopback=False)
    assert promises_of("told['connects'] = ['udp']", home, tmp_path) == lacking


@pytest.mark.parametrize("work", ["os.truncate(asked['bait'], 0)", "os.unlink(asked['bait'])"])
def test_changed_bait_is_no_proof(work: str, home: Path, tmp_path: Path) -> None:
    lacking = replace(CLAIMED, writes_only_workspace=False, hides_operator=False)
    assert promises_of(work, home, tmp_path) == lacking


def test_decoys_that_cannot_be_created_prove_nothing(home: Path, tmp_path: Path) -> None:
    promises = asyncio.run(
        check_isolation(
            make_sandboxed([], [home]), python="python3", hide=[home], scratch=tmp_path / "none"
        )
    )
    assert promises == Promises()


def attempts(folder: Path, *wrapper: str, **asked: object) -> dict[str, object]:
    """Run the real attempts, and return their report."""
    plain = {"token": "t", "marker": "5c1f9b02e7", "abstract": "a", "port": 1, "pid": 2**30}
    plain |= {"path": "/no/such", "bait": "/no/such", "udp": 1, "families": []}
    (folder / "asked").write_bytes(marshal.dumps({**plain, "secrets": [], "places": [], **asked}))
    program = Path(choose.__file__).parent / "_attempts.py"
    done = subprocess.run(
        [*wrapper, "/usr/bin/env", "python3", "-I", "-S", str(program), "asked"],
        cwd=folder,
        capture_output=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_attempts_with_other_errors_count_as_leaks(tmp_path: Path) -> None:
    nobody = attempts(tmp_path, secrets=["/no/such"], places=["/no/such"])
    leaks = {"exceeds": ["open_files", "file_size"], "metadata": []}
    unrefused = nobody.pop("calls")
    assert isinstance(unrefused, list)
    # A user namespace cannot be created in a chroot, so clone3 is missing from the list.
    assert {"keyctl: read the session keyring", "mount", "setns"} <= {*unrefused}
    assert nobody == {
        **{"doubtful": [], "reads": [], "connects": [], "answers": True, "sees": False},
        **leaks,
    }
    too_long = "/" + "x" * 5000
    found = attempts(tmp_path, secrets=[too_long], places=[too_long])
    assert (found["reads"], found["doubtful"]) == ([too_long], [too_long])
    with decoy_listeners() as listeners:
        waiting: list[socket.socket] = []
        try:
            fill_queue(listeners.abstract, waiting)
            asked = {name: getattr(listeners, name) for name in ("abstract", "path", "udp")}
            found = attempts(tmp_path, **asked, families=[1, 16])
            others = ["datagram", "family 1", "family 16"]
            assert found["connects"] == ["udp", "abstract", "path", *others]
        finally:
            for one in waiting:
                one.close()


@pytest.mark.usefixtures("sandbox_allowed")
def test_unreadable_processes_count_as_visible(tmp_path: Path) -> None:
    bubblewrap = shutil.which("bwrap") or "bwrap"
    blind = [bubblewrap, "--dev-bind", "/", "/", "--tmpfs", "/proc"]
    assert attempts(tmp_path, *blind)["sees"]
    assert not attempts(tmp_path)["sees"]
