"""Outside agents continue sessions, receive messages, obey limits, and start in a sandbox."""

import asyncio
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from attractor import RunResult
from attractor.backends import outside
from attractor.backends.models import ModelDefaults
from attractor.backends.registry import BackendParts, NeedsProgram, OutsideParts, backend_registry
from attractor.base.errors import ExitCode
from attractor.config.logins import AllowedLogins
from attractor.engine.outcome import Outcome, describe_usage
from attractor.engine.questions.question import Answer, Question
from attractor.environments.errors import PORTS_HINT
from attractor.environments.local import LocalExecutionEnvironment
from attractor.environments.sandbox.landlock import MIN_ABI, landlock_abi
from attractor.twins.script.script import parse_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.backends.login_service import LoginService
from tests.engine.walk.test_approvals import Says
from tests.handlers.stages import Play, graph, node
from tests.patience import PATIENCE_S, until, wait_until, with_longer_limits
from tests.spec.runs import between, environ_for, events, project_in, record, run
from tests.tables import table
from tests.without_namespaces import without_ports

STUB = Path(__file__).with_name("stub_agent.py").read_text("utf-8")
TWO = between(
    "default_fidelity=full; thread_id=main; default_max_retry=0",
    'one [prompt="{one}"]',
    'two [prompt="{two}"]',
    "start -> one -> two -> exit",
)

LIMITED = """
[[rules]]
first = 1
[rules.answer.fault]
kind = "status"
status = 429
code = "usage_limit_reached"
message = "The usage limit has been reached"
retry_after = "4s"

[[rules]]
answer = { text = "Seven." }
"""


def install(folder: Path, name: str) -> Mapping[str, str]:
    """Install the stub as npm does, in a folder of the operator; return the environment."""
    package = folder / "npm" / "node_modules" / name
    package.mkdir(parents=True)
    (package / name).write_text(f"#!{Path(sys.executable).resolve()}\n{STUB}")
    (package / name).chmod(0o755)
    programs = folder / "npm" / "bin"
    programs.mkdir()
    (programs / name).symlink_to(package / name)
    environ = environ_for(folder)
    keys = {"OPENAI_API_KEY": "sk-of-the-operator", "ANTHROPIC_API_KEY": "sk-of-the-operator"}
    return {**environ, **keys, "PATH": f"{programs}:{environ['PATH']}"}


def two_stages(folder: Path, one: str, two: str, *, most: int = 10_000) -> RunResult:
    text = TWO.replace("{one}", one).replace("{two}", two)
    return run(folder, text, backend="codex", environ=install(folder, "codex"), max_tokens=most)


def prompts(folder: Path) -> list[str]:
    return (project_in(folder) / "prompts.txt").read_text().split("\n=====\n")[:-1]


def test_a_stage_continues_the_session_of_its_thread(tmp_path: Path) -> None:
    result = two_stages(tmp_path, "first report", "then report")
    assert result.completed == ("start", "one", "two")
    assert (result.directory / "two" / "response.md").read_text() == "Turn 2."
    [continued] = events(result, "ThreadContinued")
    assert continued.data == {"thread": "main", "stages": 1, "last": "one@1.1"}
    # codex reports the tokens of the whole session, not of the turn.
    assert record(result, "one/status.json")["usage"] == record(result, "two/status.json")["usage"]
    assert (result.usage.input_tokens, result.usage.output_tokens) == (200, 2)
    [started, _] = events(result, "SESSION_START")
    assert (started.data["program"], started.data["version"]) == ("codex", "7.8.9")


def test_a_reminder_continues_the_session(tmp_path: Path) -> None:
    result = two_stages(tmp_path, "first", "then report")
    [first, reminder, _] = prompts(tmp_path)
    assert first.startswith("first\n")
    assert reminder.startswith("You ended without a valid report.")
    assert (result.directory / "one" / "response.md").read_text() == "Turn 1."
    assert result.usage.input_tokens == 300


