"""Model calls of an outside program count as they happen, also if they or the program are cut."""

import subprocess
import sys
import time
from collections.abc import Mapping
from itertools import cycle, product
from pathlib import Path

from attractor.backends.models import ModelDefaults
from attractor.backends.provider_needs import KEYS
from attractor.backends.registry import BackendParts, NeedsProgram, OutsideParts, backend_registry
from attractor.base.errors import ExitCode
from attractor.twins.exchange.answer import Answer, Fault, FaultKind, Tokens
from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.backends.model_caller import MODELS
from tests.counts import IS_FULL
from tests.handlers.stages import node
from tests.patience import PATIENCE_S, with_longer_limits
from tests.spec.runs import between, environ_for, events, project_in, record, resume, run
from tests.tables import table

FOLDER = Path(__file__).parent
COUNTED = Answer(text="A short answer.", usage=Tokens(input=900, output=70, cache_read=300))
ONE_CALL = 970
PROGRAMS = {"command": "model_caller.py", "acp": "acp_agent.py end_turn"}
GRAPH = between(
    'work [prompt="Do it", default_max_retry=0, timeout=LIMIT]', "start -> work -> exit"
)


def script(third: Fault | None) -> Script:
    """Return a script whose third call fails once, after 50 pieces of three words."""
    long = Answer(text="A sentence of several words. " * 100, fault=third)
    faulty = [Rule(when=When(last_user="call 3"), first=1, answer=long)] if third else []
    return Script(rules=(*faulty, Rule(answer=COUNTED)))


def prepare(
    folder: Path, twin: ProviderTwin, program: str, orders: str, *, settings: str | None = None
) -> dict[str, str]:
    """Write the settings of a project, and return the variables of the operator."""
    if settings is None:
        settings = f"provider = '{orders.split()[0]}'"
    command = f"{sys.executable} {FOLDER}/{PROGRAMS[program]} {orders}"
    toml = f"[backends.{program}]\nrun = '{command}'\n{settings}\n"
    (project_in(folder) / "attractor.toml").write_text(toml)
    return {**environ_for(folder), **twin.environ(), "PYTHONPATH": ":".join(sys.path)}


