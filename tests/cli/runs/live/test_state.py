"""The state of the live display follows from events, and its size is bounded."""

from dataclasses import replace

from hypothesis import given, strategies as st

from attractor.base.json import Json
from attractor.cli.runs.live.render import question_line, summary
from attractor.cli.runs.live.state import KEPT, WAITS, WORKS, RunView, fold
from attractor.engine.outcome import Usage, describe_usage
from attractor.records.open_work import LAST_LINES
from tests.cli.runs.live.run_events import CHILD, RUN, RunEvents, a_run, question, view_of
from tests.tables import table


def test_stages_at_work_and_ended() -> None:
    run = RunEvents()
    run.tell("StageStarted", "plan")
    [at_work] = run.view.at_work.values()
    assert (at_work.node, at_work.state) == ("plan", WORKS)
    run.tell("StageCompleted", "plan", outcome="success", duration=1.0)
    run.save("plan", cost=0.5, tokens=10)
    view = run.view
    assert view.at_work == {}
    assert [(one.node, one.state, one.seconds, one.usage.cost_usd) for one in view.path] == [
        ("plan", "success", 1.0, 0.5)
    ]
    assert view.usage == Usage(10, 0, 0.5)
    run = RunEvents()
    run.stage("build", "fail")
    [row] = run.view.path
    assert (row.state, row.why) == ("fail", "exit code 1: no such file")
    assert run.view.failed == 1
    run = RunEvents()
    run.tell("StageStarted", "lint", branch="each@1.1/a")
    run.tell("StageStarted", "lint", visit=2, branch="each@1.1/b")
    assert [one.branch for one in run.view.at_work.values()] == ["each@1.1/a", "each@1.1/b"]
    run.tell("StageCompleted", "lint", visit=2, branch="each@1.1/b", outcome="success")
    assert [one.branch for one in run.view.at_work.values()] == ["each@1.1/a"]


def test_retried_stage_keeps_its_start_time() -> None:
    run = RunEvents()
    run.tell("StageStarted", "flaky")
    run.fail("flaky", will_retry=True)
    run.retry("flaky", 2)
    [row] = run.view.at_work.values()
    assert (row.state, row.attempt) == (WAITS, 2)
    run.tell("StageStarted", "flaky", attempt=2)
    run.tell("StageCompleted", "flaky", attempt=2, outcome="success", duration=1.0)
    [done] = run.view.path
    assert (done.attempt, done.seconds) == (2, 4.0)
    assert run.view.failed == 0


def test_usage_of_a_running_stage_counts_once() -> None:
    run = RunEvents()
    run.tell("RunStatusChanged", status="executing", phase="", reason="")
    run.stage("plan", tokens=100)
    run.tell("StageStarted", "work")
    for _ in range(3):
        run.tell("ModelUsed", "work", usage={"input_tokens": 7, "output_tokens": 3})
    assert (run.view.used.tokens, run.view.usage.tokens) == (130, 100)
    run.retry("work", 1)
    run.tell("StageStarted", "work")
    assert run.view.used.tokens == 130
    run.tell("StageCompleted", "work", outcome="success", duration=1.0)
    run.save("work", tokens=30)
    assert (run.view.used.tokens, run.view.usage.tokens) == (130, 130)
    assert run.view.path[-1].usage.tokens == 30


def test_estimated_tokens_are_marked() -> None:
    run = RunEvents()
    run.tell("StageStarted", "work")
    used: Json = {"input_tokens": 7, "output_tokens": 3, "estimated_tokens": 4}
    run.tell("ModelUsed", "work", usage=used)
    assert "10 tokens (4 estimated)" in summary(run.view)
    assert describe_usage(run.view.used) == "10 tokens (4 estimated)"


def test_usage_of_a_child_is_in_its_row_only() -> None:
    run, child = RunEvents(), RunEvents(CHILD, prefix="sub@1.1")
    run.tell("StageStarted", "sub")
    child.tell("StageStarted", "plan")
    child.tell("ModelUsed", "plan", usage={"input_tokens": 7, "output_tokens": 3})
    view = view_of(child.events, run.view)
    assert [one.usage.tokens for one in view.at_work.values()] == [0, 10]
    assert view.used.tokens == 0
    run, child = RunEvents(), RunEvents(CHILD, prefix="sub@1.1")
    run.tell("StageStarted", "sub")
    child.tell("PipelineStarted", name="inner", id=CHILD)
    child.tell("RunStatusChanged", status="failed", phase="", reason="no")
    child.stage("plan", cost=1.0)
    view = view_of(child.events, run.view)
    assert [(one.node, one.branch) for one in view.path] == [("plan", "sub@1.1")]
    assert (view.run_id, view.pipeline, view.status, view.usage.cost_usd) == (RUN, "", "", 0)


def test_repeated_events_and_resume() -> None:
    run = a_run()
    view = run.view
    assert view_of(run.events, view) == view
    run = a_run()
    run.tell("RunResumed", next_node="flaky", tree="", interrupted=True)
    assert run.view.at_work == {}
    assert run.view.questions == {}
    [row] = [one for one in a_run().view.at_work.values() if one.node == "lint"]
    assert row.last_lines == ("one", "two 2", "\N{REPLACEMENT CHARACTER}[31mthree 漢字")
    assert len(row.last_lines) == LAST_LINES