def test_a_program_continues_its_session_after_a_limit_of_its_account(tmp_path: Path) -> None:
    result = two_stages(tmp_path, "limited", "then report")
    assert result.completed == ("start", "one", "two")
    [_, continued, *_] = prompts(tmp_path)
    assert continued.startswith("A limit of the account interrupted your work")
    assert record(result, "one/status.json")["attempt"] == 1
    [waited] = events(result, "StageWaiting")
    assert (waited.data["reason"], waited.node) == ("limit", "one")
    assert not events(result, "StageFailed", "StageRetrying")


def test_a_limit_that_the_model_proxy_sees_ends_the_program_until_its_reset(tmp_path: Path) -> None:
    with in_background(ProviderTwin(parse_script(LIMITED))) as twin:
        environ = {**install(tmp_path, "codex"), **twin.environ()}
        text = TWO.replace("{one}", "first call, then report").replace("{two}", "then report")
        result = run(tmp_path, text, backend="codex", environ=environ)
        assert [asked.status for asked in twin.requests] == [429, 200]
    assert result.completed == ("start", "one", "two")
    assert record(result, "one/status.json")["attempt"] == 1
    [waited] = events(result, "StageContinued")
    assert 2 < float(str(waited.data["seconds"])) < 10
    assert not events(result, "StageFailed", "StageRetrying")


def test_a_login_that_is_not_accepted_is_a_limit_until_a_person_logs_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outside, "_LOGIN_AGAIN", timedelta(seconds=1))
    with (
        in_background(ProviderTwin(parse_script('[[rules]]\nanswer.text = "Hi."'))) as twin,
        LoginService(twin.base_url("anthropic")) as service,
    ):
        service.write_claude(tmp_path, expires_in=0)
        service.is_revoked = True
        environ = {**install(tmp_path, "claude"), **service.environ(tmp_path)}
        del environ["ANTHROPIC_API_KEY"]
        state = AllowedLogins(Path(environ["ATTRACTOR_STATE_DIR"]))
        state.allow("claude", by="ann", now=datetime(2026, 1, 2, tzinfo=UTC))

        def log_in() -> None:
            assert wait_until(lambda: service.refused >= 2)
            service.write_claude(tmp_path)

        with ThreadPoolExecutor(1) as pool:
            person = pool.submit(log_in)
            text = between('one [prompt="call, then report"]', "start -> one -> exit")
            result = run(tmp_path, text, backend="claude", environ=environ, max_cost_usd=1e-6)
            person.result()
    # A budget of money does not count what a subscription pays.
    assert result.completed == ("start", "one")
    waited = events(result, "StageWaiting")
    assert result.usage.subscription_usd == result.usage.cost_usd > 0
    assert describe_usage(result.usage).startswith("subscription (list price $")
    assert waited[0].data["reason"] == "limit"
    assert "log in: type /login in claude" in str(waited[0].data)
    assert not events(result, "StageFailed", "StageRetrying")


def test_a_lost_session_is_replaced_by_a_summary(tmp_path: Path) -> None:
    result = two_stages(tmp_path, "first report and forget", "then report")
    assert result.completed == ("start", "one", "two")
    [_, lost, _] = events(result, "WARNING")
    assert lost.node == "two"
    assert "cannot continue its session: ended with exit status 1: no session" in str(lost.data)
    assert "- one (success)" in prompts(tmp_path)[-1]


def test_a_budget_ends_the_program(tmp_path: Path) -> None:
    result = two_stages(tmp_path, "first", "then report", most=100)
    assert result.exit_code is ExitCode.UNFINISHED
    assert len(prompts(tmp_path)) == 1


