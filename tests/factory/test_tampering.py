"""Who changes a line behind the checkpoint is found before anything is decided on the run."""

from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.errors import ChainBroken, ExitCode, VerificationError
from attractor.base.hash_chain import GENESIS, seal
from attractor.base.json import Json, parse_json
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import EVALUATING
from attractor.engine.storage.json_files import read_document
from attractor.factory.decide import DecisionKind
from attractor.factory.launch import hold
from attractor.factory.ledger import HEAD_FILE, KEY_FILE, LEDGER_FILE
from tests.factory.flows import Flow, make_flow


def gate_of(flow: Flow, result: RunResult) -> None:
    flow.report(result)


def approve(flow: Flow, result: RunResult) -> None:
    flow.decide(result, DecisionKind.APPROVED)


def reject(flow: Flow, result: RunResult) -> None:
    flow.decide(result, DecisionKind.REJECTED)


def ask_again(flow: Flow, result: RunResult) -> None:
    with hold(result.directory, flow.host) as run:
        flow.evaluator.request_again(run, "ann")


def change_early_line(result: RunResult) -> int:
    """Change a time in a line before the one the checkpoint was made at, and return its number."""
    journal = result.directory / "events.jsonl"
    offset = read_document(result.directory / "checkpoint.json").inner("position").number("offset")
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(b"".join(lines[:3])) < offset
    changed = lines[2].replace(b'"time":"20', b'"time":"19')
    assert changed != lines[2]
    lines[2] = changed
    journal.write_bytes(b"".join(lines))
    return 3


def test_a_changed_line_behind_the_checkpoint_is_found(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    number = change_early_line(result)
    for ask in (gate_of, approve, reject, ask_again):
        with pytest.raises(ChainBroken, match=f"events.jsonl: line {number} was changed") as caught:
            ask(flow, result)
        assert caught.value.exit_code is ExitCode.BROKEN


def test_an_evaluation_does_not_begin_on_a_changed_journal(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch(evaluate=False)
    assert result.status == EVALUATING
    change_early_line(result)
    with pytest.raises(ChainBroken, match="line 3 was changed"):
        flow.resume(result)
    assert b"TrialStarted" not in (result.directory / "events.jsonl").read_bytes()


@pytest.mark.parametrize("is_promoted", [False, True])
def test_changed_journal_is_not_promoted(tmp_path: Path, is_promoted: bool) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    flow.decide(result, DecisionKind.APPROVED)
    if is_promoted:
        flow.promote(result)
    change_early_line(result)
    with pytest.raises(ChainBroken, match="events.jsonl: line 3 was changed"):
        flow.promote(result)


def test_first_of_two_corrupt_lines_is_named(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    journal = result.directory / "events.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[-1] = lines[-1].replace(b'"time":"20', b'"time":"19')
    journal.write_bytes(b"".join(lines))
    with pytest.raises(ChainBroken, match=f"events.jsonl: line {len(lines)} was changed"):
        flow.report(result)
    change_early_line(result)
    for ask in (gate_of, approve):
        with pytest.raises(ChainBroken, match="events.jsonl: line 3 was changed"):
            ask(flow, result)


def test_rechained_journal_is_detected(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    flow.decide(result, DecisionKind.APPROVED)
    chain_anew(result.directory / "events.jsonl", "RunStatusChanged", reason="nothing to see")
    (result.directory / "checkpoint.json").unlink()
    with pytest.raises(ChainBroken, match="lines that existed at an evaluation or decision"):
        flow.promote(result)


def test_rechained_journal_is_detected_by_its_decision(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch(suite="")
    flow.decide(result, DecisionKind.REJECTED)
    chain_anew(result.directory / "events.jsonl", "RunStatusChanged", reason="nothing to see")
    (result.directory / "checkpoint.json").unlink()
    with pytest.raises(ChainBroken, match="lines that existed at an evaluation or decision"):
        flow.promote(result)


def chain_anew(journal: Path, kind: str, **more: Json) -> None:
    """Change the first event of a kind, and link every line anew: anybody can without a key."""
    head, lines, waiting = GENESIS, list[str](), [kind]
    for line in journal.read_bytes().splitlines():
        record = parse_json(line)
        assert isinstance(record, dict)
        if record["type"] in waiting and isinstance(data := record["data"], dict):
            data.update(more)
            waiting.clear()
        plain = {k: v for k, v in record.items() if k not in ("seq", "prev", "hash")}
        link = seal(plain, head)
        head = link.head
        lines.append(link.line)
    assert not waiting
    journal.write_text("".join(f"{one}\n" for one in lines))


def test_missing_ledger_is_reported_before_the_manifest(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    for name in (LEDGER_FILE, HEAD_FILE, KEY_FILE):
        (flow.host.state_dir / name).unlink()
    for ask in (gate_of, approve):
        with pytest.raises(
            VerificationError, match=r"missing ledger .*ledger\.jsonl and key"
        ) as caught:
            ask(flow, result)
        assert "state folder" in caught.value.hint
    assert not (flow.host.state_dir / LEDGER_FILE).exists()


def test_run_unknown_to_the_ledger_is_reported(tmp_path: Path) -> None:
    flow, other = make_flow(tmp_path / "one"), make_flow(tmp_path / "other")
    result = flow.launch(suite="", profile="")
    other.launch()
    strange = Flow(flow.project, replace(flow.host, state_dir=other.host.state_dir))
    with pytest.raises(VerificationError, match=f"unknown run {result.run_id}"):
        gate_of(strange, result)
