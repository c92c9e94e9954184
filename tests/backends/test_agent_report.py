"""Reports of agents: valid and invalid fields; hooks of a stage and of its graph."""

from pathlib import Path

import pytest

from attractor.backends.agent import Agent
from attractor.backends.agent_report import LARGEST, hooks_of, status_file_in
from attractor.backends.models import AgentParts
from attractor.backends.registry import BackendParts
from attractor.engine.errors import InvalidReport
from attractor.engine.outcome import Outcome, StageStatus
from attractor.environments.local import LocalExecutionEnvironment
from attractor.environments.memory import MemoryExecutionEnvironment
from attractor.language.source.syntax_tree import Plain
from tests.agent.places import finish, local
from tests.agent.scripted import ScriptedProvider, call, said
from tests.handlers.stages import Play, graph, node
from tests.tables import table


def place(folder: Path) -> LocalExecutionEnvironment:
    work, temporary = folder / "work", folder / "temporary"
    work.mkdir()
    temporary.mkdir()
    return LocalExecutionEnvironment(work, environ={"TMPDIR": str(temporary)})


def never(words: str) -> None:
    raise AssertionError(words)


async def take_three_times(folder: Path, command: str) -> list[str | None]:
    """Take the status file three times: before a command, after it, and again."""
    environment = place(folder)
    async with status_file_in(environment, warn=never) as file:
        assert file is not None
        before = await file.take()
        await environment.exec_command(command, timeout_ms=5_000, env_vars={"file": file.path})
        return [before, await file.take(), await file.take()]


def test_status_file_is_taken_once(tmp_path: Path) -> None:
    assert finish(take_three_times(tmp_path, """printf '{"a": "ü"}' > "$file" """)) == [
        None,
        '{"a": "ü"}',
        None,
    ]


def test_report_file_is_removed_and_not_committed(tmp_path: Path) -> None:
    finish(take_three_times(tmp_path, "true"))
    assert list((tmp_path / "work").iterdir()) == []
    assert list((tmp_path / "temporary").iterdir()) == []


@table(
    ("command", "message"),
    [
        ('mkdir "$file"', "is not a regular file"),
        ('mkfifo "$file"', "is not a regular file"),
        ('ln -s /nowhere "$file"', "is not a regular file"),
        (f'head -c {LARGEST + 1} /dev/zero | tr "\\0" x > "$file"', f"larger than {LARGEST}"),
        (f'printf "ü%.0s" $(seq {LARGEST // 2 + 1}) > "$file"', f"larger than {LARGEST}"),
    ],
)
def test_special_or_large_status_file_is_refused(
    tmp_path: Path, command: str, message: str
) -> None:
    with pytest.raises(InvalidReport, match=message):
        finish(take_three_times(tmp_path, command))


def test_no_status_file_without_commands() -> None:
    async def is_none() -> bool:
        async with status_file_in(MemoryExecutionEnvironment(), warn=never) as file:
            return file is None

    assert finish(is_none())


def test_read_only_environment_has_no_status_file_but_a_warning(tmp_path: Path) -> None:
    messages: list[str] = []

    async def is_none() -> bool:
        nowhere = {"TMPDIR": str(tmp_path / "nowhere")}
        environment = LocalExecutionEnvironment(tmp_path, environ=nowhere)
        async with status_file_in(environment, warn=messages.append) as file:
            return file is None

    assert finish(is_none())
    (words,) = messages
    assert words.startswith("ATTRACTOR_STATUS_FILE is not set")
    assert "nowhere" in words


PRE, POST = "tool_hooks.pre", "tool_hooks.post"


@table(
    ("of_graph", "of_node", "pre", "post"),
    [
        ({}, {}, "", ""),
        ({PRE: "look", POST: "log"}, {}, "look", "log"),
        ({PRE: "look", POST: "log"}, {PRE: "look here"}, "look here", "log"),
        ({PRE: "look"}, {PRE: "", POST: "log"}, "", "log"),
    ],
)
def test_hooks_of_the_node_override_hooks_of_the_graph(
    of_graph: dict[str, Plain], of_node: dict[str, Plain], pre: str, post: str
) -> None:
    hooks = hooks_of(Play(graph(node("make", **of_node), **of_graph), "make").stage)
    assert (hooks.pre, hooks.post) == (pre, post)


def test_hook_receives_the_attempt() -> None:
    hooks = hooks_of(Play(graph(node("make")), "make").stage)
    assert dict(hooks.about) == {"node": "make", "visit": 1, "attempt": 1}


def test_a_report_that_the_hook_holds_back_twice_fails_the_stage(tmp_path: Path) -> None:
    hold = 'test "$TOOL_HOOK_TOOL" != report_outcome || { echo run the tests first; exit 1; }'
    whole = graph(node("make", **{PRE: hold}))
    report = call("report_outcome", outcome="success")
    provider = ScriptedProvider(report, report, said("never"))
    parts = AgentParts(client=provider.client(), model="gpt-test", provider="openai")
    play = Play(whole, "make", environment=local(tmp_path))
    outcome = finish(Agent(BackendParts(agent=parts)).run(play.stage, "Make it"))
    assert isinstance(outcome, Outcome)
    assert outcome.status is StageStatus.FAIL
    assert "tool_hooks.pre: ended with exit code 1\nrun the tests first" in outcome.failure_reason
    assert play.events.kinds.count("TOOL_HOOK") == 2
