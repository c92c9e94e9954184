"""Hooks around the tool calls of a session."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from attractor.agent.conversation.session import Session
from attractor.agent.conversation.turns import ToolResultsTurn
from attractor.agent.events import EventKind, SessionEvent
from attractor.agent.provider_profile import create_profile
from attractor.agent.tool_calls.hooks import HookedCall, HookTime, ToolHooks
from attractor.agent.tool_calls.tool import RegisteredTool, define
from attractor.base.errors import MachineryError
from attractor.base.json import Json, JsonObject
from attractor.base.processes import ExecResult
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.errors import SandboxLost
from attractor.environments.local import LocalExecutionEnvironment
from attractor.environments.memory import MemoryExecutionEnvironment
from tests.agent.places import finish, local
from tests.agent.scripted import ScriptedProvider, Step, call, called, calls, said
from tests.base.running import is_running
from tests.patience import until, with_longer_limits
from tests.tables import table

TIDY = EventKind.TOOL_HOOK


class HookedSession:
    """A session with hooks and a scripted model, and its events."""

    def __init__(self, folder: Path, *steps: Step, hooks: ToolHooks) -> None:
        self.events: list[SessionEvent] = []
        self.session = Session(
            create_profile("openai", model="gpt-test"),
            local(folder),
            client=ScriptedProvider(*steps).client(),
            hooks=hooks,
            on_event=self.events.append,
        )

    def go(self) -> "HookedSession":
        finish(self.session.submit("Go"))
        return self

    def event_data(self, kind: EventKind = EventKind.TOOL_HOOK) -> list[JsonObject]:
        return [event.data for event in self.events if event.kind is kind]

    @property
    def results(self) -> list[tuple[str, bool]]:
        turns = [turn for turn in self.session.history if isinstance(turn, ToolResultsTurn)]
        return [(str(one.content), one.is_error) for turn in turns for one in turn.results]


def play(folder: Path, *steps: Step, pre: str = "", post: str = "") -> HookedSession:
    return HookedSession(folder, *steps, said("ok"), hooks=ToolHooks(pre=pre, post=post)).go()


WRITE = call("write_file", file_path="a", content="x")


def test_a_call_that_the_hook_lets_through_is_made(tmp_path: Path) -> None:
    done = play(tmp_path, WRITE, pre="echo I have seen it")
    assert done.results == [("Wrote 1 bytes to a", False)]
    (event,) = done.event_data()
    assert event["hook"] == "tool_hooks.pre"
    assert (event["tool_name"], event["call_id"]) == ("write_file", "call_1")
    assert (event["command"], event["output"]) == ("echo I have seen it", "I have seen it")
    assert (event["fault"], event["exit_code"]) == ("", 0)


def test_rejected_call_is_skipped_with_a_reason(tmp_path: Path) -> None:
    done = play(tmp_path, WRITE, pre="echo 'no files, please' >&2; exit 3", post="touch after")
    message = (
        "Skipped: the tool was not run, because of tool_hooks.pre: ended with exit code 3\n"
        "no files, please"
    )
    assert done.results == [(message, True)]
    assert list(tmp_path.iterdir()) == []
    (event,) = done.event_data()
    assert (event["fault"], event["exit_code"]) == ("ended with exit code 3", 3)
    (end,) = done.event_data(EventKind.TOOL_CALL_END)
    assert end["error"] == message


def test_the_events_of_hooks_stand_between_begin_and_end_of_their_call(tmp_path: Path) -> None:
    done = play(tmp_path, WRITE, pre="true", post="true")
    kinds = [one.kind for one in done.events if one.kind.startswith("TOOL_")]
    start, end = EventKind.TOOL_CALL_START, EventKind.TOOL_CALL_END
    assert kinds == [start, TIDY, TIDY, end]


def test_a_call_that_is_not_made_anyway_has_no_hooks(tmp_path: Path) -> None:
    done = play(tmp_path, call("dig"), call("read_file"), pre="touch ran", post="touch ran")
    assert [is_error for _, is_error in done.results] == [True, True]
    assert done.event_data() == []
    assert not (tmp_path / "ran").exists()


def test_post_hook_receives_the_error_of_a_tool(tmp_path: Path) -> None:
    done = play(tmp_path, call("read_file", file_path="gone"), post="cat > told.json")
    record = json.loads((tmp_path / "told.json").read_text())
    assert record["is_error"] is True
    assert record["output"] == done.results[0][0]
    assert record["output"].startswith("Tool error (read_file): ")


def test_hook_receives_the_call_in_variables_and_stdin(tmp_path: Path) -> None:
    written = "grüße\u2028\ud800 '\"$(touch planted)\n"
    message, variables = (
        "tee $TOOL_HOOK_WHEN.json",
        "env | grep ^TOOL_HOOK_ | sort > $TOOL_HOOK_WHEN",
    )
    hooks = ToolHooks(
        pre=f"{message}; {variables}",
        post=f"{message}; {variables}",
        about={"node": "make", "visit": 2},
    )
    tool = RegisteredTool(define("note", "x", {"text": {"type": "string"}}, required=[]), _note)
    done = HookedSession(
        tmp_path, calls(called("note", {"text": written}, id="c\0\n1")), said("ok"), hooks=hooks
    )
    done.session.profile.tool_registry.register(tool)
    done.go()
    call: dict[str, Json] = {
        "tool": "note",
        "call_id": "c\0\n1",
        "arguments": {"text": written},
        "node": "make",
        "visit": 2,
    }
    before, after = [json.loads((tmp_path / f"{one}.json").read_text()) for one in HookTime]
    assert before == {**call, "when": "pre"}
    assert after == {**call, "when": "post", "output": "noted", "is_error": False}
    common = "TOOL_HOOK_NODE=make\nTOOL_HOOK_TOOL=note\nTOOL_HOOK_VISIT=2\n"
    assert (tmp_path / "pre").read_text() == f"TOOL_HOOK_CALL_ID=c\n{common}TOOL_HOOK_WHEN=pre\n"
    assert "TOOL_HOOK_IS_ERROR=false\n" in (tmp_path / "post").read_text()
    assert not (tmp_path / "planted").exists()


async def _note(arguments: JsonObject, environment: ExecutionEnvironment) -> str:
    return "noted"


def run(
    environment: ExecutionEnvironment, command: str, limit: timedelta = timedelta(seconds=60)
) -> tuple[str, str]:
    hooks = ToolHooks(pre=command, time_limit=limit)
    came = finish(hooks.run(HookTime.PRE, HookedCall("shell", "1", {}), environment))
    assert came is not None
    return came.fault, came.words


def test_slow_hook_is_killed_with_its_processes(tmp_path: Path) -> None:
    slow = "sleep 1000 & echo $!; wait"

    def play(limit_s: float) -> None:
        fault, words = run(local(tmp_path), slow, timedelta(seconds=limit_s))
        assert fault.startswith("timed out after ")
        assert not is_running(int(words))

    with_longer_limits(play, first_s=0.3)


def test_missing_hook_command_is_reported(tmp_path: Path) -> None:
    fault, _ = run(local(tmp_path), "no-such-hook")
    assert fault == "command not found: no-such-hook (exit code 127)"


def test_long_hook_output_keeps_both_ends(tmp_path: Path) -> None:
    _, words = run(local(tmp_path), "echo first; yes | head -c 300000; echo last")
    assert words.startswith("first\n")
    assert words.endswith("last")
    assert len(words) < 9_000


def test_a_hook_gets_no_key(tmp_path: Path) -> None:
    environ = {"PATH": "/usr/bin:/bin", "OPENAI_API_KEY": "sk-never-to-be-seen"}
    _, words = run(LocalExecutionEnvironment(tmp_path, environ=environ), "env")
    assert "TOOL_HOOK_TOOL=shell" in words
    assert "never-to-be-seen" not in words


def test_hook_rejects_calls_if_commands_cannot_run() -> None:
    fault, _ = run(MemoryExecutionEnvironment(), "true")
    assert fault.startswith("cannot run: ")


@table("hook", ["", "  \n"])
def test_no_hook_runs_without_a_command(hook: str) -> None:
    environment = MemoryExecutionEnvironment()
    hooks = ToolHooks(pre=hook, post=hook)
    for when in HookTime:
        assert finish(hooks.run(when, HookedCall("shell", "1", {}), environment)) is None
    assert environment.ran == []


class DeadSandbox(MemoryExecutionEnvironment):
    """An environment whose sandbox is dead."""

    async def exec_command(self, command: str, **how: object) -> ExecResult:
        raise SandboxLost


def test_machinery_error_is_not_a_rejection_by_the_hook() -> None:
    hooks = ToolHooks(pre="true")
    with pytest.raises(MachineryError):
        finish(hooks.run(HookTime.PRE, HookedCall("shell", "1", {}), DeadSandbox()))


def test_hook_that_changes_files_runs_alone(tmp_path: Path) -> None:
    """Calls that change files run one after the other, each together with its hooks."""
    mend = "test ! -e busy || touch met; touch busy; sleep 0.05; rm busy"
    writes = [
        called("write_file", {"file_path": name, "content": "x"}, id=name) for name in ("a", "b")
    ]
    done = play(tmp_path, calls(*writes), post=mend)
    assert [one for _, one in done.results] == [False, False]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a", "b"]


def test_a_session_that_is_aborted_ends_the_hook_at_work(tmp_path: Path) -> None:
    async def scene() -> None:
        hooks = ToolHooks(pre="echo $$ > leader; exec sleep 1000")
        done = HookedSession(tmp_path, WRITE, said("never"), hooks=hooks)
        working = asyncio.create_task(done.session.submit("Go"))
        leader = tmp_path / "leader"
        await until(lambda: leader.exists() and leader.read_text())
        done.session.abort()
        await working
        pid = int(leader.read_text())
        assert not is_running(pid)
        assert not (tmp_path / "a").exists()

    finish(scene())


def test_a_hook_may_refuse_one_tool_and_let_the_others_through(tmp_path: Path) -> None:
    tests_first = 'test "$TOOL_HOOK_TOOL" != note || { echo run the tests first; exit 1; }'
    done = HookedSession(
        tmp_path,
        calls(called("note", {})),
        WRITE,
        said("ok"),
        hooks=ToolHooks(pre=tests_first),
    )
    done.session.profile.tool_registry.register(
        RegisteredTool(define("note", "x", {}, required=[]), _note)
    )
    done.go()
    assert [one for _, one in done.results] == [True, False]
