"""No way of a planner, a worker or a check reaches a word of a holdout, and no report has one.

Each word of the holdout is a canary. The ways search for it as `q[u]okka7f`, which is none itself.
"""

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from attractor.factory.open_project import open_project
from attractor.workspaces.run_store import STORES
from tests.counts import count
from tests.factory.resources.stores import register
from tests.missions.desks import NAME, SETTINGS, MissionDesk
from tests.needs import needs_bubblewrap
from tests.pipeline.projects import git

WORD = "quokka7f"
HOLDOUT = """
id = "quokka7f-in-the-basket"
title = "The quokka7f of the title hops"
story = "Ann feeds the quokka7f of the story."
[[steps]]
name = "step-quokka7f"
run = "cat hello.txt"
[[checks]]
kind = "stdout"
step = "step-quokka7f"
equals = "quokka7f answer 42 of the check"
"""
PLAN = """
[[requirement]]
id = "greet"
sentence = "It greets."

[[task]]
id = "hello"
what = "Write hello.txt"
requirements = ["greet"]
touches = ["hello.txt", "worker", "check"]
check = "sh ways.sh > check; grep -q hello hello.txt"
"""
AGENT = f"""asked=$(cat)
case $asked in
  *"You plan the work of others"*) as=planner; cat > plan.toml <<'PLAN'
{PLAN}PLAN
  ;;
  *) as=worker; echo hello > hello.txt ;;
esac
{{ printf '%s\\n' "$asked"; env; sh ways.sh; }} > $as
echo '{{"outcome": "success"}}' > $ATTRACTOR_STATUS_FILE
"""
INFLATE = """python3 - <<'END'
import glob, zlib
for one in glob.glob("OBJECTS/??/*"):
    print(zlib.decompress(open(one, "rb").read()).decode("utf-8", "replace"))
END"""
ASK = """python3 - <<'END'
import socket
for line in open("/proc/net/unix").read().split("\\n")[1:]:
    if "@" in line or "/" in line:
        try:
            asked = socket.socket(socket.AF_UNIX)
            asked.settimeout(0.2)
            asked.connect(line.split()[-1].replace("@", "\\0"))
            asked.send(b"GET / HTTP/1.0\\r\\n\\r\\n")
            print(asked.recv(9999))
        except OSError as fault:
            print(fault)
END"""
MEMORY = """python3 - <<'END'
import os, re
for line in open(f"/proc/{os.getppid()}/maps"):
    begin, end = (int(one, 16) for one in line.split()[0].split("-"))
    try:
        with open(f"/proc/{os.getppid()}/mem", "rb") as memory:
            memory.seek(begin)
            print(re.findall(rb"[ -~]{8,}", memory.read(end - begin)))
    except (OSError, ValueError):
        pass
END"""
WAYS = (
    # Files of the project, of the operator and of the machine.
    "cat scenarios/todo/holdout/*",
    "grep -r . scenarios",
    "cat ../*/scenarios/todo/holdout/* ../scenarios/todo/holdout/*",
    "cat $PROJECT/scenarios/todo/holdout/*",
    "cp -rL $PROJECT/scenarios $TMPDIR/copy; grep -r . $TMPDIR/copy",
    "ln -sfn $PROJECT/scenarios $TMPDIR/link; grep -r . $TMPDIR/link/",
    "ln $PROJECT/scenarios/todo/holdout/made.scenario.toml $TMPDIR/hard; cat $TMPDIR/hard",
    "grep -ra . $STATE/suites",
    "grep -ra . $STATE --include=*.toml",
    "grep -ra . $STATE/projects",
    "grep -ra . $STATE/stores",
    "cat $STATE/*.jsonl $STATE/ledger/*",
    "cat $STATE/projects/*/missions/*/journal.jsonl $STATE/projects/*/missions/*/process.log",
    "grep -ra . $PROJECT/runs",
    "cat $PROJECT/runs/*/events.jsonl $PROJECT/runs/*/*/*/prompt.md",
    "find / -xdev -name '*.scenario.toml' -exec cat {} +",
    "grep -rasI q[u]okka7f /tmp /var/tmp /dev/shm /run /srv /mnt /opt",
    "grep -ras . $HOME/../.. $TMPDIR/../.. --include=*.scenario.toml",
    "grep -ra . /cache /workspace",
    "ls -R $PROJECT/.. | head -9999; cat $(find $PROJECT/.. -name '*.toml')",
    # Environment, processes, sockets, mounts.
    "env",
    "cat /proc/self/environ /proc/*/environ",
    "cat /proc/*/cmdline /proc/*/task/*/comm",
    "cat /proc/1/root$PROJECT/scenarios/todo/holdout/*",
    "for one in /proc/[0-9]*; do cat $one/cwd/scenarios/todo/holdout/*; done",
    "cat /proc/[0-9]*/root$PROJECT/scenarios/todo/holdout/*",
    "for one in /proc/$PPID/fd/*; do timeout 0.2 cat $one; done",
    MEMORY,
    ASK,
    "unshare -rm sh -c 'umount -l / $PROJECT; mount --bind $PROJECT /mnt; grep -r . /mnt'",
    "nsenter -t 1 -m -p cat $PROJECT/scenarios/todo/holdout/made.scenario.toml",
    "chroot /proc/1/root grep -r . $PROJECT/scenarios",
    # Git: history, objects, other references and repositories.
    "git log -p --all",
    "git cat-file --batch-all-objects --batch",
    "git show HEAD:scenarios/todo/holdout/made.scenario.toml",
    "git for-each-ref; git reflog -p; git grep q[u]okka7f $(git rev-parse --all)",
    "git --git-dir=$PROJECT/.git log -p --all",
    "git clone -q $PROJECT $TMPDIR/clone; git -C $TMPDIR/clone log -p --all",
    "git init -q $TMPDIR/other; cd $TMPDIR/other; git fetch -q $PROJECT '+refs/*:refs/*'; "
    "git log -p --all",
    INFLATE.replace("OBJECTS", "$PROJECT/.git/objects").replace("'END'", "END"),
    INFLATE.replace("OBJECTS", "$(cat .git/objects/info/alternates)").replace("'END'", "END"),
    # The program itself, feedback, and other people's services.
    "attractor suite show todo; attractor gate latest --operator",
    'cat "$ATTRACTOR_STATUS_FILE"* "$(dirname "$ATTRACTOR_STATUS_FILE")"/*',
)
ALL = 40
PLACES = {
    "planner planner",
    "worker worker",
    "worker check",
    "trial check",
    "landing worker",
    "landing check",
}
TRIED = WAYS[:: len(WAYS) // count(ci=8, full=len(WAYS))]


class HidingDesk(MissionDesk):
    """A project whose committed suite has a word that no agent may see."""

    def begin(self) -> None:  # type: ignore[override]
        values = {"PROJECT": self.project, "STATE": self.state}
        lines = [f"export {name}={value}" for name, value in values.items()]
        for at, way in enumerate(TRIED):
            found = "timeout 5 sh -c {} 2>&1 < /dev/null | grep -a 'q[u]okka7f' | head -c 999"
            lines += [f"echo way {at}", found.format(shlex.quote(way))]
        files = {
            "scenarios/todo/suite.toml": 'name = "todo"\npipeline = "*"\n',
            "scenarios/todo/holdout/made.scenario.toml": HOLDOUT,
            "ways.sh": "\n".join([*lines, ""]),
            "agent.sh": AGENT,
            "attractor.toml": SETTINGS,
        }
        self.make("digraph g { a [shape=Mdiamond]; b [shape=Msquare]; a -> b }", **files)

    def seal(self) -> str:
        """Register the suite, and return the canary of its sealed copy."""
        opened = open_project(self.project, self.environ)
        register(opened.suites, self.project / "scenarios" / "todo", now=opened.now())
        sealed = opened.suite(opened.pin_suite("todo"))
        assert sealed
        return sealed.canary

    def received(self) -> Iterator[tuple[str, str]]:
        """Yield all that agents were asked, and that their ways found, by role and run."""
        lines = self.journal()
        begun = {one["data"]["run_id"]: one["data"] for one in lines if one["kind"] == "begun"}
        for one in lines:
            if one["kind"] != "ended" or not one["data"].get("tree"):
                continue
            run, tree = one["data"]["run_id"], one["data"]["tree"]
            store = self.state / STORES / run
            for name in git(store, "ls-tree", "--name-only", tree).split():
                if name in ("planner", "worker", "check"):
                    yield f"{begun[run]['role']} {name}", git(store, "show", f"{tree}:{name}")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[HidingDesk]:
    desk = HidingDesk(tmp_path)
    yield desk
    desk.end()


@needs_bubblewrap
def test_no_way_of_an_agent_and_no_report_has_a_word_of_a_holdout(desk: HidingDesk) -> None:
    assert len(WAYS) >= ALL
    desk.begin()
    canary = desk.seal()
    words = ("Greet and part", "--with", "command", "--sandbox", "bubblewrap", "--hands-off")
    done = desk.do("mission", "start", *words, "--suite", "todo")
    assert done.returncode == 0, done.stderr
    found = desk.wait()
    assert found["verdict"] == "no-go"
    received = [*desk.received()]
    assert {place for place, _ in received} >= PLACES
    for place, said in received:
        assert said.count("\nway ") + said.startswith("way ") == len(TRIED), place
        assert WORD not in said, (place, said)
        assert canary not in said, place
    assert any("feedback.gate: no-go" in said for _, said in received)
    for command in ("report", "show", "plan"):
        for form in ((), ("--json",)):
            said = desk.do("mission", command, NAME, *form)
            assert WORD not in said.stdout + said.stderr
    assert WORD not in json.dumps(desk.journal())


def test_ways_find_words_where_no_sandbox_hides_them(desk: HidingDesk) -> None:
    desk.begin()
    desk.seal()
    script = desk.project / "ways.sh"
    environ = {**desk.environ, "TMPDIR": str(desk.folder / "scratch")}
    (desk.folder / "scratch").mkdir()
    said = subprocess.run(
        ["sh", str(script)], cwd=desk.project, env=environ, capture_output=True, text=True
    ).stdout
    assert sum(WORD in one for one in said.split("way ")) > len(TRIED) // 3
