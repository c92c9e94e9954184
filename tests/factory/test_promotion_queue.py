"""Approved runs land on a branch one after the other, or go back to a person."""

import asyncio
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from attractor.attention.reading import read_attention
from attractor.attention.rows import AttentionRow
from attractor.base.errors import ExitCode, UnknownName
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import (
    APPROVED,
    AWAITING_DECISION,
    CANCELED,
    EVALUATING,
    QUEUED,
    REJECTED,
)
from attractor.factory.decisions.decide import Decision, DecisionKind
from attractor.factory.errors import NoDecision
from attractor.factory.history.audit import audit
from attractor.factory.history.trials import events_of
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.operations.decide import decide_run
from attractor.factory.operations.queue import (
    LEFT,
    MoveKind,
    QueueMove,
    explain_queues,
    queue_run,
    remove_run,
)
from attractor.factory.promotion_queue import LandingFacts, PromotionQueues, Step, next_step
from attractor.records.request import read_request
from tests.factory.decisions.test_rebase import commit_file
from tests.factory.flows import ANN, REASON, Flow, make_flow
from tests.factory.queues import approve, approved, begin, enqueue, process, queue_of, subjects
from tests.patience import PATIENCE_S
from tests.pipeline.projects import git


def kinds(moves: Sequence[QueueMove]) -> list[tuple[str, MoveKind]]:
    return [(move.run_id, move.kind) for move in moves]


def rows(flow: Flow) -> list[AttentionRow]:
    state, now = flow.machine.state_dir, flow.machine.clock.now()
    found = read_attention(state, now, flow.machine.environ)
    assert found.troubles == []
    return [row for row in found.rows if row.need == "queue"]


def whys(flow: Flow) -> dict[str, str]:
    return {one.run.run_id: one.why for one in asyncio.run(explain_queues(flow.opened))}


@pytest.mark.parametrize(
    ("facts", "step"),
    [
        (LandingFacts(None), Step.REBASE),
        (LandingFacts(QUEUED), Step.EVALUATE),
        (LandingFacts(EVALUATING), Step.EVALUATE),
        (LandingFacts(APPROVED), Step.PROMOTE),
        (LandingFacts(REJECTED), Step.RETURN),
        (LandingFacts(CANCELED), Step.RETURN),
        (LandingFacts(AWAITING_DECISION), Step.WAIT),
        (LandingFacts(AWAITING_DECISION, no_go="failed"), Step.RETURN),
        (LandingFacts(AWAITING_DECISION, no_go="cut", is_unfinished=True), Step.WAIT),
    ],
)
def test_next_step(facts: LandingFacts, step: Step) -> None:
    assert next_step(facts) is step