def test_restarted_run_replaces_the_old_one() -> None:
    run, then = RunEvents(), RunEvents(CHILD)
    run.stage("plan", cost=1.0)
    run.tell("RunRestarting", run_id=CHILD, node="plan", restart=1)
    run.tell("RunStatusChanged", status="canceled", phase="", reason="restarted")
    then.tell("RunStatusChanged", status="executing", phase="", reason="")
    then.stage("plan", cost=2.0)
    view = view_of(then.events, run.view)
    assert (view.run_id, view.status, view.ended, view.usage.cost_usd) == (CHILD, "executing", 2, 3)


def test_open_questions() -> None:
    run = RunEvents()
    run.tell("StageStarted", "ask")
    run.ask("ask")
    [asked] = run.view.questions.values()
    assert asked.choices == ("[Y] Yes", "[later] Later")
    assert not asked.is_parked
    ended = RunEvents(events=list(run.events))
    run.answer("ask")
    assert run.view.questions == {}
    ended.fail("ask")
    assert ended.view.questions == {}
    run = RunEvents()
    run.tell("StageStarted", "ask")
    run.ask("ask", "StageParked")
    [asked] = run.view.questions.values()
    assert asked.is_parked
    assert run.view.at_work == {}
    run = RunEvents()
    asked = run.tell("StageStarted", "late")
    run.tell("QuestionAsked", "late", question=question("late"))
    run.tell("InterviewStarted", "late", question=question("late"))
    assert len(run.view.questions) == 1
    run.tell("QuestionSettled", "late", question="late@1.1", answer={})
    assert run.view.questions == {}
    assert asked.seq == 1


def test_pause_trials_and_gate_are_shown() -> None:
    run = RunEvents()
    run.tell("OperatorAction", action="pause", is_accepted=True)
    assert run.view.is_paused
    run.tell("OperatorAction", action="resume", is_accepted=False)
    assert run.view.is_paused
    run.tell("OperatorAction", action="resume", is_accepted=True)
    assert not run.view.is_paused
    run = RunEvents()
    run.tell("TrialCompleted", satisfied=False, evaluation=1)
    for finished, satisfied in ((1, True), (2, False)):
        progress: dict[str, Json] = {
            "finished": finished,
            "trials": 6,
            "seconds_left": 60 - 15 * finished,
            "seconds": 15.5 * finished,
        }
        run.tell("TrialCompleted", satisfied=satisfied, evaluation=2, progress=progress)
    run.tell("GateEvaluated", go=False)
    trials = run.view.trials
    assert (trials.played, trials.satisfied, trials.gate) == (2, 1, "gate: no-go")
    assert (trials.left, trials.seconds_left, trials.seconds) == (4, 30, 31.0)
    assert "1 of 2 trials satisfied, 4 to go, about 30s, gate: no-go" in summary(run.view)


def test_number_of_kept_stages_is_bounded() -> None:
    run = RunEvents()
    for number in range(3000):
        run.stage("loop", visit=number + 1, tokens=1)
    view = run.view
    assert (len(view.path), view.ended, view.usage.input_tokens) == (KEPT, 3000, 3000)
    assert view.path[-1].visit == 3000


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)


@given(
    st.sampled_from(sorted({one.type for one in a_run().events} - {"BudgetsSet"})),
    st.dictionaries(
        st.sampled_from(["question", "step", "outcome", "error", "usage", "arguments", "status"]),
        _JSON,
        max_size=4,
    ),
)
def test_any_event_can_be_folded(kind: str, data: dict[str, object]) -> None:
    event = replace(a_run().tell(kind, "plan"), data=data)
    assert isinstance(fold(RunView(), event), RunView)


@table("is_parent_first", [True, False])
def test_question_of_a_child_counts_once(is_parent_first: bool) -> None:
    run, child = RunEvents(), RunEvents(CHILD, prefix="sub@1.1")
    inner = question("ask")
    assert isinstance(inner, dict)
    run.tell("StageStarted", "sub")
    parents = run.tell("StageParked", "sub", question={**inner, "id": "sub@1.1/ask@1.1"})
    childs = child.tell("StageParked", "ask", question=inner)
    both = [parents, childs] if is_parent_first else [childs, parents]
    view = view_of(both, view_of(run.events[:1]))
    assert len(view.questions) == 1
    ended = run.tell("StageFailed", "sub", will_retry=False)
    assert view_of([parents, ended], view_of(run.events[:1])).questions == {}


def test_questions_name_their_item() -> None:
    run = RunEvents()
    for at in (1, 2):
        item: dict[str, Json] = {"branch": f"each@1.1/{at}", "name": str(at), "node": "each"}
        within: list[Json] = [{**item, "index": at, "count": 2, "item": f"i{at}"}]
        inner = question("ask")
        assert isinstance(inner, dict)
        asked: Json = {**inner, "id": f"sub@{at}.1/ask@1.1", "within": within}
        run.tell("QuestionAsked", "sub", visit=at, question=asked)
    found = [question_line(one) for one in run.view.questions.values()]
    assert [one.partition(")")[0].rpartition("(")[2] for one in found] == [
        "item 1 of 2 of each: i1",
        "item 2 of 2 of each: i2",
    ]
