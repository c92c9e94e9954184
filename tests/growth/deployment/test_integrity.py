"""The running release is believed only where ledger and promoted commit agree."""

import asyncio
import json
import sys
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import pytest

from attractor.base.errors import ExitCode
from attractor.cli.runs.growth import app_lines
from attractor.factory.history.audit import AuditReport
from attractor.factory.ledger.ledger import Ledger
from attractor.growth.api.deployments import audit_releases, describe_app
from attractor.growth.api.specs import verify
from attractor.growth.apps.skeleton import STACK
from attractor.growth.apps.stack import stacks
from attractor.growth.deployment import integrity
from attractor.growth.deployment.integrity import ReleaseDiffers, check_release, record_release
from attractor.growth.deployment.release import BUBBLEWRAP, NONE
from attractor.growth.deployment.start import start_release
from attractor.growth.deployment.targets import local
from tests.copies import copies
from tests.growth.deployment.living import Living, make_released
from tests.needs import needs_bubblewrap

TREE = "releases/v0/tree/"


@pytest.fixture
def app() -> Living:
    folder = copies().empty_folder()
    copies().take(folder, "released", lambda: _make(folder))
    return Living(folder / "app")


def _make(folder: Path) -> None:
    make_released(folder / "app")


def release_of(app: Living) -> Path:
    return app.releases.folder / "v0"


def edit_record(app: Living, **facts: str) -> None:
    file = release_of(app) / "release.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **facts}))


def found(app: Living) -> Sequence[str]:
    """Return the faults, the same for all commands that look for them; the app does not start."""
    plane = app.plane
    faults = cast("list[dict[str, str]]", describe_app(plane)["faults"])
    names = [f"{one['path']} {one['problem']}" for one in faults]
    assert cast("Any", verify(plane)["release"])["faults"] == faults
    report, state = AuditReport(), plane.project.machine.state_dir
    audit_releases(report, state, plane.project.machine.environ)
    assert [one.problem.partition(": ")[2] for one in report.flaws] == names
    assert report.releases == 1
    if names:
        with pytest.raises(ReleaseDiffers) as refused:
            asyncio.run(start_release(plane.project, app.releases, local.part))
        assert refused.value.exit_code is ExitCode.BROKEN
        assert names[0] in refused.value.message
        assert all(f"  {name}" in "\n".join(app_lines(describe_app(plane))) for name in names)
    return names


def test_edited_release_is_found_named_and_not_started(app: Living) -> None:
    assert found(app) == []
    tree = release_of(app) / "tree"
    (tree / "app/__main__.py").write_text("print('mine')")
    (tree / "app/built.txt").unlink()
    (tree / "spec/nodes/device/web.json").write_text("{}")
    (tree / "starlette.py").write_text("print('mine')")
    edit_record(app, sandbox=BUBBLEWRAP, commit="0" * 40, plan_id="gp-other")
    record = "releases/v0/release.json says"
    names = found(app)
    for name, wanted in zip(names[:2], (f"commit '{'0' * 40}'", "plan_id 'gp-other'"), strict=True):
        assert name.startswith(f"{record} {wanted}, the ledger says ")
    assert names[2:] == [
        f"{record} sandbox 'bubblewrap', the ledger says 'none'",
        f"{TREE}app/__main__.py was edited",
        f"{TREE}app/built.txt is missing",
        f"{TREE}spec/nodes/device/web.json was edited",
        f"{TREE}starlette.py is unknown",
    ]
    restored = cast("dict[str, Any]", verify(app.plane, reconverge=True)["release"])
    assert restored["faults"] == []
    paths = [name.partition(" ")[0] for name in names]
    assert sorted(restored["restored"]) == sorted({*paths})
    edit = app.folder / restored["incident"] / TREE / "app/__main__.py"
    assert edit.read_text() == "print('mine')"
    edit_record(app, run_id="other")
    assert found(app) == [
        "releases/v0/release.json names the run 'other', which the ledger does not promote"
    ]


def test_earlier_release_is_not_started_in_the_place_of_the_last_one(app: Living) -> None:
    current = app.releases.current
    assert current
    run_id = f"{current.record.run_id[:-4]}abcd"
    later = replace(current.record, stage="v0-2", run_id=run_id)
    record_release(app.plane.project, replace(current, record=later))
    [name] = found(app)
    assert name == "current leads to v0; the ledger's last release is v0-2"


@needs_bubblewrap
def test_file_of_a_release_does_not_turn_the_sandbox_off(tmp_path: Path) -> None:
    app = make_released(tmp_path / "app", sandbox=BUBBLEWRAP)
    edit_record(app, sandbox=NONE)
    fault = "says sandbox 'none', the ledger says 'bubblewrap'"
    assert [one.partition(" ")[2] for one in found(app)] == [fault]


@needs_bubblewrap
def test_release_of_an_earlier_version_runs_in_a_sandbox_where_there_is_one(app: Living) -> None:
    ledger = Ledger(app.plane.project.machine.state_dir)
    [*lines, _released] = ledger.entries()
    for file in (
        ledger.file,
        ledger.file.with_name("ledger.head"),
        ledger.file.with_name("ledger.key"),
    ):
        file.unlink()
    for one in lines:
        ledger.append(one.kind, one.run_id, dict(one.data), now=one.when)
    check = asyncio.run(check_release(app.plane.project, app.releases))
    assert check
    assert (check.release.record.sandbox, check.expected.sandbox) == (NONE, BUBBLEWRAP)


def write_package(folder: Path, version: str, text: str, recorded: str = "") -> None:
    """Write a package with one module; its RECORD has the hash of another text, if given."""
    information = folder / "tiny_part-0.dist-info"
    information.mkdir(parents=True, exist_ok=True)
    (folder / "tiny_part.py").write_text(text)
    digest = sha256((recorded or text).encode()).digest()
    words = urlsafe_b64encode(digest).decode().rstrip("=")
    (information / "RECORD").write_text(f"tiny_part.py,sha256={words},1\ntiny_part-0.pyc,,\n")
    (information / "METADATA").write_text(f"Name: tiny-part\nVersion: {version}\n")


def test_edited_and_replaced_packages_are_found(
    app: Living, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    write_package(site, "1.0", "part = 1\n")
    monkeypatch.setattr("sys.path", [str(site), *sys.path])
    stack = replace(stacks()[STACK], packages=("tiny_part",))
    monkeypatch.setattr(integrity, "stacks", lambda: {STACK: stack})
    current = app.releases.current
    assert current
    run_id = f"{current.record.run_id[:-4]}abcd"
    project = app.plane.project
    ledger, now = Ledger(project.machine.state_dir), project.machine.clock.now()
    [promoted] = [one for one in ledger.entries(current.record.run_id) if one.kind == "promoted"]
    ledger.append("promoted", run_id, dict(promoted.data), now=now)
    edit_record(app, run_id=run_id)
    record_release(project, app.releases.open("v0"))
    assert found(app) == []
    write_package(site, "1.0", "part = 2\n", recorded="part = 1\n")
    assert found(app) == [f"{site}/tiny_part.py is not as tiny-part==1.0 installs it"]
    write_package(site, "1.0", "part = 2\n")
    assert found(app) == ["tiny-part==1.0 has other files than at the deployment"]
    write_package(site, "1.1", "part = 2\n")
    assert found(app) == []
    assert describe_app(app.plane)["updated"] == ["tiny-part 1.0 -> 1.1"]