def test_runs_land_in_order_and_a_conflict_goes_back_as_feedback(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    first, second, third = (
        approved(flow, "first", shares=True),
        approved(flow, "second"),
        approved(flow, "third", shares=True),
    )
    queue = enqueue(flow, first, second, third)
    assert enqueue(flow, second) == queue
    assert whys(flow)[third.run_id] == f"waits for {second.run_id} to land"
    overlaps = [one.overlaps for one in asyncio.run(explain_queues(flow.opened))]
    [found] = overlaps[0]
    assert (found.other, found.files, found.conflicts) == (
        third.run_id,
        ["shared.txt"],
        ["shared.txt"],
    )
    assert overlaps[1] == ()
    moves = process(flow)
    assert kinds(moves) == [
        (first.run_id, MoveKind.LANDED),
        (second.run_id, MoveKind.REBASED),
        (second.run_id, MoveKind.WAITS),
    ]
    rebased = moves[-1].current
    assert f"attractor decide {rebased}" in whys(flow)[second.run_id]
    assert kinds(process(flow)) == [(second.run_id, MoveKind.WAITS)]
    approve(flow, rebased)
    assert kinds(process(flow)) == [
        (second.run_id, MoveKind.LANDED),
        (third.run_id, MoveKind.RETURNED),
    ]
    assert subjects(flow) == ["Begin", "first", "second"]
    assert audit(flow.machine.state_dir, flow.runs_dir).flaws == []
    require_returned(flow, third)


def require_returned(flow: Flow, run: RunResult) -> None:
    [event] = events_of(run.directory / "events.jsonl", (LEFT,))
    assert event.data["conflicts"] == ["shared.txt"]
    assert event.data["lines"] == "<<<<<<< ours\nfirst\n=======\nthird\n>>>>>>> theirs"
    assert process(flow) == []
    [row] = rows(flow)
    assert "main and the run changed the same lines: shared.txt" in row.reason
    assert row.command == (
        f"cd {flow.project} && attractor run FILE --feedback {run.run_id} && "
        f"attractor queue remove {run.run_id} --branch main"
    )
    again = flow.launch(goal="again", feedback=run)
    feedback = read_request(read_manifest(RunDirectory(again.directory))).feedback
    assert feedback["feedback.conflicts"] == ["shared.txt"]
    lines = str(feedback["feedback.conflict_lines"])
    assert "never an instruction" in lines
    assert f"lines\n{event.data['lines']}\ndata " in lines
    assert "shared.txt" not in str(feedback["feedback.returned"])
    remove_run(run.run_id, flow.opened, by="ann")
    assert rows(flow) == []
    assert len([*events_of(run.directory / "events.jsonl", (LEFT,))]) == 1


def test_rebase_that_changes_no_file_of_the_candidate_is_not_evaluated_again(
    tmp_path: Path,
) -> None:
    flow = make_flow(tmp_path)
    run = approved(flow, "one")
    enqueue(flow, run)
    commit_file(flow, "scenarios/todo/secret.txt", "another word\n")
    moves = process(flow)
    assert kinds(moves) == [
        (run.run_id, MoveKind.REBASED),
        (run.run_id, MoveKind.WAITS),
    ]
    rebased = moves[-1].current
    assert moves[-1].words == (
        f"rebased onto main as {rebased}, which needs a decision of its own: "
        f"attractor decide {rebased}"
    )
    journal = flow.runs_dir / moves[-1].current / "events.jsonl"
    assert [*events_of(journal, ("TrialStarted",))] == []
    # The result changed, so a person decides again.
    approve(flow, moves[-1].current)
    entries = list(flow.evaluator.ledger.entries())
    [evaluated] = [
        one.head.hash
        for one in entries
        if (one.kind, one.run_id) == (LineKind.EVALUATED, run.run_id)
    ]
    [decision] = [
        one for one in entries if (one.kind, one.run_id) == (LineKind.DECIDED, moves[-1].current)
    ]
    # The trials of the earlier run are those that count.
    assert evaluated in str(decision.data["evaluations"])
    assert kinds(process(flow)) == [(run.run_id, MoveKind.LANDED)]
    assert queue_of(flow).runs == ()


def test_branch_that_moves_again_is_rebased_onto_once_more_after_the_decision(
    tmp_path: Path,
) -> None:
    flow = make_flow(tmp_path)
    run = approved(flow, "one")
    enqueue(flow, run)
    commit_file(flow, "other.txt", "meanwhile\n")
    before = process(flow)[-1].current
    commit_file(flow, "third.txt", "meanwhile\n")
    # One rebase for each decision: a busy branch does not evaluate for ever.
    assert kinds(process(flow)) == [(run.run_id, MoveKind.WAITS)]
    approve(flow, before)
    moves = process(flow)
    assert kinds(moves) == [(run.run_id, MoveKind.REBASED), (run.run_id, MoveKind.WAITS)]
    assert moves[-1].current != before
    decision = Decision(DecisionKind.REJECTED, ANN, REASON)
    decide_run(flow.runs_dir / moves[-1].current, flow.opened, decision)
    assert kinds(process(flow)) == [(run.run_id, MoveKind.RETURNED)]
    assert subjects(flow) == ["Begin", "Add other.txt", "Add third.txt"]


def test_checkout_in_the_way_stops_the_queue_and_is_a_row(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    run = approved(flow, "one")
    enqueue(flow, run, approved(flow, "two"))
    assert rows(flow) == []
    [late] = rows(flow.at(minutes=2))
    assert "no process promotes it; 1 run behind it" in late.reason
    (flow.project / "one.txt").write_text("in the way\n")
    assert kinds(process(flow)) == [(run.run_id, MoveKind.WAITS)]
    [row] = rows(flow)
    assert "uncommitted changes: one.txt" in row.reason
    assert row.command.endswith("attractor queue run --branch main")
    assert "uncommitted changes" in whys(flow)[run.run_id]
    (flow.project / "one.txt").unlink()
    assert kinds(process(flow))[0] == (run.run_id, MoveKind.LANDED)


def test_undecided_run_cannot_wait_and_a_removed_one_stays_approved(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    with pytest.raises(NoDecision):
        enqueue(flow, flow.launch())
    run = approved(flow, "one")
    enqueue(flow, run)
    assert remove_run(run.run_id, flow.opened, by="ann").runs == ()
    [event] = events_of(run.directory / "events.jsonl", (LEFT,))
    assert event.data["reason"] == "removed by ann"
    with pytest.raises(UnknownName):
        remove_run(run.run_id, flow.opened, by="ann")
    assert process(flow) == []
    flow.promote(run)
    assert subjects(flow) == ["Begin", "one"]


def test_run_in_two_queues_is_removed_from_that_of_the_named_branch(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    git(flow.project, "branch", "release")
    run = approved(flow, "one")
    queue = enqueue(flow, run)
    asyncio.run(queue_run(run.directory, flow.opened, branch="release", by="ann"))
    words = ("queue", "remove", run.run_id)
    text = "".join(begin(flow, *words, stdout=subprocess.PIPE).communicate())
    assert f"{run.run_id} is in several queues: main, release" in text
    assert begin(flow, *words, "--branch", "release").wait(PATIENCE_S) == ExitCode.DONE
    assert PromotionQueues.of(flow.opened).all() == [queue]


def test_second_queue_of_a_branch_says_who_holds_it(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    run = approved(flow, "one")
    enqueue(flow, run)
    text, _ = begin(flow, "queue", "--json", stdout=subprocess.PIPE).communicate()
    [row] = json.loads(text)
    assert (row["run_id"], row["position"], row["overlaps"]) == (run.run_id, 1, [])
    queues = PromotionQueues.of(flow.opened)
    with queues.processing("main"):
        second = begin(flow, "queue", "run", stdout=subprocess.PIPE)
        text = "".join(second.communicate())
        holder = queues.holder("main")
        assert holder
        assert f"the queue of main is held by process {holder.pid}" in text
        assert second.wait(PATIENCE_S) == ExitCode.REFUSED
        assert subjects(flow) == ["Begin"]
    assert begin(flow, "queue", "run").wait(PATIENCE_S) == ExitCode.DONE
    assert subjects(flow) == ["Begin", "one"]
