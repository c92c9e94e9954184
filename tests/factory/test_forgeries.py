"""Forged records never get a run approved or promoted."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from attractor.base.errors import AttractorError, ExitCode
from attractor.base.hash_chain import ChainHead, seal
from attractor.base.json import Json
from attractor.engine.run_folder.result import RunResult
from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.history.audit import audit
from attractor.factory.history.records import DECISIONS_FILE
from attractor.factory.ledger.ledger import LEDGER_FILE
from tests.factory.flows import Flow, make_flow
from tests.pipeline.projects import git


@pytest.fixture
def red(tmp_path: Path) -> tuple[Flow, RunResult]:
    """A project with a run that failed a hidden scenario."""
    flow = make_flow(tmp_path, wanted="quokka")
    return flow, flow.launch()


def forged_line(flow: Flow, result: RunResult) -> str:
    """Return an approval line that continues the ledger, with a forged seal."""
    ledger = flow.machine.state_dir / LEDGER_FILE
    last = json.loads(ledger.read_bytes().splitlines()[-1])
    record: dict[str, Json] = {"kind": "decided", "run_id": result.run_id, "time": last["time"]}
    record["data"] = {"verdict": "approved", "tree": "", "by": "agent", "proof": "terminal"}
    return seal(record, ChainHead(last["seq"], last["hash"]), key=b"invented").line


def append_to_ledger(flow: Flow, result: RunResult) -> None:
    with (flow.machine.state_dir / LEDGER_FILE).open("a") as file:
        file.write(f"{forged_line(flow, result)}\n")


def append_to_run(flow: Flow, result: RunResult) -> None:
    (result.directory / DECISIONS_FILE).write_text(f"{forged_line(flow, result)}\n")


def set_status(flow: Flow, result: RunResult) -> None:
    file = result.directory / "run.json"
    record = json.loads(file.read_text())
    file.write_text(json.dumps({**record, "status": "approved", "phase": ""}))


def change_suite(flow: Flow, result: RunResult) -> None:
    file = result.directory / "manifest.json"
    record = json.loads(file.read_text())
    file.write_text(json.dumps({**record, "suite": ""}))


def stored_result(flow: Flow) -> Path:
    """Remove one stored result of a trial, and return its path."""
    file = sorted((flow.machine.state_dir / "results").glob("*/*/*.json"))[0]
    file.unlink()
    return file


def make_result_a_fifo(flow: Flow, result: RunResult) -> None:
    os.mkfifo(stored_result(flow))


def make_result_a_device(flow: Flow, result: RunResult) -> None:
    stored_result(flow).symlink_to("/dev/zero")


BROKEN, UNREAD = ExitCode.BROKEN, ExitCode.UNFINISHED
FORGERIES = [
    (append_to_ledger, BROKEN, BROKEN, "was changed, or sealed with another key"),
    (append_to_run, BROKEN, BROKEN, "decisions.jsonl: line 1 differs from the ledger"),
    # The state is read from the journal.
    (set_status, ExitCode.NO_GO, ExitCode.REFUSED, "which is not in the journal"),
    (change_suite, BROKEN, BROKEN, "manifest.json was changed"),
    (make_result_a_fifo, UNREAD, UNREAD, "it is not a regular file"),
    (make_result_a_device, UNREAD, UNREAD, "it is not a regular file"),
]


@pytest.mark.parametrize(
    ("forge", "approving", "promoting", "message"),
    FORGERIES,
    ids=[one[0].__name__ for one in FORGERIES],
)
def test_forged_record_approves_nothing(
    red: tuple[Flow, RunResult],
    forge: Callable[[Flow, RunResult], None],
    approving: ExitCode,
    promoting: ExitCode,
    message: str,
) -> None:
    flow, result = red
    main = git(flow.project, "rev-parse", "main")
    forge(flow, result)
    [flaw] = audit(flow.machine.state_dir, flow.runs_dir).flaws
    assert message in flaw.problem
    with pytest.raises(AttractorError) as refused:
        flow.decide(result, DecisionKind.APPROVED)
    assert refused.value.exit_code is approving
    with pytest.raises(AttractorError) as refused:
        flow.promote(result)
    assert refused.value.exit_code is promoting
    assert git(flow.project, "rev-parse", "main") == main
