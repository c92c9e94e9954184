import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.agent.definitions import AgentDefinition, AgentLimits, AgentSettings
from attractor.agent.errors import McpServerFailed
from attractor.agent.events import SessionConfig
from attractor.agent.prompts import Prompt
from attractor.agent.tool_calls.tool import Permissions, tool_parts
from attractor.backends.agent import Agent, open_session, part
from attractor.backends.models import AgentParts
from attractor.backends.pricing import Pricing
from attractor.backends.registry import BackendParts
from attractor.base.callables import do_nothing
from attractor.base.errors import FileError, UsageError
from attractor.base.json import Json
from attractor.base.registry import find_shortcoming
from attractor.config.settings import McpServerSettings
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, Usage
from attractor.engine.seams import Backend, ModelAnswer
from attractor.environments.local import LocalExecutionEnvironment
from attractor.language.graph.graph import Graph
from attractor.language.source.syntax_tree import Plain
from attractor.llm.catalogue import get_model_info
from attractor.llm.errors import (
    AuthenticationError,
    NetworkError,
    ProviderError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    StreamError,
)
from attractor.llm.messages import Message, Role
from attractor.llm.request import Request
from attractor.llm.response import FinishReason, Reason, Usage as Used, cost_of
from attractor.llm.retry_policy import RetryPolicy
from tests.agent.places import finish, local
from tests.agent.scripted import ScriptedProvider, Step, call, called, calls, never, said
from tests.agent.tool_calls.test_mcp_servers import STDIO
from tests.handlers.stages import Play, edge, graph, node
from tests.tables import table

NO_WAITS = SessionConfig(retry_policy=RetryPolicy(max_retries=0))


def review(attributes: Mapping[str, Plain], of_graph: Mapping[str, Plain]) -> Graph:
    return graph(
        node("review", **attributes),
        edge("review", "ship", label="[A] Approve"),
        edge("review", "fix", label="[F] Fix"),
        edge("review", "drop"),
        **of_graph,
    )


class Work:
    """One stage run by the agent backend with a scripted model."""

    def __init__(self, folder: Path, *steps: Step, pipeline: Graph | None = None) -> None:
        self.provider = ScriptedProvider(*steps)
        self.parts = AgentParts(
            client=self.provider.client(), model="gpt-test", provider="openai", config=NO_WAITS
        )
        self.play = Play(pipeline or review({}, {}), at="review", environment=local(folder))

    @property
    def backend(self) -> Agent:
        return Agent(BackendParts(agent=self.parts))

    def run(self, prompt: str = "Review it") -> Outcome:
        outcome = finish(self.backend.run(self.play.stage, prompt))
        assert isinstance(outcome, Outcome)
        return outcome

    def request(self, number: int = 0) -> Request:
        return self.provider.requests[number]

    @property
    def transcript(self) -> list[dict[str, Json]]:
        return [json.loads(line) for line in self.play.files.texts["transcript.jsonl"].splitlines()]


def reports(**report: Json) -> Message:
    return calls(called("report_outcome", report))


def test_part_is_a_backend() -> None:
    assert part is Agent
    assert find_shortcoming(part, type[Backend]) == ""


def test_a_report_becomes_the_outcome(tmp_path: Path) -> None:
    work = Work(
        tmp_path,
        call("write_file", file_path="a", content="x"),
        reports(
            outcome="partial_success",
            preferred_label="[F] Fix",
            suggested_next_ids=["fix"],
            context_updates={"finding": "a typo"},
            notes="One typo",
        ),
        said("I found a typo."),
    )
    assert work.run() == Outcome(
        StageStatus.PARTIAL_SUCCESS,
        preferred_label="[F] Fix",
        suggested_next_ids=("fix",),
        context_updates={
            "last_stage": "review",
            "last_response": "I found a typo.",
            "finding": "a typo",
        },
        notes="One typo",
        usage=Usage(300, 30, unpriced_tokens=330),
    )
    assert (tmp_path / "a").read_text() == "x"
    assert work.play.files.texts["response.md"] == "I found a typo."


