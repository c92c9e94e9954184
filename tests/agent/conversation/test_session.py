import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from attractor.agent.conversation.loop import InputResult, Stop
from attractor.agent.conversation.session import Session, SessionState
from attractor.agent.conversation.turns import ToolResultsTurn, UserTurn
from attractor.agent.errors import SessionBusy, SessionClosed, ToolError
from attractor.agent.events import DELTAS, EventKind, SessionConfig, SessionEvent
from attractor.agent.provider_profile import ProviderProfile, create_profile
from attractor.agent.tool_calls.tool import RegisteredTool, ToolCallScope, ToolOutput, define
from attractor.base.errors import FileError, MachineryError
from attractor.base.json import JsonObject
from attractor.environments.environment import ExecutionEnvironment
from attractor.llm.client import AdapterTimeout, Client, Complete
from attractor.llm.errors import AuthenticationError, ContentFilterError, ServerError
from attractor.llm.messages import ContentKind, ContentPart, ImageData, Message, Role, ThinkingData
from attractor.llm.request import Request
from attractor.llm.response import FinishReason, Response
from attractor.llm.retry_policy import RetryPolicy
from tests.agent.places import finish, local
from tests.agent.scripted import ScriptedProvider, Step, call, called, calls, never, said
from tests.patience import until
from tests.tables import table

QUICK = RetryPolicy(base_delay=0.001, jitter=False)


class ScriptedSession:
    """A session with a scripted model, and its events."""

    def __init__(
        self,
        folder: Path,
        *steps: Step,
        config: SessionConfig | None = None,
        one_tool_at_a_time: bool = False,
    ) -> None:
        self.provider = ScriptedProvider(*steps)
        self.profile: ProviderProfile = create_profile("openai", model="gpt-test")
        if one_tool_at_a_time:
            traits = replace(self.profile.traits, supports_parallel_tool_calls=False)
            self.profile = replace(self.profile, traits=traits)
        self.events: list[SessionEvent] = []
        self.session = Session(
            self.profile,
            local(folder),
            client=self.provider.client(),
            config=config or SessionConfig(retry_policy=QUICK),
            on_event=self.events.append,
        )

    def register(self, name: str, act: Callable[[JsonObject], Awaitable[str]]) -> None:
        async def execute(arguments: JsonObject, environment: ExecutionEnvironment) -> str:
            return await act(arguments)

        definition = define(name, "For tests.", {"x": {"type": "integer"}}, required=[])
        self.profile.tool_registry.register(RegisteredTool(definition, execute))

    def submit(self, text: str = "Do it") -> InputResult:
        return finish(self.session.submit(text))

    @property
    def kinds(self) -> list[EventKind]:
        return [event.kind for event in self.events if event.kind not in DELTAS]

    def event_data(self, kind: EventKind) -> list[JsonObject]:
        return [event.data for event in self.events if event.kind is kind]

    @property
    def results(self) -> list[tuple[object, bool]]:
        turns = [turn for turn in self.session.history if isinstance(turn, ToolResultsTurn)]
        return [(one.content, one.is_error) for turn in turns for one in turn.results]


def texts(request: Request) -> list[tuple[str, str]]:
    return [(message.role.value, message.text) for message in request.messages[1:]]


def test_the_model_is_given_the_whole_conversation(tmp_path: Path) -> None:
    played = ScriptedSession(tmp_path, call("glob", pattern="*"), said("Nothing."), said("Still."))
    played.submit("Look")
    played.submit("Again")
    assert [message.role for message in played.provider.requests[2].messages] == [
        Role.SYSTEM,
        Role.USER,
        Role.ASSISTANT,
        Role.TOOL,
        Role.ASSISTANT,
        Role.USER,
    ]
    assert played.provider.requests[2].provider == "openai"


def test_an_empty_answer_is_not_sent_back(tmp_path: Path) -> None:
    played = ScriptedSession(tmp_path, Message(Role.ASSISTANT, ()), said(""), said("Here."))
    for text in ("one", "two", "three"):
        played.submit(text)
    assert texts(played.provider.requests[2]) == [
        ("user", "one"),
        ("user", "two"),
        ("user", "three"),
    ]


def test_blocked_answer_ends_the_session_and_another_empty_answer_is_a_warning(
    tmp_path: Path,
) -> None:
    played = ScriptedSession(tmp_path, FinishReason("error"), FinishReason("content_filter"))
    why = "the provider ended the answer with an error"
    assert played.submit() == InputResult(Stop.COMPLETED, "", f"empty answer of openai: {why}")
    assert played.event_data(EventKind.WARNING) == [{"message": why}]
    with pytest.raises(ContentFilterError, match="a safety filter"):
        played.submit("Again")
    assert played.session.state is SessionState.CLOSED
    assert played.session.usage.output_tokens == 20


