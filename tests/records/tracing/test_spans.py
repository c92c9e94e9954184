"""Spans from events, in any order of parallel stages."""

from collections.abc import Iterable, Mapping

from attractor.base.events import Event
from attractor.base.json import Json
from attractor.records.tracing.spans import Span, SpanKey, Spans, close, fold, run_key
from tests.cli.runs.live.run_events import CHILD, RUN, RunEvents


def spans_of(events: Iterable[Event]) -> Mapping[SpanKey, Span]:
    """Return the spans of all events; require that none is made twice."""
    spans, made = Spans(), dict[SpanKey, Span]()
    ended = list[Span]()
    for one in events:
        folded = fold(spans, one)
        spans = folded.spans
        ended += folded.ended
    for span in [*ended, *close(spans)]:
        assert span.key not in made
        made[span.key] = span
    return made


def stage(attempt: str, run: str = RUN) -> SpanKey:
    return ("stage", run, attempt)


def test_a_stage_is_within_its_run() -> None:
    run = RunEvents()
    run.tell("PipelineStarted", name="wish", id=RUN)
    run.stage("plan")
    run.tell("PipelineCompleted", outcome="success", duration=1.0, artifact_count=0)
    made = spans_of(run.events)
    whole, plan = made[run_key(RUN)], made[stage("plan@1.1")]
    assert (whole.parent, whole.name, whole.error) == (None, "run wish", "")
    assert whole.attributes["attractor.outcome"] == "success"
    assert (plan.parent, plan.name, plan.error) == (whole.key, "stage plan", "")
    assert plan.attributes["attractor.outcome"] == "success"
    assert (plan.start, plan.end) == (run.events[1].time, run.events[2].time)
    assert whole.end == run.now


def test_failed_span_has_its_error() -> None:
    run = RunEvents()
    run.stage("build", "fail")
    run.tell("PipelineFailed", error="build failed", duration=1.0)
    made = spans_of(run.events)
    assert made[stage("build@1.1")].error == "exit code 1: no such file"
    assert made[stage("build@1.1")].attributes["error.type"] == "verdict"
    assert made[run_key(RUN)].error == "build failed"


def test_calls_of_models_and_tools_are_within_their_stage() -> None:
    run = RunEvents()
    run.tell("StageStarted", "plan")
    run.tell("SESSION_START", "plan", provider="openai", model="m-1")
    run.tell("ASSISTANT_TEXT_START", "plan")
    used: Json = {"input_tokens": 7, "output_tokens": 3}
    run.tell("ASSISTANT_TEXT_END", "plan", text="secret plans", usage=used)
    for call in ("a", "b"):
        run.tell("TOOL_CALL_START", "plan", tool_name="shell", call_id=call, arguments={"x": "y"})
    run.tell("TOOL_CALL_END", "plan", tool_name="shell", call_id="a", output="done")
    run.tell("TOOL_CALL_END", "plan", tool_name="shell", call_id="b", error="no such file")
    run.tell("StageCompleted", "plan", outcome="success")
    made = spans_of(run.events)
    model = made[("model", RUN, "plan@1.1")]
    assert (model.parent, model.name) == (stage("plan@1.1"), "chat m-1")
    assert model.attributes["gen_ai.provider.name"] == "openai"
    assert model.attributes["gen_ai.usage.input_tokens"] == 7
    good, bad = (made[("tool", RUN, "plan@1.1", call)] for call in ("a", "b"))
    assert {good.parent, bad.parent} == {stage("plan@1.1")}
    assert (good.error, bad.error) == ("", "no such file")
    # Messages of people and models and the output of tools are in the journal only.
    assert "secret plans" not in repr(made)
    assert "done" not in repr(made)


