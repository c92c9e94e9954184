"""A run of another project and a copied run are refused.

The ledger and the run's own file must contain the same decisions.
"""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.errors import ExitCode
from attractor.engine.run_folder.result import RunResult
from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.decisions.lock import lock_run
from attractor.factory.errors import AlreadyDecided, CopiedRun, DecisionsDiffer, OtherProject
from attractor.factory.history.records import DECISIONS_FILE
from attractor.factory.ledger.ledger import HEAD_FILE, LEDGER_FILE
from attractor.factory.open_project import OpenProject
from attractor.pipeline.project.project import Project
from tests.factory.flows import Flow, make_flow
from tests.pipeline.projects import adjusted, make_project, open_project

DOINGS: list[Callable[[Flow, RunResult], object]] = [
    lambda flow, result: flow.resume(result),
    lambda flow, result: flow.report(result),
    lambda flow, result: flow.decide(result, DecisionKind.REJECTED),
    lambda flow, result: flow.promote(result),
]


def make_other_project(flow: Flow, tmp_path: Path) -> Flow:
    """Make another project with a run of its own and the same state folder."""
    project = make_project(tmp_path / "neighbour")
    opened: Project = adjusted(open_project(project), state_dir=flow.machine.state_dir)
    other = Flow(project, OpenProject(opened))
    other.launch(suite="", profile="")
    return other


def test_a_run_of_another_project_is_refused(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    flow.decide(result, DecisionKind.APPROVED)
    other = make_other_project(flow, tmp_path)
    before = (result.directory / "events.jsonl").read_bytes()
    for do in DOINGS:
        with pytest.raises(OtherProject, match="is a run of another project") as caught:
            do(other, result)
        assert caught.value.exit_code is ExitCode.USAGE
        assert str(result.directory) in caught.value.hint
    assert (result.directory / "events.jsonl").read_bytes() == before


def test_copied_run_is_refused_in_every_place(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    for place in (flow.runs_dir / "copy", tmp_path / "away" / result.run_id):
        shutil.copytree(result.directory, place)
        for do in DOINGS:
            with pytest.raises(CopiedRun) as caught:
                do(flow, replace(result, directory=place))
            assert caught.value.exit_code is ExitCode.USAGE
            assert "use " in caught.value.hint
    assert flow.decide(result, DecisionKind.REJECTED)


def test_run_in_another_folder_belongs_to_the_project(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch(root=tmp_path / "elsewhere" / "my-run")
    assert flow.rules(result) == []
    assert (flow.runs_dir / ".gitignore").read_text() == "*\n"
    with lock_run(result.directory, flow.opened) as run:
        assert run.manifest.run_id == result.run_id


def state_files(flow: Flow) -> dict[Path, bytes]:
    files = (flow.machine.state_dir / name for name in (LEDGER_FILE, HEAD_FILE))
    return {file: file.read_bytes() for file in files}


def restore_files(files: dict[Path, bytes]) -> None:
    for file, content in files.items():
        file.write_bytes(content)


def test_a_line_the_run_lost_in_a_crash_is_written_again(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    flow.decide(result, DecisionKind.APPROVED)
    file = result.directory / DECISIONS_FILE
    whole = file.read_bytes()
    for left in (b"", whole[:20]):
        file.write_bytes(left)
        with pytest.raises(AlreadyDecided):
            flow.decide(result, DecisionKind.REJECTED)
        assert file.read_bytes() == whole
    file.unlink()
    flow.promote(result)
    assert file.read_bytes() == whole


def test_restored_ledger_is_detected_by_the_run(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    before = state_files(flow)
    flow.decide(result, DecisionKind.REJECTED)
    restore_files(before)
    for _ in range(2):
        with pytest.raises(
            DecisionsDiffer, match="contains lines that .*ledger.jsonl lacks"
        ) as caught:
            flow.decide(result, DecisionKind.APPROVED)
        assert caught.value.exit_code is ExitCode.BROKEN
    (result.directory / DECISIONS_FILE).unlink()
    with pytest.raises(DecisionsDiffer, match="lacks the decision of a run that is rejected"):
        flow.decide(result, DecisionKind.APPROVED)


def test_a_shortened_ledger_with_an_old_journal_is_found(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    ledger = flow.machine.state_dir / LEDGER_FILE
    old = {one: one.read_bytes() for one in (ledger, *result.directory.glob("*.json*"))}
    flow.decide(result, DecisionKind.REJECTED)
    restore_files(old)
    (result.directory / DECISIONS_FILE).unlink()
    with pytest.raises(Exception, match=r"ledger.jsonl: line \d+ is missing") as caught:
        flow.decide(result, DecisionKind.APPROVED)
    assert getattr(caught.value, "exit_code", None) is ExitCode.BROKEN


def test_a_decision_that_was_changed_in_the_runs_file_is_found(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    flow.decide(result, DecisionKind.REJECTED)
    file = result.directory / DECISIONS_FILE
    for bad in (file.read_bytes().replace(b"rejected", b"approved"), b"nonsense\n"):
        file.write_bytes(bad)
        with pytest.raises(DecisionsDiffer):
            flow.promote(result)


def test_rationale_is_stored_without_secrets(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    knowing = flow.adjusted(environ={**flow.machine.environ, "A_TOKEN": "hush-hush-hush"})
    entry = knowing.decide(result, DecisionKind.APPROVED, "It is as good as hush-hush-hush.")
    assert entry.data["rationale"] == "It is as good as ***."
    assert "hush" not in (result.directory / DECISIONS_FILE).read_text()
    assert knowing.promote(result)