def test_thoughts_go_back_as_they_came(tmp_path: Path) -> None:
    thought = ContentPart(ContentKind.THINKING, thinking=ThinkingData("hm", signature="sealed"))
    answer = Message(Role.ASSISTANT, (thought, called("glob", {"pattern": "*"})))
    played = ScriptedSession(tmp_path, answer, said("ok"))
    played.submit()
    assert played.provider.requests[1].messages[2] == answer
    assert played.event_data(EventKind.ASSISTANT_TEXT_END)[0]["reasoning"] == "hm"


def test_a_round_limit_stops_one_input_only(tmp_path: Path) -> None:
    config = SessionConfig(max_tool_rounds_per_input=1)
    looks = call("glob", pattern="*")
    played = ScriptedSession(tmp_path, looks, looks, said("ok"), config=config)
    assert played.submit().stop is Stop.ROUND_LIMIT
    assert played.submit().stop is Stop.ROUND_LIMIT
    assert played.event_data(EventKind.TURN_LIMIT) == [{"round": 1}, {"round": 1}]
    assert played.session.state is SessionState.IDLE


def test_steering_while_idle_precedes_the_next_input(tmp_path: Path) -> None:
    played = ScriptedSession(tmp_path, said("ok"))
    played.session.steer("Be brief")
    played.submit("Go")
    assert texts(played.provider.requests[0]) == [("user", "Go"), ("user", "Be brief")]


def test_steering_during_the_last_answer_is_not_lost(tmp_path: Path) -> None:
    async def steered(request: Request) -> Message:
        played.session.steer("One more thing")
        return said("Done.")

    played = ScriptedSession(tmp_path, steered, said("That as well."))
    assert played.submit().text == "That as well."


def test_follow_ups_are_worked_on_one_after_the_other(tmp_path: Path) -> None:
    played = ScriptedSession(tmp_path, said("1"), said("2"), said("3"))
    played.session.follow_up("then this")
    played.session.follow_up("then that")
    assert played.submit("first").text == "3"
    inputs = [turn.content for turn in played.session.history if isinstance(turn, UserTurn)]
    assert inputs == ["first", "then this", "then that"]
    assert played.kinds.count(EventKind.PROCESSING_END) == 1


def test_loop_detection_can_be_switched_off(tmp_path: Path) -> None:
    config = SessionConfig(loop_detection_window=2, enable_loop_detection=False)
    same = call("glob", pattern="*")
    played = ScriptedSession(tmp_path, same, same, said("ok"), config=config)
    played.submit()
    assert EventKind.LOOP_DETECTION not in played.kinds


def test_an_abort_ends_a_call_to_the_model(tmp_path: Path) -> None:
    played = ScriptedSession(tmp_path, never)

    async def abort() -> InputResult:
        work = asyncio.create_task(played.session.submit("Think"))
        while not played.provider.requests:
            await asyncio.sleep(0)
        played.session.abort()
        return await work

    assert finish(abort()).stop is Stop.ABORTED
    assert played.kinds[-1] is EventKind.SESSION_END


def test_an_abort_while_idle_closes(tmp_path: Path) -> None:
    played = ScriptedSession(tmp_path)
    played.session.abort()
    played.session.abort()
    assert played.kinds == [EventKind.SESSION_START, EventKind.SESSION_END]


def test_cancellation_closes_the_session_and_propagates(tmp_path: Path) -> None:
    played = ScriptedSession(tmp_path, never)

    async def cancel() -> None:
        work = asyncio.create_task(played.session.submit("Think"))
        while not played.provider.requests:
            await asyncio.sleep(0)
        work.cancel()
        await work

    with pytest.raises(asyncio.CancelledError):
        finish(cancel())
    assert played.session.state is SessionState.CLOSED
    assert played.kinds[-1] is EventKind.SESSION_END


def test_closed_session_refuses_inputs(tmp_path: Path) -> None:
    session = ScriptedSession(tmp_path).session
    finish(session.close())
    finish(session.close())
    with pytest.raises(SessionClosed):
        finish(session.submit("x"))
    with pytest.raises(SessionClosed):
        session.steer("x")
    with pytest.raises(SessionClosed):
        session.follow_up("x")


