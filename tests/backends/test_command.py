"""Stages run by a command of the user, which reports in the status file."""

import asyncio
import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from attractor import RunResult
from attractor.backends import outside, programs
from attractor.backends.models import ModelDefaults
from attractor.backends.registry import BackendParts, OutsideParts, backend_registry
from attractor.config.settings import BackendsSettings, ProgramSettings
from attractor.environments.local import LocalExecutionEnvironment
from attractor.language.diagnostics import NotRunnable
from tests.base.running import is_running
from tests.handlers.stages import Play, graph, node
from tests.patience import PATIENCE_S, until
from tests.spec.runs import between, environ_for, events, project_in, record, run
from tests.tables import table

GRAPH = between("work [prompt={prompt}, {more}]", "start -> work", "work -> exit [label=Done]")
REPORTS = """echo '{"outcome": "success", "notes": "done"}' > $ATTRACTOR_STATUS_FILE"""


def work(
    folder: Path,
    script: str,
    *,
    more: str = "",
    prompt: str = '"Do it"',
    provider: str = "",
    environ: Mapping[str, str] | None = None,
) -> RunResult:
    """Run one stage with a shell script as its agent."""
    project = project_in(folder)
    (project / "agent.sh").write_text(script)
    settings = f'provider = "{provider}"' if provider else ""
    toml = f'[backends.command]\nrun = "bash agent.sh"\n{settings}\n'
    (project / "attractor.toml").write_text(toml)
    text = GRAPH.replace("{prompt}", prompt).replace("{more}", more)
    return run(folder, text, backend="command", environ=environ or environ_for(folder))


def test_a_command_gets_the_prompt_and_its_report_counts(tmp_path: Path) -> None:
    script = (
        f"cat > input.txt; cat $ATTRACTOR_PROMPT_FILE > file.txt; echo Well.; {REPORTS}; exit 3"
    )
    result = work(tmp_path, script)
    stage, project = result.directory / "work", project_in(tmp_path)
    sent = (stage / "prompt.md").read_text()
    assert sent.startswith("Do it\n")
    assert 'the way the pipeline should take, one of "Done".' in sent
    assert (project / "input.txt").read_text() == (project / "file.txt").read_text() == sent
    status = record(result, "work/status.json")
    # The report decides the outcome, not the exit status.
    assert (status["outcome"], status["notes"]) == ("success", "done")
    assert (stage / "response.md").read_text() == "Well.\n"
    kinds = [one.type for one in events(result) if one.node == "work"]
    assert [one for one in kinds if one.isupper()] == [
        *("SESSION_START", "USER_INPUT", "ASSISTANT_TEXT_START", "ASSISTANT_TEXT_END"),
        "SESSION_END",
    ]


@table(
    ("asked", "settings", "model"),
    [
        ("gpt-5.2", "", "gpt-5.2"),
        ("opus", "", "claude-opus-5-5"),
        ("home-made", "", "home-made"),
        ("", '[llm]\nmodel = "gpt-5.2"', "gpt-5.2"),
        ("home-made", 'provider = "anthropic"', "home-made"),
        ("", 'provider = "anthropic"\n[llm]\nmodel = "gpt-5.2"', ""),
    ],
)
def test_command_gets_the_model_of_the_run(
    tmp_path: Path, asked: str, settings: str, model: str
) -> None:
    line = json.dumps(f'printf %s "$ATTRACTOR_MODEL" > model.txt; {REPORTS}')
    toml = f"[backends.command]\nrun = {line}\n{settings}\n"
    (project_in(tmp_path) / "attractor.toml").write_text(toml)
    text = GRAPH.replace("{prompt}", '"Do it"').replace(", {more}", "")
    environ = {**environ_for(tmp_path), "ANTHROPIC_API_KEY": "sk-of-the-test"}
    run(tmp_path, text, backend="command", model=asked, environ=environ)
    assert (project_in(tmp_path) / "model.txt").read_text() == model