def test_report_tool_offers_the_labels_of_the_node(tmp_path: Path) -> None:
    work = Work(tmp_path, reports(outcome="success"), said("ok"))
    work.run()
    (tool,) = [tool for tool in work.request().tools if tool.name == "report_outcome"]
    properties = tool.parameters["properties"]
    assert isinstance(properties, dict)
    offered = json.loads(json.dumps(properties))
    assert offered["preferred_label"]["enum"] == ["[A] Approve", "[F] Fix"]
    assert offered["suggested_next_ids"]["items"]["enum"] == ["ship", "fix", "drop"]


def test_report_tool_of_a_node_without_labels_offers_none(tmp_path: Path) -> None:
    work = Work(tmp_path, reports(outcome="success"), said("ok"), pipeline=graph(node("review")))
    work.run()
    (tool,) = [tool for tool in work.request().tools if tool.name == "report_outcome"]
    properties = tool.parameters["properties"]
    assert isinstance(properties, dict)
    assert not {"preferred_label", "suggested_next_ids"} & set(properties)


def test_report_instruction_is_last_in_the_prompt(tmp_path: Path) -> None:
    work = Work(tmp_path, reports(outcome="success"), said("ok"))
    work.run("Review it")
    assert "call\n`report_outcome` once" in work.request().messages[0].text
    assert work.request().messages[1].text == "Review it"


def test_a_reported_failure_is_a_verdict_with_a_reason(tmp_path: Path) -> None:
    work = Work(tmp_path, reports(outcome="fail", notes="Two tests fail"), said("Bad."))
    outcome = work.run()
    assert (outcome.status, outcome.failure_class) == (StageStatus.FAIL, FailureClass.VERDICT)
    assert outcome.failure_reason == "Two tests fail"
    retry = Work(tmp_path, reports(outcome="retry"), said("Again.")).run()
    assert (retry.status, retry.failure_class) == (StageStatus.RETRY, None)
    assert retry.failure_reason == "review reported retry"


FORGED: dict[str, Json] = {"outcome": "success", "context_updates": {"human.gate.selected": "A"}}


@table(
    ("report", "message"),
    [
        (FORGED, "a report must not set human.gate.selected"),
        ({"outcome": "done"}, "outcome must be one of"),
        ({"notes": "I am done"}, "outcome is missing"),
        ({"outcome": "success", "preferred_label": "Ship"}, "preferred_label must be one of"),
        ({"outcome": "success", "suggested_next_ids": ["moon"]}, "suggested_next_ids[0] must be"),
    ],
)
def test_an_invalid_report_goes_back_once(
    tmp_path: Path, report: dict[str, Json], message: str
) -> None:
    mended = Work(tmp_path, reports(**report), reports(outcome="success"), said("ok"))
    assert mended.run().status is StageStatus.SUCCESS
    (result,) = [part.tool_result for part in mended.request(1).messages[-1].content]
    assert result is not None
    assert result.is_error
    assert message in str(result.content)
    assert mended.play.events.kinds.count("ReportRefused") == 1

    spoilt = Work(tmp_path, reports(**report), reports(**report), said("never"))
    outcome = spoilt.run()
    assert outcome.status is StageStatus.FAIL
    assert outcome.failure_reason.startswith("invalid report: ")
    assert message in outcome.failure_reason
    assert outcome.usage == Usage(200, 20, unpriced_tokens=220)


def test_accepted_report_is_kept_after_invalid_ones(tmp_path: Path) -> None:
    work = Work(tmp_path, reports(outcome="success"), reports(**FORGED), reports(**FORGED))
    assert work.run().status is StageStatus.SUCCESS


def test_the_last_report_counts(tmp_path: Path) -> None:
    work = Work(
        tmp_path, reports(outcome="success"), reports(outcome="fail", notes="no"), said("ok")
    )
    assert work.run().status is StageStatus.FAIL


