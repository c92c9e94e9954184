"""The real claude and codex work with models of a cloud, whose key they never see."""

from pathlib import Path

import pytest

from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.backends.cloud_service import KEY, CloudService
from tests.external_agents.test_backends import PIPELINE, PROGRAMS, REPORT, STEAL, script_of
from tests.spec.runs import environ_for, events, project_in, record, run

pytestmark = pytest.mark.agents
MORE = {"AZURE_API_VERSION": "2025-04-01-preview"}
CLOUDS = {
    "bedrock": ("claude", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "/model/eu.anthropic."),
    "vertex_ai": (
        "claude",
        "claude-sonnet-4-5@20250929",
        "/v1/projects/p/locations/us-east5/publishers/anthropic/models/claude-",
    ),
    "azure": ("codex", "gpt-6.1-sol", "/openai/responses?api-version=2025-04-01-preview"),
}


@pytest.mark.parametrize("cloud", list(CLOUDS))
def test_program_works_with_a_cloud_whose_key_it_never_sees(tmp_path: Path, cloud: str) -> None:
    name, model, path = CLOUDS[cloud]
    [one] = [one for one in PROGRAMS if one.program == name]
    one.require()
    (project_in(tmp_path) / "todo.txt").write_text("buy an apple\n")
    script = script_of(one.edit("todo.txt", "buy an apple", "buy a pear"), one.run(STEAL + REPORT))
    with in_background(ProviderTwin(script)) as twin, CloudService(twin) as service:
        result = run(
            tmp_path,
            PIPELINE,
            backend=name,
            model=f"{cloud}/{model}",
            environ={**environ_for(tmp_path), **getattr(service, cloud), **MORE},
            workspace="copy",
            sandbox="bubblewrap",
        )
    said = [event.data for event in events(result)], service.seen
    assert result.completed == ("start", "buy", "check"), said
    assert (result.directory / "result.patch").exists(), said
    patch = (result.directory / "result.patch").read_text()
    assert "+buy a pear" in patch
    assert KEY not in patch
    assert {one for one in service.seen if not one.startswith(path)} == set(), service.seen
    used = record(result, "buy/status.json")["usage"]
    assert used["input_tokens"] > 0  # pyright: ignore
    assert used["cost_usd"] > 0  # pyright: ignore
    assert "estimated_tokens" not in str(used)
