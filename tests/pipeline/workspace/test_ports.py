"""Ports of workspaces: free, kept, and given to one owner at a time."""

import socket
from pathlib import Path

import pytest

from attractor.base.errors import Refused
from attractor.base.locks import FileLock
from attractor.engine.run_folder.layout import RunDirectory
from attractor.pipeline.project.project import Project
from attractor.pipeline.workspace import ports
from attractor.pipeline.workspace.ports import ports_of
from tests.pipeline.projects import adjusted, open_project


def free_range(count: int) -> range:
    """Return free ports, one after the other."""
    starts = range(ports.PORTS.start, ports.PORTS.stop - count, count)
    ranges = (range(start, start + count) for start in starts)
    return next(one for one in ranges if all(map(ports._is_free, one)))  # pyright: ignore


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project with two ports for each workspace, and a machine with four."""
    monkeypatch.setattr(ports, "PORTS", free_range(4))
    return adjusted(open_project(tmp_path / "project"), ports=("WEB_PORT", "DB_PORT"))


def make_owner(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_owners_keep_different_ports_until_their_folder_is_gone(
    tmp_path: Path, project: Project
) -> None:
    owners = [make_owner(tmp_path / name) for name in ("a", "b")]
    given = [ports_of(owner, project) for owner in owners]
    (owners[1] / "final.json").write_text("{}")
    assert len({port for one in given for port in one.values()}) == 4
    assert [ports_of(owner, project) for owner in owners] == given
    other = make_owner(tmp_path / "c")
    with pytest.raises(Refused, match="no port"):
        ports_of(other, project)
    owners[0].rmdir()
    # This process may be about to make the folder.
    with pytest.raises(Refused):
        ports_of(other, project)
    ledger = project.machine.state_dir / "ports.json"
    ledger.write_text(ledger.read_text().replace('"pid": ', '"pid": 4194304'))
    assert {*ports_of(other, project).values()} == {*given[0].values()}


def test_run_gives_its_ports_back_when_it_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, project: Project
) -> None:
    monkeypatch.setattr(ports, "PORTS", ports.PORTS[:2])
    run, other = RunDirectory(make_owner(tmp_path / "run")), make_owner(tmp_path / "other")
    given = ports_of(run.root, project)
    with pytest.raises(Refused):
        ports_of(other, project)
    run.final.write_text("{}")
    with FileLock(run.lock).acquire(), pytest.raises(Refused):
        ports_of(other, project)
    assert {*ports_of(other, project).values()} == {*given.values()}


def test_port_in_use_is_given_to_nobody_and_taken_from_nobody(
    tmp_path: Path, project: Project
) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", ports.PORTS[0]))
        server.listen()
        given = ports_of(make_owner(tmp_path / "a"), project)
        assert str(ports.PORTS[0]) not in given.values()
    with socket.socket() as server:
        server.bind(("127.0.0.1", int(given["WEB_PORT"])))
        server.listen()
        assert ports_of(tmp_path / "a", project) == given


def test_project_without_ports_writes_nothing(tmp_path: Path) -> None:
    project = open_project(tmp_path / "project")
    assert ports_of(tmp_path, project) == {}
    assert not project.machine.state_dir.exists()
