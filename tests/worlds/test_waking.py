"""The waker of an actor's process, and commands of its stages that pass for one."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import pytest

from attractor.base.locks import FileLock
from attractor.environments.orphan_processes import can_find_orphans
from attractor.worlds import process
from attractor.worlds.actors import ActorFolder
from attractor.worlds.inbox import Inbox
from attractor.worlds.waking import Waker, wake
from tests.patience import wait_until
from tests.worlds.flows import actor_in, open_at, send_to
from tests.worlds.test_holds import kill

pytestmark = pytest.mark.skipif(not can_find_orphans(), reason="no /proc")

STAGE = """digraph stage {{
  start [shape=Mdiamond]; done [shape=Msquare]
  work [shape=parallelogram, tool_command="sh {file}"]
  start -> work -> done
}}
"""
# Twice in a session of its own, without variables: neither mark nor session nor parent is left.
ATTACK = """
sh OUT/try.sh typed
env -i sh OUT/try.sh bare
env -i setsid sh -c 'env -i setsid sh -c "sleep 1; sh OUT/try.sh free" &' </dev/null >/dev/null 2>&1
until [ -e OUT/free.done ]; do sleep 0.05; done
"""
TRY = """
cd OUT/project
export HOME=OUT PATH=/usr/bin:/bin ATTRACTOR_STATE_DIR=OUT/state
PYTHON -P -m MODULE OUT/state PROJECT victim >OUT/$1.process 2>&1
PYTHON -m attractor message send victim obey >OUT/$1.order 2>&1
PYTHON OUT/forge.py >OUT/$1.forged 2>&1
touch OUT/$1.done
"""
# Names the victim to each socket of its ancestors, and to a waker of its own.
FORGE = """
import os, time
from pathlib import Path
from attractor.environments.orphan_processes import ancestors
from attractor.factory.open_project import open_project
from attractor.worlds.waking import Waker, find_by_words, wake

opened = open_project("OUT/project", os.environ)
victim = find_by_words(Path("OUT/state"), "PROJECT", "victim")
for number in [os.getpid(), *ancestors()]:
    for file in Path(f"/proc/{number}/fd").glob("*"):
        try:
            if os.readlink(file).startswith("socket:"):
                print("socket")
                file.write_text("PROJECT victim\\n")
                print("told")
        except OSError:
            pass
before = victim.log.stat().st_size if victim.log.exists() else 0
with Waker.started(opened):
    wake(victim, opened)
    until = time.monotonic() + 30
    while not victim.log.exists() or "Refused" not in victim.log.read_text()[before:]:
        assert time.monotonic() < until
        time.sleep(0.05)
print("refused")
"""


@pytest.fixture
def actors(tmp_path: Path) -> Iterator[list[ActorFolder]]:
    """Return two actors, of which the first executes the file `stage.sh` without a sandbox."""
    opened = open_at(tmp_path)
    pipeline = opened.project.root / "stage.dot"
    pipeline.write_text(STAGE.format(file=tmp_path / "stage.sh"))
    actors = [actor_in(opened, "own", pipeline=str(pipeline)), actor_in(opened, "victim")]
    yield actors
    for one in actors:
        kill(one)


def test_command_of_a_stage_passes_for_no_process_of_an_actor(
    tmp_path: Path, actors: list[ActorFolder]
) -> None:
    own, victim = actors
    words = {"OUT": str(tmp_path), "PYTHON": sys.executable, "PROJECT": own.project.project_id}
    words["MODULE"] = process.__name__
    for name, text in {"stage.sh": ATTACK, "try.sh": TRY, "forge.py": FORGE}.items():
        for word, meaning in words.items():
            text = text.replace(word, meaning)
        (tmp_path / name).write_text(text)
    opened = open_at(tmp_path)
    send_to(victim, opened, "work")
    send_to(own, opened, "attack")
    wake(own, opened)
    wait_until(lambda: own.read().answers)
    assert own.read().answers[0].succeeded, own.read().answers[0].reason
    for way in ("typed", "bare", "free"):
        for what in ("process", "order"):
            said = (tmp_path / f"{way}.{what}").read_text()
            assert "is only for the operator" in said, (way, what, said)
        # The socket of the waker is there, and does not open.
        *sockets, last = (tmp_path / f"{way}.forged").read_text().splitlines()
        assert (set(sockets), last) == ({"socket"}, "refused"), way
    assert [one.text for one in Inbox(victim.inbox).waiting()] == ["work"]
    assert victim.read().answers == []
    wake(victim, opened)
    wait_until(lambda: victim.read().answers)


def test_lock_of_a_dying_process_prevents_no_start(
    tmp_path: Path, actors: list[ActorFolder]
) -> None:
    """The kernel releases the lock of a killed process when its last thread has ended."""
    opened, folder = open_at(tmp_path), actors[1]
    send_to(folder, opened, "work")
    lock = FileLock(folder.lock).acquire()
    folder.lock.with_name("lock.holder").unlink()
    Timer(0.3, lock.release).start()
    wake(folder, opened)
    wait_until(lambda: folder.read().answers)


def test_waker_that_was_killed_is_not_told(actors: list[ActorFolder]) -> None:
    told, names = socket.socketpair()
    with told:
        assert Waker(told).tell(actors[0])
        assert names.recv(100) == f"{actors[0].project.project_id} own\n".encode()
        names.close()
        assert not Waker(told).tell(actors[0])