def writes(report: str) -> Message:
    command = f"printf '%s' '{report}' > \"$ATTRACTOR_STATUS_FILE\""
    return call("shell", command=command)


def test_a_report_in_the_file_is_the_outcome(tmp_path: Path) -> None:
    report = '{"outcome": "fail", "notes": "Two tests fail", "preferred_label": "[F] Fix"}'
    work = Work(tmp_path, writes(report), said("Bad."))
    outcome = work.run()
    assert (outcome.status, outcome.failure_reason) == (StageStatus.FAIL, "Two tests fail")
    assert outcome.preferred_label == "[F] Fix"
    assert "ATTRACTOR_STATUS_FILE" in work.request().messages[0].text


def test_a_call_of_the_tool_counts_before_the_file(tmp_path: Path) -> None:
    work = Work(tmp_path, writes('{"outcome": "fail"}'), reports(outcome="success"), said("ok"))
    assert work.run().status is StageStatus.SUCCESS


@table(
    ("report", "message"),
    [
        ('{"outcome": "done"}', "'outcome' cannot be 'done'"),
        ("I am done", "the report is"),
        ('{"outcome": "success", "preferred_label": "Ship"}', "preferred_label must be one of"),
        (
            '{"outcome": "success", "context_updates": {"human.gate.selected": "A"}}',
            "a report must not set human.gate.selected",
        ),
    ],
)
def test_an_invalid_report_in_the_file_goes_back_once(
    tmp_path: Path, report: str, message: str
) -> None:
    good = writes('{"outcome": "success"}')
    mended = Work(tmp_path, writes(report), said("Done."), good, said("Now."))
    assert mended.run().status is StageStatus.SUCCESS
    assert message in mended.request(2).messages[-1].text
    assert mended.play.events.kinds.count("ReportRefused") == 1

    spoilt = Work(tmp_path, writes(report), said("Done."), writes(report), said("Still."))
    outcome = spoilt.run()
    assert outcome.failure_reason.startswith("invalid report: ")
    assert message in outcome.failure_reason


def test_refused_report_without_a_correction_is_a_failure(tmp_path: Path) -> None:
    work = Work(tmp_path, reports(outcome="done"), said("Done."), said("Really."))
    outcome = work.run()
    assert outcome.status is StageStatus.FAIL
    assert "outcome must be one of" in outcome.failure_reason


def test_report_in_the_file_counts_if_the_last_answer_fails(tmp_path: Path) -> None:
    work = Work(tmp_path, writes('{"outcome": "success"}'), ServerError("x", provider="openai"))
    assert work.run().status is StageStatus.SUCCESS


def test_an_agent_that_does_not_report_is_asked_once(tmp_path: Path) -> None:
    work = Work(tmp_path, said("I did it."), reports(outcome="success", notes="done"), said("ok"))
    outcome = work.run()
    assert outcome.notes == "done"
    assert "without calling `report_outcome`" in work.request(1).messages[-1].text
    assert work.play.files.texts["response.md"] == "I did it."
    assert "OutcomeAssumed" not in work.play.events.kinds


def test_a_plain_stage_without_a_report_is_taken_to_have_succeeded(tmp_path: Path) -> None:
    work = Work(tmp_path, said("I did it."), said("Really."))
    outcome = work.run()
    assert (outcome.status, outcome.usage) == (
        StageStatus.SUCCESS,
        Usage(200, 20, unpriced_tokens=220),
    )
    assert outcome.context_updates == {"last_stage": "review", "last_response": "I did it."}
    assert work.play.events.kinds.count("OutcomeAssumed") == 1


def test_context_keeps_the_beginning_of_a_long_response(tmp_path: Path) -> None:
    work = Work(tmp_path, said("x" * 500), said("Really."))
    assert work.run().context_updates["last_response"] == "x" * 199 + "…"
    assert work.play.files.texts["response.md"] == "x" * 500