def test_a_session_takes_one_input_at_a_time(tmp_path: Path) -> None:
    played = ScriptedSession(tmp_path, never)

    async def twice() -> None:
        work = asyncio.create_task(played.session.submit("one"))
        await asyncio.sleep(0)
        try:
            await played.session.submit("two")
        finally:
            played.session.abort()
            await work

    with pytest.raises(SessionBusy):
        finish(twice())


def test_permanent_error_closes_the_session(tmp_path: Path) -> None:
    trouble = ServerError("down", provider="openai", status_code=503)
    played = ScriptedSession(tmp_path, trouble, trouble, trouble)
    with pytest.raises(ServerError):
        played.submit()
    assert played.session.state is SessionState.CLOSED


async def _no_argument(_: JsonObject) -> str:
    raise KeyError("oops")


async def _no_tool(_: JsonObject) -> str:
    raise ToolError("not today", hint="try tomorrow")


async def _timeout(_: JsonObject) -> str:
    raise TimeoutError


@table(
    ("act", "message"),
    [
        (_no_argument, "Tool error (broken): 'oops'"),
        (_no_tool, "Tool error (broken): not today.\ntry tomorrow"),
        (_timeout, "Tool error (broken): TimeoutError"),
    ],
)
def test_error_of_a_tool_is_sent_to_the_model(
    tmp_path: Path, act: Callable[[JsonObject], Awaitable[str]], message: str
) -> None:
    played = ScriptedSession(tmp_path, call("broken"), said("I see."))
    played.register("broken", act)
    assert played.submit().text == "I see."
    assert played.results == [(message, True)]
    assert played.event_data(EventKind.TOOL_CALL_END)[0]["error"] == message


def test_machine_error_ends_the_session(tmp_path: Path) -> None:
    played = ScriptedSession(tmp_path, calls(called("full", {}), called("waits", {}, id="call_2")))
    ended: list[bool] = []

    async def full(_: JsonObject) -> str:
        raise FileError("the disk is full")

    async def waits(_: JsonObject) -> str:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)
        return ""

    played.register("full", full)
    played.register("waits", waits)
    with pytest.raises(MachineryError, match="the disk is full"):
        played.submit()
    assert ended == [True]
    assert played.session.state is SessionState.CLOSED


@table(
    ("name", "arguments", "message"),
    [
        ("read_fil", {"file_path": "a"}, "Unknown tool: read_fil\ndid you mean read_file?"),
        ("read_file", {}, "Invalid arguments for tool: read_file\nfile_path is missing"),
        (
            "read_file",
            '{"file_path": ',
            "Invalid arguments for tool: read_file\nthe arguments of 'read_file' are invalid JSON",
        ),
        (
            "read_file",
            {"file_path": "a", "limit": "all"},
            "Invalid arguments for tool: read_file\nlimit must be integer, not string",
        ),
    ],
)
def test_invalid_call_is_reported_to_the_model(
    tmp_path: Path, name: str, arguments: JsonObject | str, message: str
) -> None:
    played = ScriptedSession(tmp_path, calls(called(name, arguments)), said("I see."))
    played.submit()
    ((content, is_error),) = played.results
    assert str(content).startswith(message)
    assert is_error