def test_calls_of_subagents_at_the_same_time_are_spans_of_their_own() -> None:
    run = RunEvents()
    run.tell("StageStarted", "plan")
    agents = ("agent_1", "agent_2")
    for agent in agents:
        run.tell("SESSION_START", "plan", provider="openai", model=agent, subagent=agent)
        run.tell("ASSISTANT_TEXT_START", "plan", subagent=agent)
        run.tell("TOOL_CALL_START", "plan", tool_name="grep", call_id="c", subagent=agent)
    for agent in agents:
        run.tell("TOOL_CALL_END", "plan", call_id="c", subagent=agent)
        run.tell("ASSISTANT_TEXT_END", "plan", subagent=agent)
    run.tell("StageCompleted", "plan", outcome="success")
    made = spans_of(run.events)
    calls = sorted(span.name for span in made.values() if span.parent == stage("plan@1.1"))
    assert calls == ["chat agent_1", "chat agent_2", "execute_tool grep", "execute_tool grep"]


def test_branches_are_within_the_stage_they_leave() -> None:
    run = RunEvents()
    run.tell("StageStarted", "fan")
    branch = "fan@1.1/a"
    run.tell("ParallelBranchStarted", "fan", branch=branch)
    run.stage("a", branch=branch)
    run.tell("ParallelBranchCompleted", "fan", branch=branch, success=True, outcome="success")
    run.tell("StageCompleted", "fan", outcome="success")
    made = spans_of(run.events)
    assert made[("branch", RUN, branch)].parent == stage("fan@1.1")
    assert made[stage("a@1.1")].parent == ("branch", RUN, branch)


def test_child_span_is_inside_its_stage_in_any_order() -> None:
    run, child = RunEvents(), RunEvents(CHILD, prefix="sub@1.1")
    first = run.tell("StageStarted", "sub")
    child.tell("RunStatusChanged", status="booting", phase="", reason="")
    child.tell("PipelineStarted", name="inner", id=CHILD)
    child.tell("StageStarted", "fan")
    child.tell("ParallelBranchStarted", "fan", branch="fan@1.1/a")
    child.stage("a", branch="fan@1.1/a")
    started = run.tell("ChildRunStarted", "sub", run_id=CHILD, file="inner.dot")
    ended = run.tell("ChildRunEnded", "sub", run_id=CHILD, outcome="success", reason="")
    last = run.tell("StageCompleted", "sub", outcome="success")
    made = spans_of([first, *child.events, started, ended, last])
    assert made[run_key(CHILD)].parent == stage("sub@1.1")
    assert made[stage("fan@1.1", CHILD)].parent == run_key(CHILD)
    assert made[("branch", CHILD, "fan@1.1/a")].parent == stage("fan@1.1", CHILD)
    assert made[stage("a@1.1", CHILD)].parent == ("branch", CHILD, "fan@1.1/a")


def test_open_spans_of_a_stage_end_with_it() -> None:
    run = RunEvents()
    run.tell("StageStarted", "fan")
    run.tell("ParallelBranchStarted", "fan", branch="fan@1.1/a")
    run.tell("StageStarted", "a", branch="fan@1.1/a")
    run.tell("TOOL_CALL_START", "a", branch="fan@1.1/a", tool_name="shell", call_id="1")
    end = run.tell("StageCompleted", "fan", outcome="success")
    run.tell("StageStarted", "next")
    made = spans_of(run.events)
    within = [stage("a@1.1"), ("branch", RUN, "fan@1.1/a"), ("tool", RUN, "a@1.1", "1")]
    assert [made[one].end for one in within] == [end.time] * 3


def test_stage_without_start_event_uses_its_duration() -> None:
    run = RunEvents()
    run.tell("PipelineStarted", name="wish")
    run.tell("StageCompleted", "plan", outcome="success", duration=0.5)
    plan = spans_of(run.events)[stage("plan@1.1")]
    assert ((plan.end or plan.start) - plan.start).total_seconds() == 0.5


def test_restarted_run_is_in_the_same_trace() -> None:
    run, then = RunEvents(), RunEvents(CHILD)
    run.tell("PipelineStarted", name="wish")
    run.tell("RunRestarting", run_id=CHILD, node="plan", restart=1)
    then.tell("RunStatusChanged", status="executing", phase="", reason="")
    then.stage("plan")
    made = spans_of([*run.events, *then.events])
    assert made[run_key(CHILD)].parent == run_key(RUN)
    assert made[stage("plan@1.1", CHILD)].parent == run_key(CHILD)