@table(
    ("attributes", "of_graph", "status"),
    [
        ({"goal_gate": True, "require_verdict": True}, {}, StageStatus.FAIL),
        ({"goal_gate": True}, {"require_verdict": True}, StageStatus.FAIL),
        (
            {"goal_gate": True, "require_verdict": False},
            {"require_verdict": True},
            StageStatus.SUCCESS,
        ),
        ({"goal_gate": True}, {}, StageStatus.FAIL),
        ({"goal_gate": True}, {"require_verdict": False}, StageStatus.SUCCESS),
        ({}, {"require_verdict": True}, StageStatus.SUCCESS),
        ({"require_verdict": True}, {}, StageStatus.FAIL),
        (
            {"goal_gate": True, "require_verdict": True, "auto_status": True},
            {},
            StageStatus.SUCCESS,
        ),
    ],
)
def test_prose_is_no_verdict_at_a_stage_that_requires_one(
    tmp_path: Path,
    attributes: dict[str, Plain],
    of_graph: dict[str, Plain],
    status: StageStatus,
) -> None:
    pipeline = review(attributes, of_graph)
    outcome = Work(tmp_path, said("Good."), said("It is good."), pipeline=pipeline).run()
    assert outcome.status is status
    if status is StageStatus.FAIL:
        assert outcome.failure_reason == "no_verdict"
        assert outcome.failure_class is FailureClass.VERDICT


@table(
    ("limit", "steps", "reason"),
    [
        ({"max_turns": 1}, 1, "the agent reached the turn_limit before its report"),
        (
            {"max_tool_rounds_per_input": 1},
            2,
            "the agent reached the round_limit before its report",
        ),
    ],
)
def test_an_agent_stopped_by_a_limit_has_not_succeeded(
    tmp_path: Path, limit: dict[str, int], steps: int, reason: str
) -> None:
    work = Work(tmp_path, *[call("glob", pattern="*")] * steps)
    work.parts = replace(work.parts, config=SessionConfig(**limit))  # pyright: ignore[reportArgumentType]
    outcome = work.run()
    assert (outcome.status, outcome.failure_reason) == (StageStatus.FAIL, reason)


def work_with_agent(
    folder: Path, settings: AgentSettings, *steps: Step, model: str = "gpt-5.2"
) -> Work:
    """Return a stage whose agent has these settings."""
    role = Prompt(folder / "prompt.md.j2", "You keep {{ permissions }}: {{ tools | join }}.")
    work = Work(folder, *steps, pipeline=review({"agent": "keeper", "llm_model": model}, {}))
    agents = {"keeper": AgentDefinition("keeper", settings, role)}
    work.parts = replace(work.parts, agents=agents)
    return work


def test_an_agent_uses_the_tools_of_mcp_servers(tmp_path: Path) -> None:
    steps = (call("ex__add", a=1, b=2), reports(outcome="success"), said("ok"))
    work = work_with_agent(tmp_path, AgentSettings(mcp={"ex": STDIO}), *steps)
    assert work.run().status is StageStatus.SUCCESS
    assert "ex__add" in [tool.name for tool in work.request().tools]
    (result,) = work.request(1).messages[-1].content
    assert result.tool_result is not None
    assert result.tool_result.content == "3"


def test_a_failed_mcp_server_stops_before_the_first_call_to_the_model(tmp_path: Path) -> None:
    work = Work(tmp_path, said("never"))
    work.parts = replace(work.parts, mcp={"ex": McpServerSettings(command="no-such-program")})
    with pytest.raises(McpServerFailed, match="MCP server 'ex'"):
        work.run()
    assert work.provider.requests == []


