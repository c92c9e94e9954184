"""A project: observers, secrets of the environment, and rule levels."""

import asyncio
import threading
import time
from io import StringIO
from pathlib import Path

import pytest

from attractor.base.errors import ExitCode, UsageError
from attractor.base.events import Event
from attractor.config.configuration import Configuration
from attractor.config.load import load_configuration
from attractor.config.settings import Settings
from attractor.language.diagnostics import NotRunnable
from attractor.language.linting.validate import VITAL, Level, rule_names
from attractor.pipeline.execute import resume
from attractor.pipeline.project import console as module
from attractor.pipeline.project.console import Console, ObserverSubscriptions
from attractor.pipeline.project.machine import Machine
from attractor.pipeline.project.project import Project, project_from
from attractor.pipeline.project.rule_levels import rule_levels
from attractor.records.request import Overrides, RunRequest
from tests.engine.graphs import line
from tests.engine.runs import Workplace
from tests.patience import PATIENCE_S
from tests.pipeline.projects import adjusted, make_project, open_project, simulated, start


def test_secrets_for_mcp_servers_are_redacted(tmp_path: Path) -> None:
    (tmp_path / "attractor.toml").write_text(
        "[agent.mcp.a]\ncommand = 'run'\nenv = {API_KEY = 'key-of-a-tool', MODE = 'careful'}\n"
        "[agent.mcp.b]\nurl = 'https://h/'\nheaders = {Authorization = 'Bearer 0123-abcd'}\n"
    )
    configuration = load_configuration(
        start=tmp_path, cwd=tmp_path, environ={}, user_file=tmp_path / "user.toml"
    )
    machine = Machine(state_dir=tmp_path / "state", environ={})
    console = Console(input=StringIO(), output=StringIO())
    opened = project_from(configuration, machine=machine, console=console)
    assert opened.redactor.text("key-of-a-tool, 0123-abcd, careful") == "***, ***, careful"


def test_every_observer_gets_every_event(tmp_path: Path) -> None:
    heard: list[str] = []

    def slowly(event: Event) -> None:
        time.sleep(0.02)
        heard.append(event.type)

    async def scene() -> list[str]:
        news = ObserverSubscriptions()
        first, second = (
            stack.open() for stack in (workplace(tmp_path, "one"), workplace(tmp_path, "two"))
        )
        with first, second:
            for run in (first, second):
                news.subscribe(run.events, slowly)
                for number in range(3):
                    run.emit(f"Kind{number}", {})
            await news.catch_up()
            return list(heard)

    assert sorted(asyncio.run(scene())) == sorted(["Kind0", "Kind1", "Kind2"] * 2)


def test_slow_observer_is_not_awaited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CATCH_UP_S", 0.05)
    go_on, has_ended = threading.Event(), threading.Event()

    def stay(event: Event) -> None:
        go_on.wait(PATIENCE_S)
        has_ended.set()

    with workplace(tmp_path, "one").open() as run:
        news = ObserverSubscriptions()
        news.subscribe(run.events, stay)
        run.emit("Kind", {})
        asyncio.run(news.catch_up())
        assert not has_ended.is_set()
        go_on.set()


def workplace(folder: Path, name: str) -> Workplace:
    return Workplace(folder / name, line("a"))


LEAK = "real-secret-0815 and\nWORD, not my-WORDS\n"
ASKS = """digraph asks {
    inputs = "%s"
    start [shape=Mdiamond]; exit [shape=Msquare]
    say [shape=parallelogram, tool_command="cat leak.txt"]
    ask [shape=hexagon]
    start -> say -> ask
    ask -> exit [label="Go on"]
}
"""


def world_at(folder: Path, inputs: str = "plain=", *, leak: str = LEAK, **environ: str) -> Project:
    """Make a project whose run asks a question, so that it has to be resumed."""
    plain = open_project(make_project(folder / "project", ASKS % inputs, **{"leak.txt": leak}))
    return adjusted(plain, environ={**plain.machine.environ, **environ})


def options(opened: Project, **inputs: str) -> RunRequest:
    return simulated(opened.root, inputs=inputs, interviewer="park")


@pytest.mark.parametrize(
    "word", ["whatever", "completed", "executing", "isolated", "progress", "StageCompleted", "hush"]
)
def test_common_word_as_secret_is_redacted_and_reported(tmp_path: Path, word: str) -> None:
    messages: list[str] = []
    leak = LEAK.replace("WORD", word)
    opened = world_at(tmp_path, leak=leak, DB_PASSWORD=word, MY_TOKEN="real-secret-0815")
    opened = adjusted(opened, tell=messages.append)
    parked = asyncio.run(start(options(opened), opened))
    assert parked.question is not None, parked.reason
    root = parked.directory
    (first,) = [one for one in messages if "DB_PASSWORD" in one]
    assert "env -u DB_PASSWORD" in first
    assert word not in first
    assert "MY_TOKEN" not in first
    redacted = LEAK.replace("real-secret-0815", "***").replace("WORD,", "***,")
    expected = redacted.replace("WORD", "***" if len(word) >= 8 else word)
    assert (root / "say" / "stdout.txt").read_text() == expected
    assert f"and\\n{word}, not" not in (root / "events.jsonl").read_text()
    messages.clear()
    ended = asyncio.run(resume(root, opened, Overrides(interviewer="auto_approve")))
    assert ended.exit_code is ExitCode.DONE
    assert sum("DB_PASSWORD" in one for one in messages) == 1


