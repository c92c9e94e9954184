"""A run stays resumable while its model provider is unavailable."""

from pathlib import Path

from attractor.twins.exchange.answer import Answer
from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import use
from tests.cli.test_budgets import MODEL, PIPELINE, TwinDesk

# The client does not wait for an hour, so it gives up at once.
FAULT = {"kind": "status", "status": 429, "retry_after": "1h"}
OVERLOADED = Answer.model_validate({"fault": FAULT})
DONE = Answer(tool_calls=(use("report_outcome", {"outcome": "success"}),))


def test_run_with_overloaded_provider_is_resumable(tmp_path: Path) -> None:
    desk = TwinDesk(tmp_path)
    desk.write(PIPELINE)
    rules = (Rule(when=When(attempt=1), answer=OVERLOADED), Rule(answer=DONE))
    with in_background(ProviderTwin(Script(rules=rules))) as desk.twin:
        stopped = desk.run(*MODEL)
        resumed = desk.do("resume", "latest")
    assert stopped.returncode == 3, stopped.stderr
    assert "not ended: stage work: RateLimitError" in stopped.stdout
    assert "\n  resume:   attractor resume " in stopped.stdout
    assert resumed.returncode == 0, resumed.stderr