def test_an_agent_has_its_role_and_its_tools(tmp_path: Path) -> None:
    settings = AgentSettings(permissions=Permissions.READ_ONLY, tools=("grep", "read_file"))
    creates = call("write_file", file_path="a", content="x")
    work = work_with_agent(tmp_path, settings, creates, reports(outcome="success"), said("ok"))
    assert work.run().status is StageStatus.SUCCESS
    names = ["grep", "read_file"]
    assert [tool.name for tool in work.request().tools] == [*names, "report_outcome"]
    prompt = work.request().messages[0].text
    layers = ["You are a coding agent", "You keep read-only: grepread_file.", "# Reporting"]
    places = [prompt.index(layer) for layer in layers]
    assert places == sorted(places)
    assert "ATTRACTOR_STATUS_FILE" not in prompt
    assert "Unknown tool: write_file" in str(work.request(1).messages[-1])
    assert [*tmp_path.iterdir()] == []
    [chosen] = [data for kind, data in work.play.events.all if kind == "AgentChosen"]
    assert chosen == {"agent": "keeper", "permissions": "read-only", "tools": names}


def test_environment_of_a_read_only_agent_refuses_changes(tmp_path: Path) -> None:
    creates = call("write_file", file_path="a", content="x")
    work = work_with_agent(
        tmp_path, AgentSettings(permissions=Permissions.READ_ONLY), creates, said("ok")
    )
    opened = open_session(work.play.stage, work.parts, None, Pricing(), do_nothing)
    # A program or an MCP server could add a tool in this way.
    opened.session.profile.tool_registry.register(tool_parts()["write_file"])
    finish(opened.session.submit("Go"))
    assert "cannot write a: the files are read-only" in str(work.request(1).messages[-1])
    assert [*tmp_path.iterdir()] == []


@table(
    ("limits", "reason"),
    [
        (AgentLimits(turns=1), "the agent reached the turn_limit before its report"),
        (AgentLimits(rounds=1), "the agent reached the round_limit before its report"),
        (AgentLimits(cost_usd=1e-9), "the agent reached the budget before its report"),
        (AgentLimits(time="50ms"), "the agent reached its time limit of 50ms"),  # pyright: ignore[reportArgumentType]
    ],
)
def test_limits_of_an_agent_end_its_stage(tmp_path: Path, limits: AgentLimits, reason: str) -> None:
    steps = [never] if limits.time else [call("glob", pattern="*")] * 2
    outcome = work_with_agent(tmp_path, AgentSettings(limits=limits), *steps).run()
    assert (outcome.status, outcome.failure_reason) == (StageStatus.FAIL, reason)


@table(
    ("error", "kind"),
    [
        (ProviderError("a teapot", provider="openai"), FailureClass.RETRYABLE),
        (AuthenticationError("who?", provider="openai"), FailureClass.TERMINAL),
    ],
)
def test_model_error_is_a_failure_of_its_class(
    tmp_path: Path, error: ProviderError, kind: FailureClass
) -> None:
    work = Work(tmp_path, call("glob", pattern="*"), error)
    outcome = work.run()
    assert (outcome.status, outcome.failure_class) == (StageStatus.FAIL, kind)
    assert outcome.failure_reason == f"{type(error).__name__}: {error}"
    assert outcome.usage == Usage(100, 10, unpriced_tokens=110)


UNAVAILABLE = (
    NetworkError("no route to host"),
    RequestTimeoutError("no answer"),
    StreamError("cut"),
    RateLimitError("slow down", provider="openai"),
    ServerError("overloaded", provider="openai", status_code=529),
)


@table("error", UNAVAILABLE)
def test_unavailable_provider_is_not_a_failure_of_the_stage(
    tmp_path: Path, error: Exception
) -> None:
    with pytest.raises(type(error)):
        Work(tmp_path, call("glob", pattern="*"), error).run()
    with pytest.raises(type(error)):
        answer(Work(tmp_path, error))


def test_report_counts_if_the_last_answer_fails(tmp_path: Path) -> None:
    work = Work(tmp_path, reports(outcome="success"), ServerError("down", provider="openai"))
    assert work.run().status is StageStatus.SUCCESS