def test_redaction_does_not_read_the_source_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "rglob", None)
    opened = world_at(tmp_path, DB_PASSWORD="whatever")
    assert opened.redactor.members({"password": "It is whatever."}) == {"password": "It is ***."}


def test_secret_that_cannot_be_redacted_is_refused(tmp_path: Path) -> None:
    opened = world_at(tmp_path, B_KEY="", C_KEY="a longer value", ATTRACTOR_INPUT_OTHER="1")
    for value in ("abc", " x ", "12345", "2026-11-21"):
        opened = adjusted(opened, environ={**opened.machine.environ, "A_KEY": value})
        with pytest.raises(NotRunnable, match="the value of the variable A_KEY has") as refused:
            asyncio.run(start(options(opened), opened))
        assert len(refused.value.faults) == 1
        assert "env -u A_KEY" in refused.value.hint
        assert not opened.runs_dir.exists()


def test_redacted_values_are_not_reported(tmp_path: Path) -> None:
    messages: list[str] = []
    opened = world_at(tmp_path, DB_PASSWORD="real-secret-0815")
    asyncio.run(start(options(opened), adjusted(opened, tell=messages.append)))
    assert messages
    assert not any("secret" in line for line in messages)


def test_record_word_as_secret_input_is_refused(tmp_path: Path) -> None:
    opened = world_at(tmp_path, "token:secret", ATTRACTOR_INPUT_TOKEN="executing")
    with pytest.raises(NotRunnable, match="secret input token occurs in the records") as refused:
        asyncio.run(start(options(opened), opened))
    assert "executing" not in str(refused.value)
    assert not opened.runs_dir.exists()


def test_a_path_that_holds_a_secret_is_refused_by_the_name_of_the_variable(tmp_path: Path) -> None:
    opened = world_at(tmp_path / "hush-hush-hush", DB_PASSWORD="hush-hush-hush")
    with pytest.raises(
        NotRunnable, match="contains the value of the variable DB_PASSWORD"
    ) as refused:
        asyncio.run(start(options(opened), opened))
    assert "env -u DB_PASSWORD" in refused.value.hint


def configured(
    folder: Path, *flags: str, project: str = "", user: str = ""
) -> Configuration[Settings]:
    (folder / "attractor.toml").write_text(project)
    (folder / "user.toml").write_text(user)
    return load_configuration(
        start=folder,
        cwd=folder,
        environ={"HOME": str(folder)},
        flags=flags,
        user_file=folder / "user.toml",
    )


def test_project_sets_the_level_of_a_rule(tmp_path: Path) -> None:
    text = '[rules]\nreachability = "warning"\nportability = "off"\nunused_ignore = "info"\n'
    assert rule_levels(configured(tmp_path, project=text)) == {
        "reachability": Level.WARNING,
        "portability": Level.OFF,
        "unused_ignore": Level.INFO,
    }


def test_rules_keep_their_level_by_default(tmp_path: Path) -> None:
    assert rule_levels(configured(tmp_path)) == {}


def test_a_flag_wins_over_the_project(tmp_path: Path) -> None:
    configuration = configured(
        tmp_path, "rules.reachability=off", project='[rules]\nreachability = "warning"\n'
    )
    assert rule_levels(configuration) == {"reachability": Level.OFF}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('reachabilty = "off"', "did you mean reachability?"),
        ('zzz = "off"', "see 'attractor rules'"),
        ('"a b.c" = "off"', "unknown rule a b.c"),
        ('start_node = "info"', "a pipeline with this error cannot run"),
    ],
)
def test_setting_error_has_its_line(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        rule_levels(configured(tmp_path, project=f"\n[rules]\n{line}\n"))
    assert "attractor.toml:3: " in caught.value.message
    assert words in f"{caught.value.message} {caught.value.hint}"


def test_all_setting_errors_are_reported_together(tmp_path: Path) -> None:
    text = '[rules]\nzzz = "off"\nyyy = "off"\n'
    with pytest.raises(UsageError) as caught:
        rule_levels(configured(tmp_path, project=text))
    assert {"zzz", "yyy"} <= set(caught.value.message.replace(":", " ").split())


def test_vital_rule_may_be_set_to_error(tmp_path: Path) -> None:
    text = '[rules]\nstart_node = "error"\n'
    assert rule_levels(configured(tmp_path, project=text)) == {"start_node": Level.ERROR}


def test_a_user_does_not_change_how_a_project_is_judged(tmp_path: Path) -> None:
    configuration = configured(tmp_path, user='[rules]\nreachability = "off"\n')
    with pytest.raises(
        UsageError, match=r"rules.reachability can only be set in the project"
    ) as caught:
        rule_levels(configuration)
    assert "attractor.toml" in caught.value.hint


def test_every_vital_rule_has_a_name() -> None:
    assert rule_names() >= VITAL
    assert {"portability", "unused_ignore", "undeclared_node"} <= rule_names()
