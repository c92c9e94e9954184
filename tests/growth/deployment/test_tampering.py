"""Each file of a living app is edited: a command names it with its remedy, and nothing starts.

Edited packages, and edits that all commands find, are in `test_integrity.py`.
"""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from attractor.growth.apps.process import export_state
from attractor.growth.deployment.app_supervisor import NOTE, RUNS, AppSupervisor, next_run
from attractor.growth.deployment.targets import local
from attractor.growth.errors import AppFailed
from tests.cli.running import attractor
from tests.copies import copies
from tests.growth.deployment.living import NEW_FIELD, Living, make_released
from tests.pipeline.projects import git
from tests.tables import table

START, STATUS, DEPLOY = "grow start", "grow status", "grow deploy PLAN"
VERIFY, AUDIT, DRAFTS = "spec verify", "audit verify", "grow feedback --list"
RESTORE = "attractor spec verify --reconverge"
RELEASES = "runs/growth/releases"
PLAN, SPECS = "runs/growth/plans/gp-*", "runs/growth/specs/sg-*"
ANSWER = "runs/growth/drafts/feedback-7be01c55aa92.json"
CODE = {
    "app/web.py": "skeleton",
    "app/steps/phi_gate.py": "body",
    "app/generated.json": "generated.json",
    "spec/nodes/field/block.crop.json": "specification",
    "spec/lineage/v0.json": "lineage",
    "spec/development.toml": "specification",
}


def append(file: Path) -> None:
    with file.open("ab") as opened:
        opened.write(b"\n")


def remove(file: Path) -> None:
    file.unlink()


def write(text: str) -> Callable[[Path], object]:
    return lambda file: file.write_text(text)


def replace(old: str, new: str) -> Callable[[Path], object]:
    def edit(file: Path) -> None:
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))

    return edit


def lead_to(target: str) -> Callable[[Path], object]:
    def edit(file: Path) -> None:
        file.unlink()
        file.symlink_to(target)

    return edit


def turn_into_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@dataclass(frozen=True)
class Tampering:
    """An edit of a file; a command finds it, and prints the fault and the remedy."""

    path: str
    edit: Callable[[Path], object]
    command: str
    fault: str
    remedy: str


CURRENT, RECORD = f"{RELEASES}/current", f"{RELEASES}/v0/release.json"
MISSING = "current is missing; the ledger's last release is v0"
ALL = [
    *(
        Tampering(f"{RELEASES}/v0/tree/{path}", append, command, f"{path} was edited", RESTORE)
        for path, command in zip(CODE, (START, DEPLOY, STATUS, AUDIT, VERIFY, START), strict=True)
    ),
    *(Tampering(path, append, VERIFY, f"{path} ({kind})", RESTORE) for path, kind in CODE.items()),
    Tampering(RECORD, replace('"v0"', '"v9"'), DEPLOY, "says stage 'v9'", RESTORE),
    Tampering(RECORD, write("{"), START, "v0/release.json is damaged", "from a backup"),
    Tampering(CURRENT, remove, START, MISSING, "ln -s v0 "),
    Tampering(CURRENT, remove, STATUS, MISSING, "ln -s v0 "),
    Tampering(CURRENT, remove, AUDIT, MISSING, "ln -s v0 "),
    Tampering(CURRENT, remove, DEPLOY, MISSING, "ln -s v0 "),
    Tampering(CURRENT, lead_to("v7"), START, "current leads to v7", "ln -sfn STAGE "),
    Tampering(CURRENT, lead_to("../../../.."), STATUS, "which is not a release", "ln -sfn STAGE "),
    Tampering(CURRENT, turn_into_folder, DEPLOY, "current is not a link", "ln -s STAGE "),
    Tampering(
        f"{PLAN}/plan.json",
        replace("loam", "clay"),
        DEPLOY,
        "plan.json was changed by hand",
        "attractor grow drop gp-",
    ),
    Tampering(f"{PLAN}/plan.json", write("{"), STATUS, "plan.json", "attractor grow drop gp-"),
    Tampering(
        f"{PLAN}/mutation.md",
        append,
        DEPLOY,
        "mutation.md was changed by hand",
        "attractor grow drop gp-",
    ),
    Tampering(
        f"{PLAN}/simulation/*/report.json",
        replace('"records": 0', '"records": 9'),
        DEPLOY,
        "report.json was edited",
        "attractor grow simulate gp-",
    ),
    Tampering(
        f"{SPECS}/spec/nodes/field/block.crop.json",
        replace('"name": "crop"', '"name": "corn"'),
        DEPLOY,
        "was changed: its content is",
        "store the specification again",
    ),
    Tampering(
        "spec/development.toml",
        replace('"retype_field"', '"rename"'),
        DEPLOY,
        "development.toml was changed since the plan was made",
        "attractor grow rebase",
    ),
    Tampering(ANSWER, write('{"choice": "yes"}'), DRAFTS, "feedback-7be01c55aa92.json", "rm "),
]