def test_claude_reads_messages_while_it_works(tmp_path: Path) -> None:
    environ = install(tmp_path, "claude")
    parts = BackendParts(outside=OutsideParts(environ=environ, defaults=ModelDefaults()))
    backend = backend_registry()["claude"](parts)
    place = LocalExecutionEnvironment(tmp_path, environ=environ)
    play = Play(graph(node("work", prompt="-")), "work", environment=place)

    async def scene() -> Outcome | str:
        working = asyncio.create_task(backend.run(play.stage, "report and wait"))
        await until(lambda: (tmp_path / "waiting").exists())
        assert await backend.steer("work@1.1", "hurry")
        outcome = await working
        assert not await backend.steer("work@1.1", "too late")
        return outcome

    outcome = asyncio.run(asyncio.wait_for(scene(), PATIENCE_S))
    assert isinstance(outcome, Outcome)
    assert (outcome.status, outcome.usage.cost_usd) == ("success", 0.25)
    assert play.files.texts["response.md"] == "hurry"
    assert "STEERING_INJECTED" in play.events.kinds
    assert play.events.kinds[-1] == "SESSION_END"


@pytest.mark.usefixtures("kind_allowed")
@pytest.mark.parametrize("sandbox", ["bubblewrap", "landlock"])
def test_a_program_of_the_operator_starts_inside_a_sandbox(sandbox: str, tmp_path: Path) -> None:
    environ = install(tmp_path, "codex")
    text = between('work [prompt="report"]', "start -> work -> exit")
    result = run(
        tmp_path,
        text,
        backend="codex",
        environ=environ,
        sandbox=sandbox,
        workspace="copy",
    )
    assert record(result, "work/status.json")["outcome"] == "success"
    # The session files of codex are not in the home folder of the operator.
    assert not (tmp_path / ".codex").exists()


@pytest.mark.skipif(landlock_abi() < MIN_ABI, reason="needs a newer Landlock")
def test_a_sandbox_without_ports_is_refused_before_the_first_stage(tmp_path: Path) -> None:
    file = project_in(tmp_path) / "pipeline.dot"
    file.write_text(between('work [prompt="report"]', "start -> work -> exit"))
    words = ["run", file.name, "--backend", "codex", "--sandbox", "landlock"]
    ended = without_ports(*words, folder=file.parent, variables=install(tmp_path, "codex"))
    assert ended.returncode == 2, ended.stderr
    assert "node work: backend=codex: commands in the Landlock sandbox" in ended.stderr
    assert PORTS_HINT in ended.stderr


@table(
    ("login", "sandbox", "is_ready"),
    [(True, "none", True), (False, "none", False), (True, "auto", False)],
)
def test_a_login_replaces_the_key_without_a_sandbox(
    tmp_path: Path, login: bool, sandbox: str, is_ready: bool
) -> None:
    environ = {**install(tmp_path, "codex"), "OPENAI_API_KEY": "", "CODEX_HOME": str(tmp_path)}
    (tmp_path / ".codex").mkdir()
    if login:
        (tmp_path / ".codex" / "auth.json").write_text("{}")
    parts = OutsideParts(environ=environ, defaults=ModelDefaults(), is_sandboxed=sandbox != "none")
    backend = backend_registry()["codex"](BackendParts(outside=parts))
    assert isinstance(backend, NeedsProgram)
    faults = [*backend.find_missing([node("work")], [])]
    assert bool(faults) != is_ready
    for one in faults:
        assert "OPENAI_API_KEY" in one.fix
        assert "~/.codex/auth.json" in one.fix


class Late(Says):
    """A person who allows a call after a time."""

    after_s = 0.0

    async def ask(self, question: Question) -> Answer:
        await asyncio.sleep(self.after_s)
        return await super().ask(question)


def test_time_of_a_question_does_not_count(tmp_path: Path) -> None:
    def scene(limit_s: float) -> None:
        text = between(
            f'work [prompt="permit report", permissions=ask, timeout="{limit_s:g}s"]',
            "start -> work -> exit",
        )
        environ = install(tmp_path / f"{limit_s:g}", "claude")
        person = Late("allow")
        person.after_s = 1.2 * limit_s
        result = run(tmp_path, text, backend="claude", environ=environ, interviewer=person)
        assert result.exit_code == ExitCode.DONE, result.reason

    with_longer_limits(scene, first_s=2)
