"""Decisions, waivers and amendments: the content of their records, and refused requests."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from attractor.base.clock import SystemClock
from attractor.base.errors import (
    AttractorError,
    ChainBroken,
    ExitCode,
    NoGo,
    Refused,
    UnknownName,
    UsageError,
)
from attractor.base.events import Event
from attractor.config.tables import read_section
from attractor.engine.run_folder.layout import LOCK_WAIT_S, FileFence, RunDirectory, read_manifest
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import AWAITING_DECISION
from attractor.factory.decisions.decide import (
    Decision,
    DecisionKind,
    Operator,
    Proof,
    decide,
    require_words,
)
from attractor.factory.decisions.lock import lock_run
from attractor.factory.decisions.run_end import record_end
from attractor.factory.errors import AlreadyDecided, InvalidWaiver, NoDecision, RationaleTooShort
from attractor.factory.factory import Factory
from attractor.factory.history.audit import audit
from attractor.factory.history.records import DECISIONS_FILE
from attractor.factory.history.trials import events_of
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.resources.profiles import Profile
from attractor.pipeline.orders import Orders
from attractor.records.summary import summarize
from tests.counts import count
from tests.factory.flows import ANN, HOLDOUT, REASON, Flow, make_flow
from tests.factory.test_pooling import make_gamble
from tests.patience import PATIENCE_S, wait_until
from tests.pipeline.projects import git
from tests.scenarios.suites import SUITE
from tests.tables import table

APPROVED, REJECTED = DecisionKind.APPROVED, DecisionKind.REJECTED


def make_mixed(tmp_path: Path, *, must: str = "") -> Flow:
    """Make a project whose holdout `good` passes; `made` and `must` fail."""
    other = "else" if must else "made"
    holdouts = {
        name: HOLDOUT.format(wanted=wanted)
        .replace('"made"\ntitle', f'"{name}"\ntitle')
        .replace("Ann looks", f"{name} looks")
        for name, wanted in (("good", "made"), ("made", "else"), ("must", other))
    }
    return make_flow(tmp_path, suite=f"{SUITE}[gate]\n{must}\n", **holdouts)


def events(result: RunResult, kind: str) -> list[Event]:
    return list(events_of(result.directory / "events.jsonl", (kind,)))


def test_decision_pins_trees_suite_profile_and_pipeline(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    [evaluated] = [one for one in flow.evaluator.ledger.entries() if one.kind == LineKind.EVALUATED]
    entry = flow.decide(result, APPROVED)
    data = entry.data
    branch = f"attractor/run/{result.run_id}"
    commit, result_tree = git(flow.project, "log", "-1", "--format=%H %T", branch).split()
    assert (data["commit"], data["result_tree"], data["tree"]) == (commit, result_tree, result.tree)
    assert data["base_commit"] == git(flow.project, "rev-parse", "main").strip()
    assert data["evaluations"] == [evaluated.head.hash]
    assert (data["by"], data["proof"], data["rationale"]) == ("ann", "token", REASON)
    assert str(data["suite"]).startswith("todo@1#")
    manifest = read_manifest(RunDirectory(result.directory))
    assert (data["profile"], data["pipeline_hash"]) == (manifest.profile, manifest.content_hash)
    assert (data["registered"], data["retries"]) == (f"linear@1#{manifest.content_hash}", 0)
    assert data["gate"] == flow.report(result).to_record()
    assert events(result, "RunStatusChanged")[-1].data["reason"] == REASON
    [event] = events(result, "DecisionRecorded")
    assert event.data == {
        "verdict": "approved",
        "by": "ann",
        "proof": "token",
        "rationale": REASON,
        "ledger_seq": entry.head.seq,
    }
    with pytest.raises(AlreadyDecided) as caught:
        flow.decide(result, REJECTED)
    assert caught.value.hint.endswith(f"; next: attractor promote {result.run_id}")


@table(
    ("words", "is_accepted"),
    [
        ("It works now.", True),
        ("\u6d4b\u8bd5\u5168\u90e8\u901a\u8fc7\u53ef\u4ee5\u5408\u5e76", True),
        ("\u200b" * 20, False),
        ("ok\u200b\u200c\u2060\ufeff\u00ad\u200d\u200e\u200f\u2061", False),
        ("\u3164" * 20, False),
        ("\u2800" * 20, False),
        (".......... !!", False),
        ("aaaaaaaaaaaaaaa", False),
        ("ok ok ok ok ok", False),
        ("it\ufe0f\ufe0f\ufe0f\ufe0f\ufe0f\ufe0f\ufe0f\ufe0f\ufe0f\ufe0f", False),
    ],
)
def test_rationale_of_invisible_or_repeated_characters_is_refused(
    words: str, is_accepted: bool
) -> None:
    with nullcontext() if is_accepted else pytest.raises(RationaleTooShort):
        require_words(words)


def test_rationale_of_ten_characters_is_long_enough() -> None:
    require_words(" 0123456789 ")
    with pytest.raises(RationaleTooShort):
        require_words(" 012345678 ")


def test_decision_on_a_run_in_place_pins_no_commit(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    data = flow.decide(flow.launch(workspace="in-place"), REJECTED).data
    assert (data["commit"], data["result_tree"]) == ("", "")


def test_decision_without_a_suite_needs_an_intact_ledger(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    flow.launch()
    result, ledger = flow.launch(suite=""), flow.evaluator.ledger.file
    ledger.write_bytes(ledger.read_bytes().replace(b'"time":"20', b'"time":"19', 1))
    with pytest.raises(ChainBroken, match="line 1 was changed"):
        flow.decide(result, REJECTED)


def test_ledger_and_run_directory_have_the_same_lines(tmp_path: Path) -> None:
    flow = make_mixed(tmp_path)
    result = flow.launch()
    lines = [flow.waive(result, "made").line, flow.decide(result, APPROVED).line]
    lines.append(flow.amend(result, note="Ann asked for this.").line)
    copy = result.directory / DECISIONS_FILE
    assert copy.read_text().splitlines() == lines
    assert set(lines) < set(flow.evaluator.ledger.file.read_text().splitlines())
    copy.write_text(f"{lines[0]}\n")
    flow.amend(result, note="The copy is complete again.")
    assert copy.read_text().splitlines()[:3] == lines


def test_terminal_proves_nobody_if_tools_had_no_sandbox(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    with (
        lock_run(result.directory, flow.opened) as run,
        pytest.raises(UsageError, match="the run had no verified sandbox"),
    ):
        decide(run, flow.evaluator, Decision(APPROVED, Operator("ann", Proof.TERMINAL), REASON))
    assert summarize(result.directory).status == "awaiting_human"


def test_decision_waits_for_a_process_that_is_ending(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    fence = FileFence(RunDirectory(result.directory).lock)
    fence.begin()
    threading.Timer(3 * LOCK_WAIT_S, fence.end).start()
    assert flow.decide(result, APPROVED).kind == LineKind.DECIDED


@pytest.mark.parametrize("verdict", [None, APPROVED, REJECTED])
def test_cancel_during_a_decision_takes_effect_or_fails(
    tmp_path: Path, verdict: DecisionKind | None
) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    opened, inbox = flow.opened, RunDirectory(result.directory).inbox
    end = partial(record_end, flow.opened)
    orders = Orders(
        result.directory,
        "ann",
        opened.project.machine.clock,
        opened.project.machine.randomness,
        opened.project.redactor,
        end,
    )
    with ThreadPoolExecutor() as pool:
        with lock_run(result.directory, opened) as run:
            canceling = pool.submit(orders.cancel)
            wait_until(lambda: [*inbox.glob("*.json")] != [])
            if verdict:
                decide(run, flow.evaluator, Decision(verdict, ANN, REASON))
        if verdict is None:
            assert canceling.result(PATIENCE_S).is_taken
        else:
            with pytest.raises(Refused, match=f"the run is {verdict}, which is final"):
                canceling.result(PATIENCE_S)
    assert summarize(result.directory).status == (verdict or "canceled")
    assert not [*inbox.glob("*.json")]
    assert len(events(result, "OperatorAction")) == (verdict is None)


def test_only_one_of_many_processes_decides(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    processes = count(ci=10, full=50)
    children = [_fork(flow, result, number) for number in range(processes)]
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert sorted(codes) == [0] + [ExitCode.REFUSED] * (processes - 1)
    [entry] = [one for one in flow.evaluator.ledger.entries() if one.kind == LineKind.DECIDED]
    assert summarize(result.directory).status == entry.data["verdict"]
    assert audit(flow.machine.state_dir, flow.runs_dir).flaws == []


def _fork(flow: Flow, result: RunResult, number: int) -> int:
    child = os.fork()
    if child:
        return child
    code: int = ExitCode.FAILED
    try:
        flow.decide(result, REJECTED if number % 2 else APPROVED)
        code = ExitCode.DONE
    except AttractorError as error:
        code = error.exit_code
    finally:
        os._exit(code)


def test_decision_is_not_dated_before_its_run(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    with pytest.raises(AttractorError):
        flow.at(hours=-1).decide(result, APPROVED)
    assert flow.decide(result, APPROVED)


def test_approval_is_marked_as_wrong_once_and_the_mark_is_withdrawn(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    approved, rejected = flow.launch(), flow.launch()
    flow.decide(approved, APPROVED)
    flow.decide(rejected, REJECTED)
    commit = git(flow.project, "rev-parse", "main").strip()
    for result, words, refusal in (
        (rejected, {"defect": REASON}, "is rejected"),
        (approved, {"no_defect": REASON}, "is not marked"),
        (approved, {"defect": REASON, "repaired_by": "nothing"}, "unknown commit 'nothing'"),
        (approved, {"repaired_by": "main"}, "missing amendment"),
        (approved, {"note": REASON, "repaired_by": "main"}, "a commit without a defect"),
        (approved, {"defect": REASON, "no_defect": REASON}, "a defect and its withdrawal"),
    ):
        with pytest.raises(AttractorError, match=refusal):
            flow.amend(result, **words)
    window = {"runs": 2, "max_false_go": 0.5}
    profile = read_section(Profile, {"name": "wary", "window": window})
    flow.opened.profiles.create(profile, by="ann", now=flow.machine.clock.now())
    third = flow.launch(profile="wary", sandbox="none")
    assert "process" not in flow.rules(third)
    marked = flow.amend(approved, defect="It broke the shop.", repaired_by="main")
    assert (marked.data["defect"], marked.data["repaired_by"]) == ("It broke the shop.", commit)
    [reason] = [one for one in flow.report(third).reasons if one.rule == "process"]
    assert "of the approvals marked as wrong 1 (<= 0.5)" in reason.words
    with pytest.raises(Refused, match="is marked already: It broke the shop."):
        flow.amend(approved, defect=REASON)
    assert summarize(approved.directory).status == "approved"
    flow.amend(approved, no_defect="The shop was closed.")
    assert "process" not in flow.rules(third)
    flow.amend(approved, defect="It broke the shop again.")
    assert audit(flow.machine.state_dir, flow.runs_dir).flaws == []


def test_amendment_changes_words_and_no_verdict(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    with pytest.raises(NoDecision):
        flow.amend(result, note="There is no decision yet.")
    decision = flow.decide(result, REJECTED)
    for words in ({}, {"note": "short"}, {"rationale": "  short   "}):
        with pytest.raises(UsageError):
            flow.amend(result, **words)
    noted = flow.amend(result, note=" Ann asked for this. ")
    assert (noted.data["note"], "rationale" in noted.data) == ("Ann asked for this.", False)
    entry = flow.amend(result, rationale="It says nothing about cats.")
    assert entry.data["decision"] == decision.head.hash
    assert summarize(result.directory).status == "rejected"
    _, event = events(result, "DecisionAmended")
    words = {"rationale": "It says nothing about cats.", "decision": decision.head.hash}
    assert event.data == {"by": "ann", "proof": "token", **words}
    with pytest.raises(AlreadyDecided) as caught:
        flow.decide(result, APPROVED)
    assert caught.value.hint == f"to add a note: attractor amend {result.run_id}; start a new run"


def test_waiver_lets_a_failed_scenario_through_until_it_expires(tmp_path: Path) -> None:
    flow = make_mixed(tmp_path)
    result = flow.launch()
    opaque = flow.evaluator.results.opaque_name("made")
    with pytest.raises(UnknownName):
        flow.waive(result, opaque[:3])
    entry = flow.waive(result, opaque[:4], days=2)
    assert (entry.data["scenario"], entry.data["reason"]) == (opaque, REASON)
    assert entry.data["tree"] == result.tree
    assert str(entry.data["suite"]).startswith("todo@1#")
    assert datetime.fromisoformat(str(entry.data["expires"])) > datetime.now(UTC) + timedelta(1)
    assert b'"made"' not in (result.directory / DECISIONS_FILE).read_bytes()
    [event] = events(result, "ScenarioWaived")
    assert (event.data["by"], event.data["reason"]) == ("ann", REASON)
    assert "unresolved_failure" not in flow.rules(result)
    assert "unresolved_failure" in flow.at(days=3).rules(result)
    assert flow.decide(result, APPROVED).data["waived"] == [opaque]
    with pytest.raises(NoGo, match="the gate says no-go: unresolved_failure") as caught:
        flow.at(days=3).promote(result)
    assert caught.value.hint.endswith(f": attractor gate {result.run_id}")
    refused = events(result, "GateEvaluated")[-1].data
    assert (refused["refused"], refused["go"], refused["by"]) == ("promotion", False, "ann")
    flow.promote(result)
    assert f"Attractor-Waived: {opaque}" in git(flow.project, "log", "-1", "--format=%b", "main")


def test_clock_set_back_does_not_revive_a_waiver(tmp_path: Path) -> None:
    flow = make_mixed(tmp_path)
    result = flow.launch()
    flow.waive(result, "made", days=2)
    # This run adds records to the ledger after the waiver has expired.
    flow.at(days=3).launch()
    assert "unresolved_failure" in flow.rules(result)
    with pytest.raises(AttractorError):
        flow.decide(result, APPROVED)


def test_invalid_waivers_are_refused(tmp_path: Path) -> None:
    flow = make_mixed(tmp_path, must='must = ["mu*"]')
    result = flow.launch()
    cases: list[tuple[str, str, dict[str, float], type[AttractorError]]] = [
        ("nothing", REASON, {"days": 7}, UnknownName),
        ("made", "short", {"days": 7}, RationaleTooShort),
        ("made", REASON, {"days": 14, "seconds": 1}, InvalidWaiver),
        ("made", REASON, {"days": 0}, InvalidWaiver),
        ("good", REASON, {"days": 7}, InvalidWaiver),
        ("must", REASON, {"days": 7}, InvalidWaiver),
    ]
    for scenario, words, expires, error in cases:
        with pytest.raises(error) as refused:
            flow.waive(result, scenario, words, **expires)
        assert "made" not in refused.value.message + refused.value.hint
    assert not (result.directory / DECISIONS_FILE).exists()


def test_waiver_lasts_an_hour_or_fourteen_days(tmp_path: Path) -> None:
    flow = make_mixed(tmp_path)
    result = flow.launch()
    assert flow.waive(result, "made", hours=1)
    assert flow.waive(result, "made", days=14)


def test_waiver_after_the_decision_is_refused(tmp_path: Path) -> None:
    flow = make_mixed(tmp_path)
    result = flow.launch()
    flow.decide(result, REJECTED)
    with pytest.raises(Refused):
        flow.waive(result, "made")


@dataclass
class CallingClock(SystemClock):
    """A clock that calls a function once, before its first reading."""

    happens: Callable[[], object] | None

    def now(self) -> datetime:
        """Return the date and time, in UTC."""
        happens, self.happens = self.happens, None
        if happens:
            happens()
        return super().now()


def test_decision_considers_lines_added_during_the_check(tmp_path: Path) -> None:
    flow, luck = make_gamble(tmp_path)
    luck.touch()
    result = flow.launch()
    luck.unlink()
    # Another run evaluates the same tree as red, after the ledger is read and before it is locked.
    evaluator = flow.adjusted(clock=CallingClock(flow.launch)).evaluator
    with (
        lock_run(result.directory, flow.opened) as run,
        pytest.raises(NoGo, match="unresolved_failure"),
    ):
        decide(run, evaluator, Decision(APPROVED, ANN, REASON))
    assert summarize(result.directory).status == "awaiting_human"


def test_refused_approval_is_an_event_with_its_author(tmp_path: Path) -> None:
    flow = make_flow(tmp_path, wanted="something else")
    result = flow.launch()
    with pytest.raises(NoGo) as refused:
        flow.decide(result, APPROVED)
    assert refused.value.exit_code is ExitCode.NO_GO
    event = events(result, "GateEvaluated")[-1]
    assert (event.data["refused"], event.data["by"], event.data["go"]) == ("approval", "ann", False)


def test_automatic_approval_of_a_gate_is_no_decision(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    pipeline = flow.project / "pipeline.dot"
    gate = "ask [shape=hexagon]\n    make -> ask\n    ask -> exit [label=Approve]"
    pipeline.write_text(pipeline.read_text().replace("-> make -> exit", f"-> make\n    {gate}"))
    result = flow.launch(interviewer="auto_approve")
    assert result.status == AWAITING_DECISION
    assert LineKind.DECIDED not in [one.kind for one in flow.evaluator.ledger.entries()]
    shown = asyncio.run(Factory(flow.opened).review("latest"))
    assert shown.auto_approved == 1
    with pytest.raises(NoDecision):
        flow.promote(result)


def test_review_counts_trials_of_earlier_runs_only(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    first, second = flow.launch(), flow.launch()
    for result, earlier in ((first, []), (second, [first.run_id])):
        review = asyncio.run(Factory(flow.opened).review(result.directory))
        assert [[one.run_id for one in each.earlier] for each in review.scenarios] == [earlier]


def test_suite_of_another_project_with_the_same_name_judges_nothing(tmp_path: Path) -> None:
    flow = make_flow(tmp_path / "one", wanted="something else")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "state").symlink_to(flow.machine.state_dir)
    other = make_flow(tmp_path / "two")
    result = flow.launch()
    assert flow.rules(result) == flow.rules(flow.launch()) != []
    assert other.rules(other.launch()) == []
    with pytest.raises(NoGo):
        flow.decide(result, APPROVED)