@pytest.fixture
def app() -> Living:
    folder = copies().empty_folder()
    copies().take(folder, "generated and planned", lambda: _make(folder))
    return Living(folder / "app")


def _make(folder: Path) -> None:
    app = make_released(folder / "app", is_generated=True)
    words = "Seed\n\nAttractor-Decision: 0123abcd"
    git(app.folder, "commit", "--quiet", "--allow-empty", "--message", words)
    app.plan(NEW_FIELD)
    (app.folder / ANSWER).parent.mkdir()
    (app.folder / ANSWER).write_text("{}")


def run(app: Living, command: str) -> subprocess.CompletedProcess[str]:
    opened = app.plane.project
    folders = {
        "HOME": str(app.folder.parent),
        "ATTRACTOR_STATE_DIR": str(opened.machine.state_dir),
        "ATTRACTOR_WORKSPACES_DIR": str(opened.workspaces_dir),
    }
    return attractor(*command.split(), folder=app.folder, variables=folders)


@contextmanager
def edited(file: Path, edit: Callable[[Path], object], kept: Path) -> Generator[None]:
    """Edit a file during the block."""
    shutil.copy2(file, kept, follow_symlinks=False)
    edit(file)
    try:
        yield
    finally:
        file.rmdir() if file.is_dir() and not file.is_symlink() else file.unlink(missing_ok=True)
        shutil.move(kept, file)


@table("one", ALL)
def test_edited_file_is_named_with_its_remedy(app: Living, one: Tampering, tmp_path: Path) -> None:
    [file] = app.folder.glob(one.path)
    [plan] = app.plane.plans.ids()
    with edited(file, one.edit, tmp_path / "kept"):
        done = run(app, one.command.replace("PLAN", plan))
    assert one.fault in done.stdout + done.stderr
    assert one.remedy in done.stdout + done.stderr
    assert done.returncode or one.command == STATUS
    assert "Traceback" not in done.stderr
    assert not (app.releases.folder / NOTE).exists(), "the app was started"


@table("name", ["state.sqlite", "people.json"])
def test_damaged_state_is_named_at_the_start(app: Living, name: str, tmp_path: Path) -> None:
    current = app.releases.current
    assert current
    file = current.state / name
    file.touch()
    with edited(file, write("damaged " * 1000), tmp_path / "kept"):
        done = run(app, START)
        app.stop()
        log = app.releases.folder / "app.log"
        assert f"read {log}" in done.stderr
        remedy = "stop the app, and restore its state from a backup"
        assert f"{name} is damaged: {remedy}" in log.read_text()
        if name == "state.sqlite":
            with pytest.raises(AppFailed, match=f"{name} is damaged"):
                asyncio.run(export_state(current.tree, current.state))


def test_edited_notes_of_the_supervisor_are_written_again(app: Living) -> None:
    current, folder = app.releases.current, app.releases.folder
    assert current
    supervisor = AppSupervisor(folder, current, app.expected)
    (folder / RUNS).write_text("{")
    assert next_run(folder, current)
    try:
        supervisor.ensure()
        supervisor.run_due()
        note = (folder / NOTE).read_bytes()
        for text in ("{", note.decode().replace(supervisor.url, "http://127.0.0.1:1")):
            (folder / NOTE).write_text(text)
            supervisor.ensure()
            assert (folder / NOTE).read_bytes() == note
    finally:
        supervisor.stop()


def test_note_of_another_start_gives_no_address(app: Living) -> None:
    try:
        url = app.start(os.environ)
        note = app.releases.folder / NOTE
        assert local.find_address(app.releases) == url
        note.write_text(note.read_text().replace('"mark":"app.', '"mark":"app.0'))
        assert local.find_address(app.releases) == ""
    finally:
        app.stop()