class Broken(LocalExecutionEnvironment):
    async def file_exists(self, path: str) -> bool:
        raise FileError("the disk is gone")


def test_machine_error_is_raised(tmp_path: Path) -> None:
    work = Work(tmp_path, said("never"))
    work.play.environment = Broken(tmp_path, environ={})
    with pytest.raises(FileError):
        work.run()


def test_transcript_is_complete_and_journal_is_short(
    tmp_path: Path,
) -> None:
    text = "x" * 1_000
    work = Work(
        tmp_path,
        call("write_file", file_path="a", content=text),
        reports(outcome="success"),
        said("Done."),
    )
    work.run()
    kinds = [line["kind"] for line in work.transcript]
    assert (kinds[0], kinds[-1]) == ("SESSION_START", "SESSION_END")
    assert kinds == work.play.events.kinds
    written = work.transcript[kinds.index("TOOL_CALL_START")]
    assert written["arguments"] == {"file_path": "a", "content": text}
    journal = dict(zip(work.play.events.kinds[::-1], work.play.events.all[::-1], strict=True))
    assert len(json.dumps(journal["TOOL_CALL_START"])) < 1_000
    assert all(line["session"] == "review@1.1" for line in work.transcript)


@table(
    ("attributes", "asked"),
    [
        ({}, ("openai", "gpt-test", "high")),
        ({"llm_model": "gpt-5.2", "reasoning_effort": "low"}, ("openai", "gpt-5.2", "low")),
        ({"llm_model": "own", "llm_provider": "openai"}, ("openai", "own", "high")),
        ({"llm_model": "own"}, ("openai", "own", "high")),
        ({"llm_model": "claude-opus-4-6"}, ("anthropic", "claude-opus-4-6", "high")),
    ],
)
def test_the_node_chooses_its_model(
    tmp_path: Path, attributes: dict[str, Plain], asked: tuple[str, str, str]
) -> None:
    work = Work(tmp_path, pipeline=review(attributes, {}))
    work.provider = ScriptedProvider(reports(outcome="success"), said("ok"), name=asked[0])
    work.parts = replace(work.parts, client=work.provider.client())
    work.run()
    request = work.request()
    assert (request.provider, request.model, request.reasoning_effort) == asked


def test_cost_of_a_stage_is_the_cost_of_its_calls(tmp_path: Path) -> None:
    pipeline = review({"llm_model": "gpt-5.2"}, {})
    outcome = Work(tmp_path, reports(outcome="success"), said("ok"), pipeline=pipeline).run()
    known = get_model_info("gpt-5.2")
    assert known
    cost = cost_of(Used(100, 10), known)
    assert cost
    assert outcome.usage == Usage(200, 20, cost + cost)


def test_model_without_a_price_is_reported_once_in_a_run(tmp_path: Path) -> None:
    work = Work(tmp_path, *[reports(outcome="success"), said("ok")] * 2, said("yes"))
    backend = work.backend
    for _ in range(2):
        finish(backend.run(work.play.stage, "Go"))
    finish(backend.answer(work.play.stage, "And?"))
    [text] = [line["message"] for line in work.transcript if line["kind"] == "WARNING"]
    assert "does not contain the model gpt-test of openai" in str(text)
    assert work.play.events.kinds.count("WARNING") == 1


def test_warning_about_an_answer_precedes_the_end_of_its_session(tmp_path: Path) -> None:
    work = Work(tmp_path, said("ok"))
    answer(work)
    assert work.play.events.kinds[-3:] == ["ASSISTANT_TEXT_END", "WARNING", "SESSION_END"]