def test_null_counts_as_a_missing_argument(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    arguments = {"file_path": "a", "offset": None, "limit": None}
    played = ScriptedSession(tmp_path, calls(called("read_file", arguments)), said("ok"))
    played.submit()
    assert played.results == [("1 | x", False)]


def test_tools_run_side_by_side_and_results_keep_the_order_of_calls(tmp_path: Path) -> None:
    both = [called("meet", {"x": number}, id=f"call_{number}") for number in (1, 2)]
    played = ScriptedSession(tmp_path, calls(*both), said("ok"))
    arrived = asyncio.Barrier(2)

    async def meet(arguments: JsonObject) -> str:
        await arrived.wait()
        return str(arguments["x"])

    played.register("meet", meet)
    played.submit()
    assert played.results == [("1", False), ("2", False)]


def test_tools_run_sequentially_by_profile(tmp_path: Path) -> None:
    both = [called("alone", {"x": number}, id=f"call_{number}") for number in (1, 2)]
    played = ScriptedSession(tmp_path, calls(*both), said("ok"), one_tool_at_a_time=True)
    at_work: list[int] = []

    async def alone(arguments: JsonObject) -> str:
        at_work.append(1)
        await asyncio.sleep(0)
        assert len(at_work) == 1
        at_work.pop()
        return "ok"

    played.register("alone", alone)
    played.submit()
    assert played.results == [("ok", False), ("ok", False)]


def test_two_changes_of_one_file_at_once_do_not_undo_each_other(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one two three\n")
    patches = [
        f"*** Begin Patch\n*** Update File: a\n-{old}\n+{new}\n*** End Patch"
        for old, new in [
            ("one two three", "1 two three"),
            ("1 two three", "1 2 three"),
            ("1 2 three", "1 2 3"),
        ]
    ]
    parts = [called("apply_patch", {"patch": one}, id=f"c{n}") for n, one in enumerate(patches)]
    played = ScriptedSession(tmp_path, calls(*parts), said("ok"))
    played.submit()
    assert (tmp_path / "a").read_text() == "1 2 3\n"


def test_a_time_limit_comes_from_call_session_and_maximum(tmp_path: Path) -> None:
    config = SessionConfig(default_command_timeout_ms=150, max_command_timeout_ms=300)
    played = ScriptedSession(
        tmp_path,
        call("shell", command="sleep 30"),
        call("shell", command="sleep 30", timeout_ms=600_000),
        said("ok"),
        config=config,
    )
    played.submit()
    first, second = (str(content) for content, _ in played.results)
    assert "timed out after 150ms" in first
    assert "timed out after 300ms" in second


def test_a_context_that_fills_up_is_warned_of_once(tmp_path: Path) -> None:
    played = ScriptedSession(tmp_path, said("1"), said("2"))
    limit = played.profile.traits.context_window_size
    played.submit("x" * int(limit * 4 * 0.79))
    assert played.event_data(EventKind.WARNING) == []
    played.submit("x" * int(limit * 4 * 0.05))
    assert played.event_data(EventKind.WARNING) == [
        {"message": "Context usage at ~84% of context window"}
    ]


def test_stream_raises_the_error_of_the_input(tmp_path: Path) -> None:
    played = ScriptedSession(tmp_path, AuthenticationError("no", provider="openai"))

    async def read() -> None:
        async for _ in played.session.stream("Go"):
            pass

    with pytest.raises(AuthenticationError):
        finish(read())


def test_closed_stream_aborts_the_input(tmp_path: Path) -> None:
    played = ScriptedSession(tmp_path, never)

    async def read() -> None:
        async with aclosing(played.session.stream("Go")) as events:
            async for event in events:
                if event.kind is EventKind.ASSISTANT_TEXT_START:
                    break

    finish(read())
    assert played.session.state is SessionState.CLOSED


def test_events_are_yielded_until_the_session_ends(tmp_path: Path) -> None:
    played = ScriptedSession(tmp_path, said("ok"), said("ok"))

    async def read() -> list[EventKind]:
        async def work() -> None:
            async with played.session as session:
                await session.submit("Go")
                await session.submit("Again")

        working = asyncio.create_task(work())
        kinds = [event.kind async for event in played.session.events()]
        await working
        return [kind for kind in kinds if kind not in DELTAS]

    assert finish(read()) == played.kinds[1:]


def test_client_whose_middleware_cannot_stream_is_asked_for_whole_answers(tmp_path: Path) -> None:
    async def count(request: Request, next: Complete) -> Response:
        counted.append(request.model)
        return await next(request)

    counted = list[str]()
    provider = ScriptedProvider(said("ok"))
    client = Client(providers={"openai": provider}, middleware=[count])
    profile = create_profile("openai", model="gpt-test")
    session = Session(profile, local(tmp_path), client=client)
    assert finish(session.submit("Go")).text == "ok"
    assert counted == ["gpt-test"]


def test_adapter_with_complete_only_serves_a_session(tmp_path: Path) -> None:
    class Whole:
        def __init__(self) -> None:
            self.complete = ScriptedProvider(call("glob", pattern="*"), said("All seen.")).complete

    adapter: Any = Whole()
    client = Client(providers={"openai": adapter})
    events: list[SessionEvent] = []
    profile = create_profile("openai", model="gpt-test")
    session = Session(profile, local(tmp_path), client=client, on_event=events.append)
    assert finish(session.submit("Go")).text == "All seen."
    words = [one.data["delta"] for one in events if one.kind is EventKind.ASSISTANT_TEXT_DELTA]
    assert words == ["All", " seen."]
    finish(client.close())


def test_question_of_the_model_awaits_input(tmp_path: Path) -> None:
    played = ScriptedSession(tmp_path, said("Which of the two files?"), said("Done."))
    played.submit()
    assert played.session.state is SessionState.AWAITING_INPUT
    played.submit("The first")
    assert played.session.state is SessionState.IDLE


def test_budget_stops_the_loop(tmp_path: Path) -> None:
    steps = [call("glob", pattern=str(n)) for n in range(9)]
    tokens = ScriptedSession(tmp_path, *steps, config=SessionConfig(max_tokens=220))
    assert tokens.submit().stop is Stop.BUDGET
    assert len(tokens.provider.requests) == 2
    assert tokens.event_data(EventKind.WARNING) == [
        {"message": "the budget of the session is used: 220 of 220 tokens are used"}
    ]
    unknown = ScriptedSession(tmp_path, said("ok"), config=SessionConfig(max_cost_usd=1.0))
    unknown.submit()
    (warning,) = unknown.event_data(EventKind.WARNING)
    assert "does not contain the model gpt-test of openai" in str(warning["message"])


def test_aborted_tool_call_has_an_end(tmp_path: Path) -> None:
    played = ScriptedSession(tmp_path, call("shell", command="sleep 60", timeout_ms=60_000))

    async def abort() -> None:
        working = asyncio.create_task(played.session.submit("Go"))
        await until(lambda: EventKind.TOOL_CALL_START in played.kinds)
        played.session.abort()
        assert (await working).stop is Stop.ABORTED

    finish(abort())
    (end,) = played.event_data(EventKind.TOOL_CALL_END)
    assert end["error"] == "aborted"


def test_output_of_a_tool_is_streamed(tmp_path: Path) -> None:
    async def execute(
        arguments: JsonObject, environment: ExecutionEnvironment, scope: ToolCallScope
    ) -> ToolOutput:
        scope.emit_output("half")
        return ToolOutput("whole", ImageData(data=b"png", media_type="image/png"))

    played = ScriptedSession(tmp_path, call("look"), said("ok"))
    definition = define("look", "For tests.", {}, required=[])
    played.profile.tool_registry.register(RegisteredTool(definition, execute))
    played.submit()
    (delta,) = played.event_data(EventKind.TOOL_CALL_OUTPUT_DELTA)
    assert (delta["tool_name"], delta["delta"]) == ("look", "half")
    (result,) = [part.tool_result for part in played.provider.requests[1].messages[-1].content]
    assert result
    assert (result.content, result.image_data) == ("whole", b"png")


def test_synchronous_tool_runs_beside_the_loop(tmp_path: Path) -> None:
    def execute(arguments: JsonObject, environment: ExecutionEnvironment) -> str:
        return "three"

    played = ScriptedSession(tmp_path, call("count"), said("ok"))
    definition = define("count", "For tests.", {}, required=[])
    played.profile.tool_registry.register(RegisteredTool(definition, execute))
    played.submit()
    assert played.results == [("three", False)]


@table(
    ("provider", "wanted", "is_guarded"),
    [
        ("anthropic", None, True),
        ("openai", None, False),
        ("openai", True, True),
        ("anthropic", False, False),
    ],
)
def test_profile_decides_whether_files_are_read_before_edits(
    tmp_path: Path, provider: str, wanted: bool | None, is_guarded: bool
) -> None:
    (tmp_path / "a").write_text("old")
    model = ScriptedProvider(
        call("write_file", file_path="a", content="new"), said("ok"), name=provider
    )
    session = Session(
        create_profile(provider, model="m"),
        local(tmp_path),
        client=model.client(),
        config=SessionConfig(requires_read_before_edit=wanted),
    )
    finish(session.submit("Go"))
    assert (tmp_path / "a").read_text() == ("old" if is_guarded else "new")


def test_close_aborts_the_current_input(tmp_path: Path) -> None:
    played = ScriptedSession(tmp_path, never)

    async def close() -> InputResult:
        working = asyncio.create_task(played.session.submit("Go"))
        await until(lambda: EventKind.ASSISTANT_TEXT_START in played.kinds)
        await played.session.close()
        return await working

    assert finish(close()).stop is Stop.ABORTED
    assert played.session.state is SessionState.CLOSED
    assert played.kinds[-1] is EventKind.SESSION_END


def test_followups_wait_after_a_limit(tmp_path: Path) -> None:
    played = ScriptedSession(tmp_path, said("one"), config=SessionConfig(max_turns=1))
    played.session.follow_up("And then?")
    played.session.follow_up("And then?")
    assert played.submit().stop is Stop.TURN_LIMIT
    assert sum(isinstance(turn, UserTurn) for turn in played.session.history) == 2


def test_followups_left_at_the_round_limit_come_before_the_next_input(tmp_path: Path) -> None:
    config, looks = SessionConfig(max_tool_rounds_per_input=1), call("glob", pattern="*")
    played = ScriptedSession(tmp_path, looks, looks, said("ok"), said("done"), config=config)
    for words in ("First?", "Second?"):
        played.session.follow_up(words)
    assert played.submit().stop is Stop.ROUND_LIMIT
    assert played.submit("And now?").stop is Stop.COMPLETED
    asked = [one.content for one in played.session.history if isinstance(one, UserTurn)]
    assert asked[1:] == ["First?", "Second?", "And now?"]
    limits = played.event_data(EventKind.TURN_LIMIT)
    assert limits == [{"round": 1, "waiting": 2}, {"round": 1, "waiting": 1}]


def test_changed_profile_changes_the_whole_prompt(tmp_path: Path) -> None:
    played = ScriptedSession(tmp_path, said("one"), said("two"))
    played.submit()
    played.session.profile = replace(played.profile, model="gpt-other")
    played.submit()
    prompts = [request.messages[0].text for request in played.provider.requests]
    assert ["gpt-other" in prompt for prompt in prompts] == [False, True]
    assert "gpt-test" not in prompts[1]


def test_without_subagents_their_tools_are_not_offered(tmp_path: Path) -> None:
    played = ScriptedSession(tmp_path, said("ok"), config=SessionConfig(max_subagent_depth=0))
    played.submit()
    assert "spawn_agent" not in [tool.name for tool in played.provider.requests[0].tools]
    # Another session can use the same profile.
    assert "spawn_agent" in played.profile.tool_registry


def test_time_limit_of_commands_is_not_that_of_other_tools(tmp_path: Path) -> None:
    async def execute(arguments: JsonObject, environment: ExecutionEnvironment) -> str:
        return str(arguments.get("timeout_ms"))

    played = ScriptedSession(tmp_path, call("remote"), said("ok"))
    limit: JsonObject = {"type": "integer"}
    definition = define("remote", "For tests.", {"timeout_ms": limit}, required=[])
    played.profile.tool_registry.register(RegisteredTool(definition, execute))
    played.submit()
    assert played.results == [("None", False)]


def test_failed_call_of_an_earlier_session_shows_no_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    edit = call("edit_file", file_path="a", old_string="old", new_string="new")
    steps = (edit, said("It was refused."), edit, said("Again."))
    model = ScriptedProvider(*steps, name="anthropic")

    async def work() -> None:
        first = Session(
            create_profile("anthropic", model="m"), local(tmp_path), client=model.client()
        )
        await first.submit("Go")
        second = Session(
            create_profile("anthropic", model="m"),
            local(tmp_path),
            client=model.client(),
            history=first.history,
        )
        await second.submit("Go")

    finish(work())
    assert (tmp_path / "a").read_text() == "old"


@table("command", ["echo a\0b", "x" * 200_000])
def test_command_that_cannot_start_goes_back_to_the_model(tmp_path: Path, command: str) -> None:
    played = ScriptedSession(tmp_path, call("shell", command=command), said("ok"))
    assert played.submit().text == "ok"
    ((content, is_error),) = played.results
    assert "the command " in str(content)
    assert is_error


def test_half_a_character_of_a_tool_is_replaced(tmp_path: Path) -> None:
    async def act(arguments: JsonObject) -> str:
        return "a\ud800b"

    played = ScriptedSession(tmp_path, call("half"), said("ok"))
    played.register("half", act)
    played.submit()
    assert played.results == [("a?b", False)]


def test_bare_patch_is_a_call_of_apply_patch(tmp_path: Path) -> None:
    patch = "*** Begin Patch\n*** Add File: a\n+x\n*** End Patch"
    played = ScriptedSession(tmp_path, calls(called("apply_patch", patch)), said("ok"))
    played.submit()
    assert (tmp_path / "a").read_text() == "x\n"


def test_session_without_a_client_waits_minutes_for_a_model_that_thinks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[AdapterTimeout] = []
    make = Client.from_env

    def from_env(*, timeout: AdapterTimeout) -> Client:
        limits.append(timeout)
        return make({"OPENAI_API_KEY": "k"}, timeout=timeout)

    monkeypatch.setattr(Client, "from_env", from_env)
    Session(create_profile("openai", model="gpt-test"), local(tmp_path))
    assert [(one.request, one.stream_read) for one in limits] == [(600, 300)]
