"""Answers to the built-in agent that were cut are counted, as estimates."""

import time
from pathlib import Path

from attractor.twins.exchange.answer import Answer, Fault, FaultKind
from attractor.twins.script.script import Rule, Script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.backends.test_outside_usage import COUNTED, ONE_CALL, start
from tests.patience import with_longer_limits
from tests.spec.runs import between, environ_for, events, resume, run
from tests.tables import table

LONG = "A sentence of several words. " * 100


@table(
    ("kind", "fault", "model"),
    [
        ("prompt", FaultKind.CUT, "claude-sonnet-4-5"),
        ("prompt", FaultKind.CUT, "gemini-2.5-pro"),
        ("prompt", FaultKind.CUT, "gpt-5.2"),
        ("codergen", FaultKind.CUT, "claude-sonnet-4-5"),
        ("codergen", FaultKind.HANG, "claude-sonnet-4-5"),
    ],
)
def test_cut_answer_of_the_built_in_agent_is_estimated(
    tmp_path: Path, kind: str, fault: FaultKind, model: str
) -> None:
    cut = Answer(text=LONG, fault=Fault(kind=fault, after=50))
    first = Rule(first=1, answer=cut)

    def scene(limit_s: float) -> None:
        text = between(
            f'ask [type={kind}, prompt="How many?", timeout="{limit_s:g}s"]', "start -> ask -> exit"
        )
        with in_background(ProviderTwin(Script(rules=(first, Rule(answer=COUNTED))))) as twin:
            environ = {**environ_for(tmp_path), **twin.environ()}
            result = run(tmp_path, text, backend="agent", model=model, environ=environ)
            complete = [one.method for one in twin.requests].count("POST") - 1
        used = result.usage
        assert 0 < used.estimated_tokens < 10_000
        assert used.tokens - used.estimated_tokens == complete * ONE_CALL
        [warned] = [one for one in events(result, "WARNING") if "estimated" in str(one.data)]
        assert f"{used.estimated_tokens} tokens" in str(warned.data)

    if fault is FaultKind.HANG:
        with_longer_limits(scene, first_s=3)
    else:
        scene(60)


def test_answer_in_flight_when_the_runner_is_killed_is_estimated(tmp_path: Path) -> None:
    hangs = Answer(text=LONG, fault=Fault(kind=FaultKind.HANG, after=50))
    rules = (Rule(first=1, answer=hangs), Rule(answer=COUNTED))
    with in_background(ProviderTwin(Script(rules=rules))) as twin:
        environ = {**environ_for(tmp_path), **twin.environ()}
        with start(tmp_path, "agent", environ, "--model", "claude-sonnet-4-5") as runner:
            while "POST" not in [one.method for one in twin.requests]:
                assert runner.poll() is None
                time.sleep(0.05)
            runner.kill()
        result = resume(tmp_path, environ=environ)
        complete = [one.method for one in twin.requests].count("POST") - 1
    used = result.usage
    assert 0 < used.estimated_tokens < 10_000
    assert used.tokens - used.estimated_tokens == complete * ONE_CALL
    [warned] = [one for one in events(result, "WARNING") if "estimated" in str(one.data)]
    assert f"{used.estimated_tokens} tokens" in str(warned.data)
