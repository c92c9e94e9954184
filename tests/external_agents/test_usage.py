"""Model calls of the real coding agents count as they happen, also if an agent or a call is cut."""

import os
import signal
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from attractor.base.errors import ExitCode
from attractor.twins.script.script import Script, parse_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.external_agents.test_backends import PROGRAMS, REPORT, Outside
from tests.patience import wait_until
from tests.spec.runs import between, environ_for, events, project_in, resume, run

pytestmark = pytest.mark.agents
ONE_CALL = 970
"""Tokens of each complete answer."""
USAGE = "usage = { input = 900, output = 70, cache_read = 300 }"
LONG = "A sentence of several words. " * 100
SCRIPT = f"""
[[rules]]
name = "gemini asks which model to use"
when.system = "Task Routing AI"
answer.text = '{{"complexity_reasoning": "It is one line.", "complexity_score": 10}}'
answer.{USAGE}

[[rules]]
name = "cut"
when = {{ last_user = "Buy a pear", step = 1 }}
first = 1
answer = {{ text = "{LONG}", fault = {{ kind = "FAULT", after = 50 }} }}

[[rules]]
name = "look"
when = {{ last_user = "Buy a pear", step = 0 }}
answer = {{ text = "I look.", tool_calls = [LOOK], {USAGE} }}

[[rules]]
name = "report"
when = {{ last_user = "Buy a pear", step = 1 }}
answer = {{ text = "I report.", tool_calls = [REPORT], {USAGE} }}

[[rules]]
name = "other"
answer = {{ text = "Pears", {USAGE} }}
"""
ACP = {"gemini": "gemini --acp", "opencode": "opencode acp"}
each_program = pytest.mark.parametrize(
    ("one", "backend"),
    [
        *((one, one.program) for one in PROGRAMS),
        *((one, "acp") for one in PROGRAMS if one.program in ACP),
    ],
    ids=[*(one.program for one in PROGRAMS), *ACP.values()],
)
PIPELINE = between(
    'work [prompt="Buy a pear.", default_max_retry=0, timeout="LIMIT"]', "start -> work -> exit"
)


def script_of(one: Outside, fault: str) -> Script:
    text = SCRIPT.replace("LOOK", one.run("echo pear").toml()).replace("FAULT", fault)
    return parse_script(text.replace("REPORT", one.run(REPORT).toml()))


def prepare(folder: Path, twin: ProviderTwin, one: Outside, backend: str) -> Mapping[str, str]:
    one.require()
    if backend == "acp":
        settings = f'[backends.acp]\nrun = "{ACP[one.program]}"\n'
        (project_in(folder) / "attractor.toml").write_text(settings)
    return {**environ_for(folder), **twin.environ()}


def kill_all_in(folder: Path) -> None:
    """Kill the processes that work in a folder."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink() == folder:
                os.kill(int(process.name), signal.SIGKILL)


def kill_when_asked(twin: ProviderTwin, folder: Path) -> None:
    """Kill the program when it reads the answer that hangs."""
    wait_until(lambda: "cut" in [one.rule for one in twin.requests])
    time.sleep(1)
    kill_all_in(folder)


@each_program
@pytest.mark.parametrize(
    ("ending", "fault"), [("time-out", "hang"), ("kill", "hang"), ("cut stream", "cut")]
)
def test_complete_answers_count_exactly_and_a_cut_answer_is_estimated(
    tmp_path: Path, one: Outside, backend: str, ending: str, fault: str
) -> None:
    with in_background(ProviderTwin(script_of(one, fault))) as twin:
        environ = prepare(tmp_path, twin, one, backend)
        if ending == "kill":
            folder = project_in(tmp_path).resolve()
            threading.Thread(target=kill_when_asked, args=(twin, folder), daemon=True).start()
        text = PIPELINE.replace("LIMIT", "40s" if ending == "time-out" else "300s")
        result = run(tmp_path, text, backend=backend, model=one.model, environ=environ)
        log = [(asked.path, asked.rule, asked.status, asked.error) for asked in twin.requests]
    whole = [rule for _, rule, status, _ in log if rule and rule != "cut" and status == 200]
    recorded = "\n".join(str((event.type, event.data)) for event in events(result))
    used = result.usage
    assert "cut" in [rule for _, rule, _, _ in log], f"{recorded}\n{log}"
    assert used.tokens - used.estimated_tokens == ONE_CALL * len(whole), f"{recorded}\n{log}"
    assert used.estimated_tokens > 0
    assert used.cost_usd > 0
    # The figures of the program itself agree.
    assert "model proxy saw" not in recorded


@each_program
def test_a_spent_budget_refuses_the_next_request_and_the_run_can_be_resumed(
    tmp_path: Path, one: Outside, backend: str
) -> None:
    def served() -> int:
        return sum(asked.status == 200 and bool(asked.rule) for asked in twin.requests)

    script = script_of(one, "cut")
    script = script.model_copy(
        update={"rules": tuple(rule for rule in script.rules if rule.name != "cut")}
    )
    with in_background(ProviderTwin(script)) as twin:
        environ = prepare(tmp_path, twin, one, backend)
        text = PIPELINE.replace("LIMIT", "300s")
        stopped = run(
            tmp_path,
            text,
            backend=backend,
            model=one.model,
            environ=environ,
            max_tokens=ONE_CALL,
        )
        recorded = "\n".join(str((event.type, event.data)) for event in events(stopped))
        assert stopped.exit_code is ExitCode.UNFINISHED, recorded
        assert stopped.usage.tokens == ONE_CALL * served(), recorded
        before = served()
        done = resume(tmp_path, environ=environ, max_tokens=1_000_000)
        recorded = "\n".join(str((event.type, event.data)) for event in events(done))
        assert done.exit_code is ExitCode.DONE, recorded
        assert done.usage.tokens == ONE_CALL * served() > ONE_CALL * before, recorded


@each_program
def test_calls_are_of_the_model_of_the_run(tmp_path: Path, one: Outside, backend: str) -> None:
    model = {"gemini": "gemini-2.5-flash-lite"}.get(one.program, one.model)
    if not model:
        pytest.skip(f"{one.program} works with its own default")
    with in_background(ProviderTwin(script_of(one, "cut"))) as twin:
        environ = prepare(tmp_path, twin, one, backend)
        text = PIPELINE.replace("LIMIT", "300s")
        result = run(tmp_path, text, backend=backend, model=model, environ=environ)
        assert {str(asked.model) for asked in twin.requests if asked.rule} == {model}
    assert {str(started.data["model"]) for started in events(result, "SESSION_START")} == {model}
