"""`attractor logs --follow` prints the events of a run in another process."""

import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import Queue

import pytest

from attractor.cli.commands.logs import JournalFollower
from attractor.engine.journal.reader import JournalReader
from attractor.engine.run_folder.layout import RunDirectory, is_held
from tests.cli.git_desk import UNGUARDED, GitDesk, desk as desk
from tests.cli.runs.test_observers import journal_of, lines_of
from tests.patience import PATIENCE_S, wait_until
from tests.pipeline.projects import LINEAR
from tests.prepared import Process

FORK = """digraph fork {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    first [shape=parallelogram, tool_command="echo first"]
    fan   [shape=component]
    slow  [shape=parallelogram,
        tool_command="touch begun.log; timeout 90 sh -c 'until test -e go.log; do sleep .1; done'"]
    other [shape=parallelogram, tool_command="echo other"]
    meet  [shape=tripleoctagon]
    start -> first -> fan
    fan -> slow -> meet
    fan -> other -> meet
    meet -> exit
}
"""
IN_PLACE = ("run", "pipeline.dot", *UNGUARDED, "--workspace", "none")


class Follower:
    """A running `attractor logs --follow`."""

    def __init__(self, desk: GitDesk, *words: str) -> None:
        words = ("logs", "latest", "--follow", *words)
        self.process = desk.begin(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.lines: list[str] = []
        self._told: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self._told.put(line.rstrip("\n"))
        self._told.put("")

    def see(self, words: str) -> None:
        """Wait for a line that contains these words."""
        while not any(words in line for line in self.lines):
            self.lines.append(self._told.get(timeout=PATIENCE_S))

    def end(self) -> tuple[int, Sequence[str], str]:
        """Wait until it ends, and return its exit code and its output."""
        code = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        while not self._told.empty():
            self.lines.append(self._told.get())
        assert self.process.stdout
        assert self.process.stderr
        with self.process.stdout, self.process.stderr as stream:
            errors = stream.read()
        return code, [one for one in self.lines if one], errors


def begin(desk: GitDesk) -> Process:
    process = desk.begin(*IN_PLACE)
    wait_until(lambda: (desk.project / "begun.log").exists())
    return process


def test_a_run_is_followed_to_its_end_with_its_branches(desk: GitDesk) -> None:
    desk.make(FORK)
    begin(desk)
    follower = Follower(desk)
    follower.see("[fan@1.1/slow] slow: started")
    (desk.project / "go.log").touch()
    code, lines, errors = follower.end()
    assert (code, errors) == (0, "")
    assert lines == desk.do("logs", "latest").stdout.splitlines()
    assert lines[-1].endswith("finished; not judged (no suite)")


def test_killed_run_is_followed_after_its_resume(desk: GitDesk) -> None:
    desk.make(FORK)
    runner = begin(desk)
    follower = Follower(desk, "--json")
    follower.see("StageStarted")
    runner.kill()
    runner.wait(PATIENCE_S)
    [root] = desk.runs()
    # The process died within a line, which is not printed; the resume removes it.
    with (root / "events.jsonl").open("a") as journal:
        journal.write('{"data":{"torn')
    (desk.project / "go.log").touch()
    desk.begin("resume", "latest", "--no-evaluate")
    code, lines, errors = follower.end()
    assert code == 0
    assert lines_of("\n".join(lines)) == journal_of(root)
    assert errors.count("The run has no live process. Resume it: attractor resume") <= 1


def test_node_is_checked_before_it_is_followed(desk: GitDesk) -> None:
    desk.make(FORK)
    walking = begin(desk)
    unknown = desk.do("logs", "latest", "--follow", "--node", "meat")
    assert (unknown.returncode, walking.poll()) == (2, None)
    assert "unknown node of this run 'meat' (did you mean meet?)" in unknown.stderr
    assert desk.do("logs", "latest", "--node", "meet").returncode == 0
    (desk.project / "go.log").touch()
    walking.wait(PATIENCE_S)


def test_node_and_time_filter_the_log(desk: GitDesk) -> None:
    desk.make(LINEAR)
    root = desk.run()
    output = lines_of(desk.do("logs", "latest", "--node", "make", "--json").stdout)
    assert output == [one for one in journal_of(root) if one.get("node") == "make"]
    assert output
    moment = journal_of(root)[3]["time"]
    since = lines_of(desk.do("logs", "latest", "--since", moment, "--json").stdout)
    assert since == journal_of(root)[3:]
    assert desk.do("logs", "latest", "--since", "1h").stdout == desk.do("logs", "latest").stdout
    unknown = desk.do("logs", "latest", "--node", "mak")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "did you mean make?" in unknown.stderr
    refused = desk.do("logs", "latest", "--since", "yesterday")
    assert refused.returncode == 2
    assert "such as 10m" in refused.stderr


def test_corrupt_line_ends_the_following(desk: GitDesk) -> None:
    desk.make(FORK)
    begin(desk)
    [root] = desk.runs()
    follower = Follower(desk)
    follower.see("slow: started")
    follower.see("[fan@1.1/other] branch ended")
    with (root / "events.jsonl").open("a") as journal:
        journal.write('{"seq":1}\n')
    code, lines, errors = follower.end()
    assert code == 6
    assert lines[-1].endswith("the journal is corrupt from here on")
    assert f"line {len(journal_of(root))} " in errors


@pytest.fixture
def killed(desk: GitDesk) -> Path:
    desk.make(FORK)
    runner = begin(desk)
    runner.kill()
    runner.wait(PATIENCE_S)
    [root] = desk.runs()
    # A process that the run was starting may still have its files open.
    wait_until(lambda: not is_held(RunDirectory(root).lock))
    return root


def test_missing_process_is_reported_once(killed: Path) -> None:
    messages: list[str] = []

    def waits() -> Iterator[None]:
        yield from [None, None, None]
        raise KeyboardInterrupt

    waiting = waits()
    following = JournalFollower(
        killed, wait=lambda: next(waiting), report_idle=lambda: messages.append("idle")
    )
    with pytest.raises(KeyboardInterrupt):
        list(following.lines(JournalReader(RunDirectory(killed).events)))
    assert messages == ["idle"]


def test_lines_are_read_once(killed: Path) -> None:
    reading = JournalReader(RunDirectory(killed).events)
    assert len(list(reading.more())) == len(journal_of(killed))
    assert list(reading.more()) == []
    assert reading.verdict.head.seq == len(journal_of(killed))