def test_a_stage_without_a_model_is_refused(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.parts = replace(work.parts, model="", provider="")
    with pytest.raises(UsageError, match="no model is chosen for node 'review'"):
        work.run()
    work.parts = replace(work.parts, model="gpt-5.2")
    work.play.pipeline = review({"llm_provider": "anthropic"}, {})
    with pytest.raises(UsageError, match="no model is chosen"):
        work.run()
    work.play.pipeline = review({}, {})
    work.parts = replace(work.parts, model="own")
    with pytest.raises(UsageError, match="no provider of the model 'own' is chosen for node"):
        work.run()


def test_missing_client_is_reported_with_the_variable_to_set(tmp_path: Path) -> None:
    stage = Work(tmp_path).play.stage
    with pytest.raises(UsageError, match="missing client") as raised:
        finish(Agent(BackendParts()).run(stage, "Go"))
    assert "OPENAI_API_KEY" in raised.value.hint


def test_message_reaches_the_running_session_only(tmp_path: Path) -> None:
    async def steered(request: Request) -> Message:
        assert await backend.steer("review@1.1", "Look at the tests")
        assert not await backend.steer("review", "x")
        return call("glob", pattern="*")

    work = Work(tmp_path, steered, reports(outcome="success"), said("ok"))
    backend = work.backend
    finish(backend.run(work.play.stage, "Go"))
    assert work.request(1).messages[-1].text == "Look at the tests"
    assert not finish(backend.steer("review@1.1", "too late"))


def answer(work: Work, prompt: str = "Name it") -> ModelAnswer | Outcome:
    return finish(work.backend.answer(work.play.stage, prompt))


def test_an_answer_is_one_call_without_tools(tmp_path: Path) -> None:
    pipeline = review({"llm_model": "gpt-5.2", "reasoning_effort": "low"}, {})
    work = Work(tmp_path, said("größe 🐍"), pipeline=pipeline)
    known = get_model_info("gpt-5.2")
    assert known
    cost = cost_of(Used(100, 10), known)
    assert cost
    assert answer(work, "Name it 🐍") == ModelAnswer("größe 🐍", Usage(100, 10, cost))
    [request] = work.provider.requests
    assert [(one.role, one.text) for one in request.messages] == [(Role.USER, "Name it 🐍")]
    assert not request.tools
    asked = (request.provider, request.model, request.reasoning_effort)
    assert asked == ("openai", "gpt-5.2", "low")
    kinds = ["ASSISTANT_TEXT_START", "ASSISTANT_TEXT_END"]
    assert work.play.events.kinds == ["SESSION_START", "USER_INPUT", *kinds, "SESSION_END"]
    assert [line["kind"] for line in work.transcript] == work.play.events.kinds


def test_an_answer_has_the_role_of_the_agent(tmp_path: Path) -> None:
    work = work_with_agent(tmp_path, AgentSettings(permissions=Permissions.READ_ONLY), said("yes"))
    assert isinstance(answer(work), ModelAnswer)
    role = (Role.SYSTEM, "You keep read-only: .")
    messages = work.request().messages
    assert [(one.role, one.text) for one in messages] == [role, (Role.USER, "Name it")]
    assert work.play.events.kinds[0] == "AgentChosen"


@table(
    ("error", "kind"),
    [
        (ProviderError("a teapot", provider="openai"), FailureClass.RETRYABLE),
        (AuthenticationError("who?", provider="openai"), FailureClass.TERMINAL),
    ],
)
def test_model_error_of_an_answer_is_a_failure_of_its_class(
    tmp_path: Path, error: ProviderError, kind: FailureClass
) -> None:
    outcome = answer(Work(tmp_path, error))
    assert isinstance(outcome, Outcome)
    assert (outcome.status, outcome.failure_class) == (StageStatus.FAIL, kind)
    assert outcome.failure_reason == f"{type(error).__name__}: {error}"


@table(
    ("reason", "kind", "message"),
    [
        ("content_filter", FailureClass.TERMINAL, "a safety filter"),
        ("error", FailureClass.RETRYABLE, "with an error"),
        ("length", FailureClass.RETRYABLE, "maximum length"),
    ],
)
def test_interrupted_answer_without_text_is_a_failure_with_its_usage(
    tmp_path: Path, reason: Reason, kind: FailureClass, message: str
) -> None:
    outcome = answer(Work(tmp_path, FinishReason(reason)))
    assert isinstance(outcome, Outcome)
    assert (outcome.status, outcome.failure_class) == (StageStatus.FAIL, kind)
    assert message in outcome.failure_reason
    assert outcome.usage == Usage(100, 10, unpriced_tokens=110)


@table(
    ("attributes", "answers", "status"),
    [
        ({}, [FinishReason("error"), said("ok")], StageStatus.SUCCESS),
        ({}, [FinishReason("error"), FinishReason("error")], StageStatus.FAIL),
        ({"auto_status": True}, [FinishReason("error")], StageStatus.FAIL),
        ({"auto_status": True}, [said("ok")], StageStatus.SUCCESS),
    ],
)
def test_empty_last_answer_is_no_success(
    tmp_path: Path, attributes: dict[str, Plain], answers: list[Step], status: StageStatus
) -> None:
    outcome = Work(tmp_path, *answers, pipeline=review(attributes, {})).run()
    assert outcome.status is status
    if status is StageStatus.FAIL:
        assert outcome.failure_class is FailureClass.RETRYABLE
        assert outcome.failure_reason.endswith("the provider ended the answer with an error")


def test_answer_is_retried_by_the_policy_of_sessions(tmp_path: Path) -> None:
    work = Work(tmp_path, ServerError("down", provider="openai"), said("yes"))
    twice = SessionConfig(retry_policy=RetryPolicy(max_retries=1, base_delay=0.0))
    work.parts = replace(work.parts, config=twice)
    assert answer(work) == ModelAnswer("yes", Usage(100, 10, unpriced_tokens=110))
    assert len(work.provider.requests) == 2
    text, _ = [line["message"] for line in work.transcript if line["kind"] == "WARNING"]
    assert "attempt 1 failed (down)" in str(text)


def test_answer_needs_a_client_and_a_model(tmp_path: Path) -> None:
    work = Work(tmp_path)
    with pytest.raises(UsageError, match="missing client"):
        finish(Agent(BackendParts()).answer(work.play.stage, "Go"))
    work.parts = replace(work.parts, model="", provider="")
    with pytest.raises(UsageError, match="no model is chosen"):
        answer(work)


def test_a_stage_that_is_cancelled_ends_its_session(tmp_path: Path) -> None:
    work = Work(tmp_path, never)

    async def cancel() -> None:
        task = asyncio.create_task(work.backend.run(work.play.stage, "Go"))
        while not work.provider.requests:
            await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        finish(cancel())
    assert work.transcript[-1]["kind"] == "SESSION_END"


def test_a_shell_calls_event_holds_its_whole_output_or_names_the_file_with_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "short").write_text("s" * 60_000)
    (tmp_path / "long").write_text("".join(f"{number}\n" for number in range(40_000)))
    shell = [called("shell", {"command": f"cat {name}"}) for name in ("short", "long")]
    work = Work(
        tmp_path,
        calls(*shell),
        *[call("shell", command="cat long")] * 20,
        reports(outcome="success"),
        said("ok"),
    )
    work.run()
    outputs = [str(line["output"]) for line in work.transcript if "output" in line]
    # Either of the two calls of one answer may end first.
    outputs.sort(key=lambda output: "s" * 60_000 not in output)
    assert outputs[0].count("s") >= 60_000
    name = "text-1.txt"
    assert f"characters omitted; whole text in {name} of the stage's folder ...]" in outputs[1]
    assert "\n20000\n" not in outputs[1]
    assert "\n20000\n" in work.play.files.texts[name]
    assert "text-20.txt" in outputs[20]
    assert "omitted; not written: the stage already has 20 files of long texts" in outputs[21]
    ends = [data for kind, data in work.play.events.all if kind == "TOOL_CALL_END"]
    assert "characters omitted; more in transcript.jsonl ...]" in str(ends[0]["output"])
