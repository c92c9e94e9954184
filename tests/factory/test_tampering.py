"""A changed line before the checkpoint and a shortened journal are detected in time."""

import asyncio
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from attractor.base.errors import ChainBroken, ExitCode, Refused, VerificationError
from attractor.base.hash_chain import GENESIS, seal
from attractor.base.json import Json, parse_json
from attractor.engine.errors import RunOver
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import AWAITING_DECISION, EVALUATING, REJECTED
from attractor.engine.storage.json_files import read_document
from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.decisions.lock import lock_run
from attractor.factory.decisions.run_end import record_end
from attractor.factory.ledger.ledger import HEAD_FILE, KEY_FILE, LEDGER_FILE, LineKind
from attractor.factory.operations.rebase import rebase_run
from attractor.pipeline.orders import Orders
from attractor.records.summary import summarize
from tests.factory.flows import Flow, make_flow
from tests.factory.test_forked_runs import forked
from tests.pipeline.projects import git


def gate_of(flow: Flow, result: RunResult) -> None:
    flow.report(result)


def approve(flow: Flow, result: RunResult) -> None:
    flow.decide(result, DecisionKind.APPROVED)


def reject(flow: Flow, result: RunResult) -> None:
    flow.decide(result, DecisionKind.REJECTED)


def ask_again(flow: Flow, result: RunResult) -> None:
    with lock_run(result.directory, flow.opened) as run:
        flow.evaluator.request_again(run, "ann")


def change_early_line(result: RunResult) -> int:
    """Change a time in a line before the checkpoint, and return the line number."""
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
    rewrite_chain(result.directory / "events.jsonl", "RunStatusChanged", reason="nothing to see")
    (result.directory / "checkpoint.json").unlink()
    with pytest.raises(ChainBroken, match="lines whose hashes are in the ledger"):
        flow.promote(result)


def test_rechained_journal_is_detected_by_its_decision(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch(suite="")
    flow.decide(result, DecisionKind.REJECTED)
    rewrite_chain(result.directory / "events.jsonl", "RunStatusChanged", reason="nothing to see")
    (result.directory / "checkpoint.json").unlink()
    with pytest.raises(ChainBroken, match="lines whose hashes are in the ledger"):
        flow.promote(result)


def rewrite_chain(journal: Path, kind: str, **more: Json) -> None:
    """Change the first event of a kind, and compute the chain anew, which needs no key."""
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
        (flow.machine.state_dir / name).unlink()
    for ask in (gate_of, approve):
        with pytest.raises(
            VerificationError, match=r"missing ledger .*ledger\.jsonl and key"
        ) as caught:
            ask(flow, result)
        assert "state folder" in caught.value.hint
    assert not (flow.machine.state_dir / LEDGER_FILE).exists()


def test_run_unknown_to_the_ledger_is_reported(tmp_path: Path) -> None:
    flow, other = make_flow(tmp_path / "one"), make_flow(tmp_path / "other")
    result = flow.launch(suite="", profile="")
    other.launch()
    strange = flow.adjusted(state_dir=other.machine.state_dir)
    with pytest.raises(VerificationError, match=f"unknown run {result.run_id}"):
        gate_of(strange, result)


def cut(result: RunResult, kind: str) -> None:
    """Cut the journal before the first event of a kind, and remove the other state files."""
    journal = result.directory / "events.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if f'"type":"{kind}"'.encode() in line)
    journal.write_bytes(b"".join(lines[:at]))
    for name in ("checkpoint.json", "run.json", "final.json"):
        (result.directory / name).unlink(missing_ok=True)


def canceled(flow: Flow) -> RunResult:
    """Return a run that was canceled while it waited for a decision."""
    result = flow.launch()
    cancel(flow, result)
    return result


def cancel(flow: Flow, result: RunResult) -> None:
    machine, redactor = flow.machine, flow.opened.project.redactor
    end = partial(record_end, flow.opened)
    orders = Orders(result.directory, "ann", machine.clock, machine.randomness, redactor, end)
    orders.cancel("enough")


def failed(flow: Flow) -> RunResult:
    file = flow.project / "pipeline.dot"
    file.write_text(file.read_text().replace("echo made", "exit 1; echo made"))
    return flow.launch()


def decided(flow: Flow) -> RunResult:
    result = flow.launch()
    reject(flow, result)
    return result


ENDS = [
    (canceled, "OperatorAction"),
    (failed, "StageFailed"),
    (failed, "CheckpointSaved"),
    (decided, "StageStarted"),
]


@pytest.mark.parametrize(("end", "kind"), ENDS)
def test_shortened_journal_does_not_undo_a_final_status(
    tmp_path: Path, end: Callable[[Flow], RunResult], kind: str
) -> None:
    flow = make_flow(tmp_path)
    result = end(flow)
    cut(result, kind)
    for act in (Flow.resume, approve, ask_again, gate_of):
        with pytest.raises(ChainBroken, match="events.jsonl is incomplete") as caught:
            act(flow, result)
        assert caught.value.exit_code is ExitCode.BROKEN


def test_end_without_its_status_is_completed(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = canceled(flow)
    journal = result.directory / "events.jsonl"
    *lines, last = journal.read_bytes().splitlines(keepends=True)
    assert b"RunStatusChanged" in last
    journal.write_bytes(b"".join(lines))
    (result.directory / "checkpoint.json").unlink()
    with pytest.raises(RunOver, match="canceled, which is final"):
        flow.resume(result)
    assert b"RunStatusChanged" in journal.read_bytes().splitlines()[-1]


def after_a_crash(tmp_path: Path) -> tuple[Flow, RunResult]:
    """Return a run whose process died between its rejection in the ledger and its status."""
    flow = make_flow(tmp_path)
    result = flow.launch()
    before = shutil.copytree(result.directory, tmp_path / "before")
    reject(flow, result)
    shutil.rmtree(result.directory)
    before.rename(result.directory)
    return flow, result


def rebase(flow: Flow, result: RunResult) -> None:
    git(flow.project, "commit", "--quiet", "--allow-empty", "--message", "Meanwhile")
    asyncio.run(rebase_run(result.directory, flow.opened, branch="main", by="ann"))


@pytest.mark.parametrize("act", [rebase, ask_again, approve, cancel])
def test_rejection_counts_after_a_crash(
    tmp_path: Path, act: Callable[[Flow, RunResult], None]
) -> None:
    flow, result = after_a_crash(tmp_path)
    assert summarize(result.directory).status == AWAITING_DECISION.word
    with pytest.raises(Refused):
        act(flow, result)
    lock_run(result.directory, flow.opened).close()
    assert summarize(result.directory).status == REJECTED.word
    kinds = [one.kind for one in flow.opened.ledger.entries(result.run_id)]
    assert kinds[-1] == LineKind.DECIDED


def test_changed_run_is_not_forked(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    manifest = result.directory / "manifest.json"
    kept = manifest.read_bytes()
    manifest.write_bytes(kept.replace(b"Say hello", b"Say hallo"))
    assert manifest.read_bytes() != kept
    with pytest.raises(VerificationError, match="was changed after the start of the run"):
        forked(flow, result, "make")
    manifest.write_bytes(kept)
    rewrite_chain(result.directory / "events.jsonl", "RunStatusChanged", reason="nothing to see")
    (result.directory / "checkpoint.json").unlink()
    with pytest.raises(ChainBroken):
        forked(flow, result, "make")
    assert len([*flow.runs_dir.glob("0*")]) == 1
