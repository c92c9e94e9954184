"""Orders of people to actors: refused orders store nothing, moved and removed dimensions."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from attractor.base.errors import ProcessNotStarted
from attractor.factory.open_project import OpenProject
from attractor.worlds.actors import ActorFolder, Mark, Marked
from attractor.worlds.inbox import Inbox
from attractor.worlds.messages import TaskAtWork
from attractor.worlds.orders import archive, go_on, leave, send, start_over
from tests.pipeline.projects import LINEAR, git
from tests.repositories import begin_repository
from tests.worlds.desks import SLOW, PlacedDesk, desk
from tests.worlds.flows import ANN, actor_in, open_at, send_to

__all__ = ["desk"]

Order = Callable[[ActorFolder, OpenProject], object]


def write(folder: ActorFolder, opened: OpenProject) -> object:
    return send(folder, "one more", ANN, opened)


def let_go_on(folder: ActorFolder, opened: OpenProject) -> object:
    return go_on(folder, ANN, opened)


def begin_again(folder: ActorFolder, opened: OpenProject) -> object:
    return start_over(folder, ANN, opened, print)


def give_up(folder: ActorFolder, opened: OpenProject) -> object:
    return leave(folder, ANN, opened, print)


@pytest.mark.parametrize("order", [write, let_go_on, begin_again, give_up])
def test_order_to_an_actor_whose_project_moved_stores_nothing(tmp_path: Path, order: Order) -> None:
    opened = open_at(tmp_path)
    folder = actor_in(opened)
    task = TaskAtWork(send_to(folder, opened, "one"), opened.project.machine.new_run_id())
    folder.write_task(task)
    folder.record(Marked(Mark.STOPPED, ANN, opened.now()))
    opened.project.root.rename(tmp_path / "moved")
    before = folder.signature()
    with pytest.raises(ProcessNotStarted) as refused:
        order(folder, opened)
    assert f"attractor doctor --project {folder.project.project_id}" in refused.value.hint
    assert (folder.signature(), folder.read_task()) == (before, task)
    assert [one.text for one in Inbox(folder.inbox).waiting()] == ["one"]


def test_message_is_taken_back_if_no_process_can_be_started_for_it(tmp_path: Path) -> None:
    opened = open_at(tmp_path)
    folder = actor_in(opened)
    folder.log.mkdir()
    with pytest.raises(ProcessNotStarted, match="cannot start"):
        write(folder, opened)
    assert not Inbox(folder.inbox).has_messages()


def test_messages_that_a_killed_archive_left_are_answered_by_the_next(tmp_path: Path) -> None:
    opened = open_at(tmp_path)
    folder = actor_in(opened)
    send_to(folder, opened, "one")
    folder.record(Marked(Mark.ARCHIVED, ANN, opened.now()))
    archive(folder, ANN, opened)
    assert [one.reason for one in folder.read().answers] == ["the actor was archived"]
    assert not Inbox(folder.inbox).has_messages()


class MovedDesk(PlacedDesk):
    """A desk whose project moved, with what is beside it."""

    @property
    def place(self) -> Path:
        return self.folder / "moved" / "renamed"


def test_removed_actor_is_archived_and_the_folder_made_for_it_is_gone_unless_changes_would_be(
    desk: PlacedDesk,
) -> None:
    begin_repository(desk.place)
    desk.write(LINEAR)
    git(desk.place, "add", "--all")
    git(desk.place, "commit", "--quiet", "--message", "Begin")
    guest = ("--read-only", "--in", "host", "--sandbox", "auto")
    for name, *where in (("alone",), ("host",), ("guest", *guest)):
        assert desk.do(*SPAWN[:-3], "--name", name, "one", *where).returncode == 0
        desk.do("actor", "wait", name, "--timeout", "60s")
    [alone, host] = json.loads(desk.do("dimension", "list", "--json").stdout)
    Path(alone["folder"], "own.txt").write_text("not on the branch of host\n")
    assert desk.do("actor", "remove", "host").returncode == 0
    refused = desk.do("actor", "remove", "alone")
    assert (refused.returncode, "would be lost" in refused.stderr) == (4, True), refused.stderr
    removed = json.loads(desk.do("actor", "remove", "alone", "--force", "--json").stdout)
    assert (removed["status"], bool(removed["removed"]["kept"])) == ("archived", True)
    assert [one["name"] for one in desk.actors()] == ["guest"]
    assert (Path(alone["folder"]).exists(), Path(host["folder"]).exists()) == (False, True)


SPAWN = (
    *("actor", "spawn", "--with", "simulate", "--sandbox", "none", "--pipeline", "pipeline.dot"),
    *("--name", "helper", "one"),
)


@pytest.mark.parametrize("has_git", [True, False])
def test_doctor_finds_the_dimensions_that_moved_with_their_project(
    tmp_path: Path, has_git: bool
) -> None:
    desk, moved = PlacedDesk(tmp_path), MovedDesk(tmp_path)
    desk.place.mkdir()
    desk.write(LINEAR)
    if has_git:
        begin_repository(desk.place)
        git(desk.place, "add", "--all")
        git(desk.place, "commit", "--quiet", "--message", "Begin")
    kind = "worktree" if has_git else "directory"
    assert desk.do("dimension", "add", "search", "--kind", kind).returncode == 0
    assert desk.do(*SPAWN, "--in", "search").returncode == 0
    assert desk.do("actor", "wait", "helper", "--timeout", "60s").returncode == 0
    project, beside = desk.place, desk.place.with_name(f"project.{BESIDE[kind]}")
    (beside / "search" / "new.txt").write_text("new\n")
    moved.place.parent.mkdir()
    project.rename(moved.place)
    beside.rename(moved.place.with_name(f"renamed.{BESIDE[kind]}"))
    [known] = json.loads(moved.do("doctor", "--project", "--json").stdout)
    failed = moved.do("dimension", "diff", "search")
    assert "attractor doctor --project ID" in failed.stderr
    found = moved.do("doctor", "--project", known["project"])
    assert f"The dimension search is now in {moved.place}" in found.stderr, found.stderr
    [dimension] = json.loads(moved.do("dimension", "list", "--json").stdout)
    assert (dimension["changed"], dimension["missing"], dimension["trouble"]) == (2, False, "")
    answered = moved.do("message", "send", "helper", "two", "--wait")
    assert answered.returncode == 0, answered.stderr
    if has_git:
        assert git(Path(dimension["folder"]), "status", "--short") == "?? new.txt\n"
    # Nothing more is found, and nothing told.
    assert not moved.do("doctor", "--project", known["project"]).stderr
    assert moved.do("actor", "stop", "helper").returncode == 0


THEIRS = "?? before.txt\n?? mine.txt\n"
BESIDE = {"worktree": "worktrees", "directory": "directories"}


def test_actor_ends_with_its_dimension_unless_it_has_work(desk: PlacedDesk) -> None:
    desk.write(SLOW)
    assert desk.do("dimension", "add", "search", "--kind", "directory").returncode == 0
    assert desk.do(*SPAWN, "--in", "search").returncode == 0
    waited = desk.do("actor", "wait", "helper", "--until", "working", "--timeout", "60s")
    assert "working" in waited.stdout
    refused = desk.do("dimension", "remove", "search", "--force")
    assert refused.returncode == 4
    assert "attractor actor stop helper" in refused.stderr
    assert "search" in desk.do("dimension", "list").stdout
    assert desk.do("actor", "stop", "helper").returncode == 0
    removed = desk.do("dimension", "remove", "search", "--force")
    assert removed.returncode == 0, removed.stderr
    assert "The actor helper works in the dimension search, and ends with it." in removed.stderr
    assert desk.actors() == []
    assert "archived" in desk.do("message", "send", "helper", "two").stderr


ASKS = """digraph asks {
  start [shape=Mdiamond]; done [shape=Msquare]
  one [shape=parallelogram, tool_command="echo one >> both.txt; echo one > one.txt"]
  ask [shape=hexagon, label="More?"]
  two [shape=parallelogram, tool_command="echo two > two.txt"]
  start -> one -> ask
  ask -> two [label="Yes"]
  ask -> done [label="No"]
  two -> done
}
"""


@pytest.mark.parametrize("kind", ["directory", "worktree"])
def test_files_that_a_person_changed_between_stages_are_listed_apart(
    desk: PlacedDesk, kind: str
) -> None:
    desk.write(ASKS)
    if kind == "worktree":
        begin_repository(desk.place)
        git(desk.place, "add", "--all")
        git(desk.place, "commit", "--quiet", "--message", "Begin")
    assert desk.do("dimension", "add", "search", "--kind", kind).returncode == 0
    place = desk.place.with_name(f"project.{BESIDE[kind]}") / "search"
    (place / "before.txt").write_text("mine\n")
    assert desk.do(*SPAWN, "--in", "search").returncode == 0
    desk.do("actor", "wait", "helper", "--until", "asking", "--timeout", "60s")
    for name in ("both.txt", "mine.txt"):
        (place / name).write_text("mine\n")
    [asking] = desk.actors()
    assert desk.do("answer", asking["run"], "Yes").returncode == 0
    desk.do("actor", "wait", "helper", "--timeout", "60s")
    [answer] = json.loads(desk.do("message", "list", "helper", "--json").stdout)
    assert answer["files"] == ["both.txt", "one.txt", "two.txt"]
    assert (answer["changed"], answer["by_others"]) == (3, ["mine.txt"])
    assert "by others: mine.txt" in desk.do("actor", "show", "helper").stdout
    if kind == "worktree":
        names = git(place, "show", "--name-only", "--format=", answer["commit"]).split()
        assert (names, git(place, "status", "--short")) == (answer["files"], THEIRS)
    told = desk.do("logs", answer["run_id"]).stdout
    assert "two: files changed by others before the stage: 2" in told


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (("--with", "codex"), "node work: backend=codex: the program codex is not"),
        (("--agent", "nobody"), "nobody"),
        ((), "OPENAI_API_KEY"),
        (("--model", "gpt-9", "--provider", "openai", "--max-cost-usd", "1"), "gpt-9"),
        (("--with", "simulate", "--sandbox", "walls"), "walls"),
        (("--with", "simulate", "--in", "docker"), "docker"),
    ],
    ids=["program", "agent", "key", "price", "sandbox", "place"],
)
def test_actor_that_could_not_begin_is_not_spawned(
    desk: PlacedDesk, words: Sequence[str], remedy: str
) -> None:
    begin_repository(desk.place)
    git(desk.place, "commit", "--quiet", "--allow-empty", "--message", "Begin")
    refused = desk.do("actor", "spawn", *words, "--name", "helper", "one")
    assert refused.returncode not in (0, 1), refused.stdout
    assert remedy in refused.stderr
    assert desk.actors() == json.loads(desk.do("dimension", "list", "--json").stdout) == []
