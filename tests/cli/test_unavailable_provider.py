"""A run stays resumable while its model provider is unavailable."""

import json
from pathlib import Path

from attractor.twins.exchange.answer import Answer
from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import use
from tests.cli.plain_desk import PlainDesk
from tests.cli.test_budgets import MODEL, PIPELINE, TwinDesk
from tests.ports import free_port

# With --no-wait-for-limits, the run stops at once instead of waiting an hour.
FAULT = {"kind": "status", "status": 429, "retry_after": "1h"}
OVERLOADED = Answer.model_validate({"fault": FAULT})
DONE = Answer(tool_calls=(use("report_outcome", {"outcome": "success"}),))


def test_run_with_overloaded_provider_is_resumable(tmp_path: Path) -> None:
    desk = TwinDesk(tmp_path)
    desk.write(PIPELINE)
    rules = (Rule(when=When(attempt=1), answer=OVERLOADED), Rule(answer=DONE))
    with in_background(ProviderTwin(Script(rules=rules))) as desk.twin:
        stopped = desk.run(*MODEL, "--no-wait-for-limits")
        resumed = desk.do("resume", "latest")
    assert stopped.returncode == 3, stopped.stderr
    assert "not ended: stage work: RateLimitError" in stopped.stdout
    assert "\n  resume:   attractor resume " in stopped.stdout
    assert resumed.returncode == 0, resumed.stderr


class UnreachableDesk(PlainDesk):
    """A folder whose pipelines talk to a port where no server listens."""

    @property
    def environ(self) -> dict[str, str]:
        address = f"http://127.0.0.1:{free_port()}/v1"
        return {**super().environ, "OPENAI_API_KEY": "a-secret-key", "OPENAI_BASE_URL": address}


def test_run_with_unreachable_provider_stops_before_its_first_stage(tmp_path: Path) -> None:
    desk = UnreachableDesk(tmp_path)
    desk.write(PIPELINE)
    stopped = desk.run(*MODEL)
    assert stopped.returncode == 3, stopped.stderr
    assert "not ended: the model provider openai does not answer: " in stopped.stdout
    status = desk.do("status", "latest").stdout
    assert "\nstopped    before the first stage at " in status
    assert "\nwhy        the model provider openai does not answer: " in status
    resumed = desk.do("resume", "latest", "--json")
    assert resumed.returncode == 3
    again = json.loads(resumed.stdout.splitlines()[-1])["next"][0]
    assert again.startswith("attractor resume ")
    assert again in stopped.stdout
