"""The ledger and the run's own file must agree on what was decided."""

from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.errors import ExitCode
from attractor.factory.deciding import Verdict
from attractor.factory.decisions import DECISIONS_FILE
from attractor.factory.errors import AlreadyDecided, DecisionsDiffer
from attractor.factory.ledger import HEAD_FILE, LEDGER_FILE
from tests.factory.flows import Flow, make_flow


def state_files(flow: Flow) -> dict[Path, bytes]:
    files = (flow.world.state_dir / name for name in (LEDGER_FILE, HEAD_FILE))
    return {file: file.read_bytes() for file in files}


def put_back(files: dict[Path, bytes]) -> None:
    for file, content in files.items():
        file.write_bytes(content)


def test_a_line_the_run_lost_in_a_crash_is_written_again(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    flow.decide(result, Verdict.APPROVED)
    file = result.directory / DECISIONS_FILE
    whole = file.read_bytes()
    for left in (b"", whole[:20]):
        file.write_bytes(left)
        with pytest.raises(AlreadyDecided):
            flow.decide(result, Verdict.REJECTED)
        assert file.read_bytes() == whole
    file.unlink()
    flow.promote(result)
    assert file.read_bytes() == whole


def test_a_ledger_and_its_head_put_back_together_are_found_by_the_runs_own_line(
    tmp_path: Path,
) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    before = state_files(flow)
    flow.decide(result, Verdict.REJECTED)
    put_back(before)
    for _ in range(2):
        with pytest.raises(DecisionsDiffer, match="holds what .*ledger.jsonl does not") as caught:
            flow.decide(result, Verdict.APPROVED)
        assert caught.value.exit_code is ExitCode.BROKEN
    (result.directory / DECISIONS_FILE).unlink()
    with pytest.raises(DecisionsDiffer, match="no decision, but the run is rejected"):
        flow.decide(result, Verdict.APPROVED)


def test_a_shortened_ledger_with_an_old_journal_is_found(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    ledger = flow.world.state_dir / LEDGER_FILE
    old = {one: one.read_bytes() for one in (ledger, *result.directory.glob("*.json*"))}
    flow.decide(result, Verdict.REJECTED)
    put_back(old)
    (result.directory / DECISIONS_FILE).unlink()
    with pytest.raises(Exception, match="ledger.jsonl: line 4 is missing") as caught:
        flow.decide(result, Verdict.APPROVED)
    assert getattr(caught.value, "exit_code", None) is ExitCode.BROKEN


def test_a_decision_that_was_changed_in_the_runs_file_is_found(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    flow.decide(result, Verdict.REJECTED)
    file = result.directory / DECISIONS_FILE
    for bad in (file.read_bytes().replace(b"rejected", b"approved"), b"nonsense\n"):
        file.write_bytes(bad)
        with pytest.raises(DecisionsDiffer):
            flow.promote(result)


def test_a_rationale_with_a_secret_is_kept_without_it(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    world = replace(flow.world, environ={**flow.world.environ, "A_TOKEN": "hush-hush-hush"})
    knowing = replace(flow, world=world)
    entry = knowing.decide(result, Verdict.APPROVED, "It is as good as hush-hush-hush.")
    assert entry.data["rationale"] == "It is as good as ***."
    assert "hush" not in (result.directory / DECISIONS_FILE).read_text()
    assert knowing.promote(result)
