"""Coding-agent-loop 9.4: requirements on the agent."""

from pathlib import Path

from attractor.agent.conversation.session import Session
from attractor.agent.events import EventKind, SessionConfig
from attractor.agent.provider_profile import create_profile
from attractor.base.processes import ExecResult
from attractor.environments.local import LocalExecutionEnvironment
from tests.agent.places import finish
from tests.agent.scripted import ScriptedProvider, call, said
from tests.agent.twinned import WIRES, says, submit, talk, use, uses
from tests.tables import table


class Timed(LocalExecutionEnvironment):
    """Records the time limits of its commands."""

    limits: tuple[int, ...] = ()

    async def exec_command(self, command: str, *, timeout_ms: int, **more: object) -> ExecResult:
        if not command.startswith("git"):
            self.limits += (timeout_ms,)
        return ExecResult("", "", 0, False, 1)


def limits(folder: Path, provider: str, config: SessionConfig, **arguments: int) -> tuple[int, ...]:
    model = ScriptedProvider(call("shell", command="true", **arguments), said("ok"), name=provider)
    environment = Timed(folder, environ={})
    profile = create_profile(provider, model="m")
    session = Session(profile, environment, client=model.client(), config=config)
    finish(session.submit("Go"))
    return environment.limits


def test_9_4_a_command_has_ten_seconds_by_default(tmp_path: Path) -> None:
    assert limits(tmp_path, "openai", SessionConfig()) == (10_000,)


def test_9_4_anthropics_default_is_two_minutes(tmp_path: Path) -> None:
    """Ruling A1."""
    assert limits(tmp_path, "anthropic", SessionConfig()) == (120_000,)


@table("provider", WIRES)
def test_9_4_a_call_has_its_own_time_limit_up_to_the_maximum(tmp_path: Path, provider: str) -> None:
    config = SessionConfig(max_command_timeout_ms=60_000)
    assert limits(tmp_path, provider, config, timeout_ms=20_000) == (20_000,)
    assert limits(tmp_path, provider, config, timeout_ms=90_000) == (60_000,)


@table("wire", WIRES)
def test_9_4_model_gets_the_timeout_of_a_command(tmp_path: Path, wire: str) -> None:
    slow = use("shell", {"command": "echo begun; sleep 30", "timeout_ms": 200})
    done = talk(tmp_path, wire, [uses(slow), says("I see")], submit("Go"))
    error = str(done.data_of(EventKind.TOOL_CALL_END)[0]["error"])
    assert "begun\n[ERROR: Command timed out after 200ms." in error
    assert "Command timed out after 200ms" in done.last_request
