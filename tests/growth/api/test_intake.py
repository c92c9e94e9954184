"""Desires in a folder: taken in once, or refused with a note."""

import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import CompletedProcess, run

import pytest

from attractor.base.errors import Refused, UsageError
from attractor.growth.api import intake
from attractor.growth.api.intake import LARGEST, DesireFolder, IntakeEvent
from attractor.growth.control_plane import ControlPlane
from attractor.growth.specification.graph import SpecNode
from attractor.growth.specification.store import SpecStore
from attractor.twins.pytest_plugin import StartTwin, provider_twin as provider_twin
from tests.counts import count
from tests.growth.api import intake_life
from tests.growth.app import PROPOSAL, make_app
from tests.growth.model import objects, project_with_model

WISH = "goal: send invoices\ncadence: weekly\n"


@pytest.fixture
def app(tmp_path: Path) -> ControlPlane:
    (tmp_path / "wishes").mkdir()
    return make_app(tmp_path / "app")


@pytest.fixture
def wishes(tmp_path: Path, app: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(intake, "PAUSE_S", 0.0)
    return tmp_path / "wishes"


def take(app: ControlPlane, folder: Path, *, plans: bool = False) -> list[IntakeEvent]:
    inbox = DesireFolder(app, folder, plans=plans)
    return [event for _ in range(2) for event in inbox.take()]


def desires(app: ControlPlane, id_: str) -> list[SpecNode]:
    return list(app.specs.load(id_).graph.of_kind("desire"))


def names(folder: Path) -> set[str]:
    return {one.name for one in folder.iterdir()}


def test_desire_is_taken_in_on_the_specification_of_the_app_and_moved(
    app: ControlPlane, wishes: Path
) -> None:
    (wishes / "invoices.yaml").write_text(WISH)
    [event] = take(app, wishes)
    assert (event.state, event.moved_to) == ("taken", "done/invoices.yaml")
    assert [one.name for one in desires(app, event.spec_graph_id)] == ["send invoices"]
    assert app.head
    assert app.specs.load(event.spec_graph_id).base
    note = (wishes / "done" / "invoices.yaml.why.txt").read_text()
    assert note == (
        f"Taken in as {event.spec_graph_id}.\nNext: attractor grow plan {event.spec_graph_id}\n"
    )
    assert names(wishes) == {"done", "refused"}
    (wishes / "again.yaml").write_text(WISH)
    [again] = take(app, wishes)
    assert again.spec_graph_id == event.spec_graph_id
    assert "came before, in invoices.yaml" in (wishes / "done" / "again.yaml.why.txt").read_text()
    (wishes / "invoices.yaml").write_text("goal: send packlists\n")
    assert take(app, wishes)[0].moved_to == "done/invoices-2.yaml"


def test_file_that_is_being_written_waits(app: ControlPlane, tmp_path: Path) -> None:
    folder = tmp_path / "wishes"
    inbox = DesireFolder(app, folder)
    file = folder / "wish.yaml"
    file.touch()
    with file.open("a") as stream:
        for word in ("goal", ": send", " invoices"):
            assert [*inbox.take()] == []
            stream.write(word)
            stream.flush()
        assert [*inbox.take()] == []
        assert inbox.waiting == ["wish.yaml"]
    (folder / ".wish.yaml.tmp").write_text("goal: no")
    (folder / "photo.jpg").write_bytes(b"\xff")
    while not (events := [*inbox.take()]):
        assert inbox.waiting == ["wish.yaml"]
    assert [one.name for one in desires(app, events[0].spec_graph_id)] == ["send invoices"]
    assert names(folder) == {"done", "refused", ".wish.yaml.tmp", "photo.jpg"}


class InterruptedPlane(ControlPlane):
    """A control plane with a person who replaces the file while it is taken in."""

    @property
    def specs(self) -> SpecStore:  # pyright: ignore[reportIncompatibleVariableOverride]
        file = self.repository.parent / "wishes" / "wish.yaml"
        if file.exists() and file.read_text() == WISH:
            file.write_text("goal: send packlists\n")
        return super().specs


def test_content_that_replaces_a_file_while_it_is_taken_in_is_not_lost(
    app: ControlPlane, wishes: Path
) -> None:
    inbox = DesireFolder(InterruptedPlane(app.project), wishes)
    (wishes / "wish.yaml").write_text(WISH)
    assert [one for _ in range(2) for one in inbox.take()] == []
    assert names(wishes / "done") == set()
    [event] = take(app, wishes)
    assert [one.name for one in desires(app, event.spec_graph_id)] == ["send packlists"]


Make = Callable[[Path], object]
HOSTILE: Mapping[str, tuple[str, Make, str]] = {
    "link": ("a.txt", lambda file: file.symlink_to("/etc/passwd"), "not a regular file"),
    "pipe": ("a.txt", os.mkfifo, "not a regular file"),
    "large": ("a.txt", lambda file: file.write_text("a" * (LARGEST + 1)), "larger than 64 kB"),
    "binary": ("a.txt", lambda file: file.write_bytes(b"wish\0"), "binary"),
    "latin": ("a.txt", lambda file: file.write_bytes(b"\xe9ggs"), "not UTF-8"),
    "line in the name": ("a\nb.txt", lambda file: file.write_text(WISH), "the name"),
    "option as the name": ("-rf.yaml", lambda file: file.write_text(WISH), "unusual"),
    "hidden name": ("a\u202eb.txt", lambda file: file.write_text(WISH), "invisible"),
    "name of bytes": ("a\udce9.txt", lambda file: file.write_text(WISH), "the name"),
    "long name": ("a" * 200 + ".txt", lambda file: file.write_text(WISH), "too long"),
    "hidden text": ("a.md", lambda file: file.write_text("eggs\u200b, please"), "invisible"),
    "hidden in yaml": ("a.yaml", lambda file: file.write_text('goal: "a\\u202e"'), "invisible"),
    "no desire": ("a.json", lambda file: file.write_text('{"a": 1}'), ""),
    "unknown key": ("a.yaml", lambda file: file.write_text(f"{WISH}risk: low\n"), "risk"),
    "document": ("a.yaml", lambda file: file.write_text("identity: {purpose: a}"), "document"),
    "nested": ("a.json", lambda file: file.write_text("[" * 60_000), ""),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_file_is_refused_with_a_note(case: str, app: ControlPlane, wishes: Path) -> None:
    name, make, fault = HOSTILE[case]
    make(wishes / name)
    before = app.specs.ids()
    [event] = take(app, wishes)
    assert event.state == "refused"
    assert fault in event.problem
    assert app.specs.ids() == before
    assert names(wishes) == {"done", "refused"}
    [moved, note] = sorted(names(wishes / "refused"), key=lambda one: one.endswith(".why.txt"))
    assert event.moved_to == f"refused/{moved}"
    assert note == f"{moved}.why.txt"
    assert moved.isprintable()
    text = (wishes / "refused" / note).read_text()
    assert text.startswith("Refused: ")
    assert "What to do: " in text


def test_folder_with_other_files_is_refused(app: ControlPlane, tmp_path: Path) -> None:
    (app.folder / "intake").mkdir(parents=True)
    for folder, fault in (
        (app.repository, "contains the app"),
        (tmp_path, "contains the app"),
        (tmp_path / "none", "no such folder"),
        (app.repository / "spec" / "nodes", "belongs to the app"),
        (app.folder / "intake", "belongs to the app"),
    ):
        with pytest.raises(UsageError, match=fault):
            DesireFolder(app, folder)
    (tmp_path / "wishes" / "done").symlink_to(tmp_path)
    with pytest.raises(UsageError, match="is a link"):
        DesireFolder(app, tmp_path / "wishes")
    shutil.rmtree(app.repository / "spec" / "nodes")
    with pytest.raises(Refused, match="no specification"):
        DesireFolder(app, tmp_path / "wishes")


def test_free_text_waits_while_no_model_answers(app: ControlPlane, wishes: Path) -> None:
    (wishes / "wish.txt").write_text("Please send invoices.")
    [event] = take(app, wishes)
    assert (event.state, event.moved_to) == ("waiting", "")
    assert "llm.model" in f"{event.problem} {event.next}"
    assert (wishes / "wish.txt").exists()


def test_plan_is_made_for_each_file_or_the_note_says_why_not(
    app: ControlPlane, wishes: Path, provider_twin: StartTwin
) -> None:
    twin = provider_twin(objects(PROPOSAL))
    plane = ControlPlane(project_with_model(twin, app.repository))
    (wishes / "a.yaml").write_text(WISH)
    (wishes / "b.yaml").write_text('goal: "send [NEEDS CLARIFICATION: which?] packlists"\n')
    planned, unclear = take(plane, wishes, plans=True)
    assert plane.plans.ids() == [planned.plan_id]
    assert planned.next == f"attractor grow simulate {planned.plan_id}"
    assert (unclear.state, unclear.plan_id) == ("taken", "")
    assert "No plan was made: " in (wishes / "done" / "b.yaml.why.txt").read_text()
    plane.plans.drop(planned.plan_id, "not now")
    (wishes / "c.yaml").write_text(WISH)
    [again] = take(plane, wishes, plans=True)
    assert (again.state, again.moved_to) == ("refused", "refused/c.yaml")
    assert f"came before, in a.yaml, and their plan {planned.plan_id} was dropped" in again.problem
    assert (
        "write what is different; then put" in (wishes / "refused" / "c.yaml.why.txt").read_text()
    )


def live(app: ControlPlane, folder: Path, number: int, model: Mapping[str, str]) -> int | None:
    """Take in the desires in a process; return its number of calls, or None after its kill."""
    words = [sys.executable, "-m", intake_life.__name__, str(app.repository), str(folder)]
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder.parent), **model}
    ended: CompletedProcess[str] = run(
        [*words, str(number)],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
    return int(ended.stdout) if ended.returncode == 0 else None


@pytest.mark.crash
def test_kill_takes_no_desire_in_twice_and_loses_none(
    tmp_path: Path, provider_twin: StartTwin
) -> None:
    environ = provider_twin(objects(PROPOSAL)).environ()
    model = {name: environ[name] for name in intake_life.MODEL}
    dice = random.Random(os.environ.get("SEED", "intake"))
    last, killed, kills = 0, 0, count(ci=6, full=60)
    for round_ in range(kills + 1):
        folder = tmp_path / str(round_) / "wishes"
        folder.mkdir(parents=True)
        app = make_app(folder.parent / "app")
        for name in ("invoices", "packlists"):
            (folder / f"{name}.yaml").write_text(f"goal: send {name}\n")
        if round_:
            # The last calls are records and moves; those before write specifications.
            number = last - dice.randrange(60 if round_ % 2 else last)
            killed += live(app, folder, number, model) is None
        last = max(last, live(app, folder, 0, model) or 0)
        assert names(folder) == {"done", "refused"}
        moved = {"invoices.yaml", "packlists.yaml"}
        assert names(folder / "done") == moved | {f"{one}.why.txt" for one in moved}
        grown = [one for one in app.specs.ids() if app.specs.load(one).base]
        goals = sorted(one.name for id_ in grown for one in desires(app, id_))
        assert goals == ["send invoices", "send packlists"]
        assert len(app.plans.ids()) == 2
    assert killed > kills / 2