def start(
    folder: Path, program: str, environ: Mapping[str, str], *more: str
) -> subprocess.Popen[str]:
    """Start a run in a process of its own."""
    file = folder / "pipeline.dot"
    file.write_text(GRAPH.replace("LIMIT", "60s"))
    words = ["run", str(file), "--backend", program, "--sandbox", "none", "--workspace", "none"]
    words += more
    return subprocess.Popen(
        [sys.executable, "-m", "attractor", *words],
        env=environ,
        cwd=project_in(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


CALLERS = [*(("command", one) for one in MODELS), ("acp", "anthropic")]
ENDINGS = {"a cut stream": FaultKind.CUT, "a time-out": FaultKind.HANG, "a kill": FaultKind.HANG}
# At small counts, each caller has one ending.
CASES = [*product(CALLERS, ENDINGS)] if IS_FULL else [*zip(CALLERS, cycle(ENDINGS), strict=False)]


@table(("program", "provider", "ending"), [(*caller, ending) for caller, ending in CASES])
def test_complete_answers_count_exactly_and_a_cut_answer_is_estimated(
    tmp_path: Path, program: str, provider: str, ending: str
) -> None:
    orders = f"{provider} 3{' die' if ending == 'a kill' else ''}"

    def scene(limit_s: float) -> None:
        with in_background(ProviderTwin(script(Fault(kind=ENDINGS[ending], after=50)))) as twin:
            environ = prepare(tmp_path, twin, program, orders)
            text = GRAPH.replace("LIMIT", f"{limit_s:g}s")
            result = run(tmp_path, text, backend=program, environ=environ)
            assert [one.status for one in twin.requests] == [200, 200, 200]
        used = result.usage
        [closed] = events(result, "SESSION_END")
        assert closed.data["models"] == [MODELS[provider]]
        assert used.tokens - used.estimated_tokens == 2 * ONE_CALL
        assert 0 < used.estimated_tokens < 400
        ended = record(result, "work/status.json")
        assert (ended["outcome"], ended["usage"]) == ("fail", record(result, "final.json")["usage"])
        assert len(events(result, "ModelUsed")) == 3
        [warned] = [one for one in events(result, "WARNING") if "estimated" in str(one.data)]
        assert f"{used.estimated_tokens} tokens" in str(warned.data)

    if ending == "a time-out":
        with_longer_limits(scene, first_s=3)
    else:
        scene(60)


def test_a_spent_budget_stops_the_run_before_the_next_request(tmp_path: Path) -> None:
    with in_background(ProviderTwin(script(None))) as twin:
        environ = prepare(tmp_path, twin, "acp", "openai 4")
        text = GRAPH.replace("LIMIT", "60s")
        stopped = run(tmp_path, text, backend="acp", environ=environ, max_tokens=2 * ONE_CALL - 1)
        assert (stopped.exit_code, stopped.usage.tokens) == (ExitCode.UNFINISHED, 2 * ONE_CALL)
        assert len(twin.requests) == 2
        still = resume(tmp_path, environ=environ)
        assert (still.exit_code, len(twin.requests)) == (ExitCode.UNFINISHED, 2)
        done = resume(tmp_path, environ=environ, max_tokens=100_000)
        assert (done.exit_code, done.usage.tokens) == (ExitCode.DONE, 6 * ONE_CALL)


def test_a_killed_runner_loses_no_answer(
    tmp_path: Path,
) -> None:
    hangs = script(Fault(kind=FaultKind.HANG, after=50))
    with in_background(ProviderTwin(hangs)) as twin:
        environ = prepare(tmp_path, twin, "command", "gemini 3")
        with start(tmp_path, "command", environ) as runner:
            while len(twin.requests) < 3:
                assert runner.poll() is None
                time.sleep(0.05)
            runner.kill()
        result = resume(tmp_path, environ=environ)
    used = result.usage
    assert result.exit_code is ExitCode.DONE
    assert used.tokens - used.estimated_tokens == 5 * ONE_CALL
    assert 0 < used.estimated_tokens < 100
    [warned] = [one for one in events(result, "WARNING") if "estimated" in str(one.data)]
    assert f"{used.estimated_tokens} tokens" in str(warned.data)


def test_figures_of_a_program_count_if_the_proxy_saw_no_call(tmp_path: Path) -> None:
    with in_background(ProviderTwin(script(None))) as twin:
        environ = prepare(tmp_path, twin, "acp", "openai 0")
        text = GRAPH.replace("LIMIT", "60s")
        result = run(tmp_path, text, backend="acp", environ=environ)
        assert (result.usage.input_tokens, result.usage.output_tokens) == (20, 10)


@table(
    ("program", "keys", "settings", "said"),
    [
        ("acp", "anthropic", "", ""),
        (
            "acp",
            "anthropic openai",
            "",
            "Model calls of acp without a provider: budgets count only",
        ),
        (
            "acp",
            "",
            "",
            "Model calls of acp without a provider: budgets count only what it reports",
        ),
        ("command", "anthropic", "", "Model calls of command without a provider: budgets count no"),
        ("command", "anthropic", "provider = 'anthropic'", ""),
    ],
)
def test_a_run_says_at_its_start_that_a_program_does_not_use_the_proxy(
    tmp_path: Path, program: str, keys: str, settings: str, said: str
) -> None:
    with in_background(ProviderTwin(script(None))) as twin:
        calls = 0 if said else 2
        environ = prepare(tmp_path, twin, program, f"anthropic {calls}", settings=settings)
        for provider in {*MODELS} - {*keys.split()}:
            for name in KEYS[provider]:
                environ.pop(name, None)
        with start(tmp_path, program, environ) as runner:
            output, _ = runner.communicate(timeout=PATIENCE_S)
        assert runner.returncode == 0, output
        assert len(twin.requests) == calls
    assert (said in output, "Model calls of" in output) == (True, bool(said)), output


def test_a_program_with_a_login_counts_as_it_reports(tmp_path: Path) -> None:
    environ = {**environ_for(tmp_path), "HOME": str(tmp_path)}
    parts = OutsideParts(environ=environ, defaults=ModelDefaults(), is_sandboxed=False)
    backend = backend_registry()["codex"](BackendParts(outside=parts))
    assert isinstance(backend, NeedsProgram)
    message = "Model calls of codex with its own login: budgets count only what it reports."
    assert [*backend.find_unmetered([node("work")])] == [message]