@table(
    ("more", "model", "provider", "words"),
    [
        ("", "gpt-5.2", "", "nodes one, two: .* the model 'gpt-5.2' of openai"),
        ("", "", "gemini", "nodes one, two: .* models of gemini"),
        ("llm_provider=anthropic", "gpt-5.2", "", "node two: .* 'gpt-5.2' of openai"),
        ('llm_model="gpt-5.2"', "", "", "node one: .* the model 'gpt-5.2' of openai"),
    ],
)
def test_model_that_a_program_cannot_use_is_refused_by_name(
    tmp_path: Path, more: str, model: str, provider: str, words: str
) -> None:
    toml = '[backends.command]\nrun = "true"\nprovider = "anthropic"\n'
    (project_in(tmp_path) / "attractor.toml").write_text(toml)
    environ = {**environ_for(tmp_path), "ANTHROPIC_API_KEY": "sk-of-the-test"}
    text = between(f"one [prompt=a, {more}]", "two [prompt=b]", "start -> one -> two -> exit")
    with pytest.raises(NotRunnable) as refused:
        run(tmp_path, text, backend="command", environ=environ, model=model, provider=provider)
    [fault] = refused.value.faults
    assert re.search(f"{words}.* choose a model of anthropic", f"{fault.message} {fault.fix}")


LIMITED = "echo 'Session limit reached · try again in 1 second'"


def test_words_of_an_agent_that_ended_well_are_no_limit_of_its_account(tmp_path: Path) -> None:
    result = work(tmp_path, f"{LIMITED}; [ -e before ] && {REPORTS}; touch before")
    assert result.completed == ("start", "work")
    assert not events(result, "StageWaiting")


def test_a_command_that_fails_with_the_message_of_a_limit_waits(tmp_path: Path) -> None:
    result = work(tmp_path, f"[ -e before ] || {{ touch before; {LIMITED}; exit 1; }}; {REPORTS}")
    assert result.completed == ("start", "work")
    assert len(events(result, "StageWaiting")) == 1
    assert record(result, "work/status.json")["attempt"] == 1


SECOND = "[ -e before ] && {then}; touch before; {first}"


@table(
    ("script", "more", "outcome", "reason", "runs"),
    [
        ("echo Well.", "", "success", "", 2),
        ("echo Well.", "goal_gate=true", "fail", "no_verdict", 2),
        ("true", "", "fail", "command ended without an answer", 1),
        ("echo Oh. >&2; exit 7", "", "fail", "command ended with exit status 7: Oh.", 1),
        ("echo '{' > $ATTRACTOR_STATUS_FILE", "", "fail", "invalid report: ", 2),
    ],
    ids=["prose", "verdict", "silence", "failure", "malformed"],
)
def test_outcome_of_a_command_without_a_report(
    tmp_path: Path, script: str, more: str, outcome: str, reason: str, runs: int
) -> None:
    result = work(tmp_path, f"echo >> started\n{script}", more=f"max_retries=0, {more}")
    status = record(result, "work/status.json")
    assert status["outcome"] == outcome
    assert str(status["failure_reason"]).startswith(reason)
    assert len((project_in(tmp_path) / "started").read_text()) == runs
    assert bool(events(result, "OutcomeAssumed")) == (outcome == "success")


def test_a_malformed_report_goes_back_with_the_reason(tmp_path: Path) -> None:
    script = f"""if [ -e before ]; then cat > again.txt; {REPORTS}; else touch before
        echo '{{"outcome": "great"}}' > $ATTRACTOR_STATUS_FILE; echo Well.; fi"""
    result = work(tmp_path, script)
    assert record(result, "work/status.json")["outcome"] == "success"
    again = (project_in(tmp_path) / "again.txt").read_text()
    assert again.startswith("Do it\n")
    assert "'outcome' cannot be 'great'" in again
    [refused] = events(result, "ReportRefused")
    assert "great" in str(refused.data["reason"])


def test_a_long_line_is_an_answer_and_an_endless_output_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "_LONGEST_LINE", 1000)
    result = work(tmp_path, f"printf 'ü%.0s' $(seq 1000); {REPORTS}")
    assert (result.directory / "work" / "response.md").read_text() == "ü" * 1000
    monkeypatch.setattr(programs, "LONGEST_OUTPUT", 999)
    monkeypatch.setattr(outside, "_GRACE_S", 0.1)
    endless = work(tmp_path, "yes")
    assert endless.reason.startswith("command failed: its output is longer than 999 characters")


def test_a_canceled_command_leaves_no_process(tmp_path: Path) -> None:
    environ = environ_for(tmp_path)
    run_forever = "sleep 600 & echo $! > pid; echo $$ >> pid; mv pid pids; wait"
    settings = BackendsSettings(command=ProgramSettings(run=run_forever))
    parts = OutsideParts(environ=environ, defaults=ModelDefaults(), settings=settings)
    backend = backend_registry()["command"](BackendParts(outside=parts))
    place = LocalExecutionEnvironment(tmp_path, environ=environ)
    play = Play(graph(node("work", prompt="-")), "work", environment=place)

    async def scene() -> None:
        working = asyncio.create_task(backend.run(play.stage, "Do it"))
        await until(lambda: (tmp_path / "pids").exists())
        working.cancel()
        await asyncio.wait([working])

    asyncio.run(asyncio.wait_for(scene(), PATIENCE_S))
    for pid in (tmp_path / "pids").read_text().split():
        assert not is_running(int(pid))
    assert play.events.all[-1] == ("SESSION_END", {"state": "CLOSED", "aborted": True})


@table("begin", ["FOO=1", "cd . &&", "("])
def test_a_command_is_any_line_for_the_shell(tmp_path: Path, begin: str) -> None:
    project = project_in(tmp_path)
    line = json.dumps(f"{begin} {REPORTS}" + (")" if begin == "(" else ""))
    (project / "attractor.toml").write_text(f"[backends.command]\nrun = {line}\n")
    text = GRAPH.replace("{prompt}", '"Do it"').replace(", {more}", "")
    result = run(tmp_path, text, backend="command", environ=environ_for(tmp_path))
    assert record(result, "work/status.json")["notes"] == "done"


def test_a_command_never_sees_the_key(tmp_path: Path) -> None:
    environ = {**environ_for(tmp_path), "OPENAI_API_KEY": "sk-real-key-of-the-operator"}
    work(tmp_path, f"env > env.txt; {REPORTS}", provider="openai", environ=environ)
    seen = dict(
        line.split("=", 1)
        for line in (project_in(tmp_path) / "env.txt").read_text().splitlines()
        if "=" in line
    )
    assert seen["OPENAI_API_KEY"].startswith("placeholder-")
    assert seen["OPENAI_BASE_URL"].startswith("http://127.0.0.1:")
    assert seen["HOME"] not in (str(tmp_path), environ["HOME"])
    assert "sk-real" not in json.dumps(seen)


@table(
    ("settings", "line", "words"),
    [
        ("", "work", "the setting backends.command.run is missing"),
        ('run = "true"\nread = ["/no/such"]', "work", "backends.command.read: /no/such does not"),
        ('run = "no-such-agent -x"', "work", "the program no-such-agent is not on the PATH"),
        (
            'run = "true"\nprovider = "openai"',
            "work",
            "missing API key of the provider 'openai'.*OPENAI_API_KEY.*--backend simulate",
        ),
        ('run = "true"', 'work [type="prompt"]', "it cannot answer prompts without tools"),
    ],
)
def test_a_missing_program_or_key_stops_the_run_before_the_first_stage(
    tmp_path: Path, settings: str, line: str, words: str
) -> None:
    (project_in(tmp_path) / "attractor.toml").write_text(f"[backends.command]\n{settings}\n")
    with pytest.raises(NotRunnable) as refused:
        run(tmp_path, between(line, "start -> work -> exit"), backend="command")
    [fault] = refused.value.faults
    assert re.search(f"backend=command: {words}", f"{fault.message} {fault.fix}")
