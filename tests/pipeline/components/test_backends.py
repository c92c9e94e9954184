"""The settings of a project apply to the model calls of its runs."""

import asyncio
import json
import stat
from contextlib import AsyncExitStack
from pathlib import Path
from typing import cast

import pytest

from attractor import StageStatus
from attractor.backends.models import full_name
from attractor.base.errors import ExitCode, FileError, UnknownName
from attractor.config.settings import LlmSettings
from attractor.language.diagnostics import NotRunnable
from attractor.llm import AdapterTimeout, Client, Response
from attractor.llm.middleware import Limit
from attractor.llm.transport.http import Endpoint
from attractor.pipeline.components.models import (
    find_unknown_providers,
    model_middleware,
    open_client,
    shared_rate_limits,
)
from attractor.pipeline.project.project import Project
from attractor.pipeline.project.run_scope import RunScope
from attractor.twins.server.provider_twin import ProviderTwin
from tests.llm.asking import a_request, speaking
from tests.pipeline.projects import LINEAR, adjusted, make_project, open_project, simulated, start
from tests.spec.runs import between, environ_for, events, run

SCRIPT = """
[[rules]]
when = { wire = "openai" }
answer.fault = { kind = "status", status = 404, message = "no such model" }
[[rules]]
answer.text = "I use it here."
"""
SECRET = "secret-of-a-test-1"
EVERYTHING = {
    "redact": True,
    "redact_patterns": ("acme-[0-9]{4}",),
    "fall_back": {"gpt-5.2": ("anthropic/opus",)},
    "requests_per_minute": {"openai": 100},
    "tokens_per_minute": {"anthropic": 100_000},
    "concurrent_requests": {"openai": 2},
}


def world_with(folder: Path, settings: LlmSettings | None, **environ: str) -> Project:
    folder.mkdir(exist_ok=True)
    opened = open_project(folder)
    return adjusted(opened, llm=settings, environ={**opened.machine.environ, **environ})


def everything(folder: Path) -> LlmSettings:
    return LlmSettings(log=folder / "logs" / "calls.jsonl", cache=folder / "kept", **EVERYTHING)  # pyright: ignore


async def ask(opened: Project, twin: ProviderTwin, text: str, provider: str = "openai") -> Response:
    async with AsyncExitStack() as stack:
        around = model_middleware(RunScope.of(opened), stack)
        client = await stack.enter_async_context(Client.from_env(twin.environ(), middleware=around))
        return await client.complete(a_request(provider, text))


def test_models_without_settings_have_no_middleware(tmp_path: Path) -> None:
    for settings in (None, LlmSettings()):
        opened = world_with(tmp_path / "p", settings)
        assert not model_middleware(RunScope.of(opened), AsyncExitStack())


def test_call_passes_all_middleware(tmp_path: Path) -> None:
    opened = world_with(tmp_path / "p", everything(tmp_path), SERVICE_TOKEN=SECRET)
    with speaking(SCRIPT) as twin:
        first = asyncio.run(ask(opened, twin, f"use {SECRET} and acme-1234"))
        again = asyncio.run(ask(opened, twin, f"use {SECRET} and acme-1234"))
        sent = json.dumps([one.body for one in twin.requests])
        assert len(twin.requests) == 2
    assert SECRET not in sent
    assert "acme-1234" not in sent
    assert first.text == again.text == "I use it here."
    assert first.provider == "anthropic"
    assert {one.code for one in first.warnings} == {"fell_back", "secrets_replaced"}
    log = tmp_path / "logs" / "calls.jsonl"
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert [one["event"] for one in lines] == ["request", "answer"] * 2
    assert lines[1]["answered_by"] == f"anthropic/{full_name('opus', 'anthropic')}"
    assert lines[1]["time"].endswith("+00:00")
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert SECRET not in log.read_text("utf-8")


def test_runs_of_one_process_share_equal_limits(tmp_path: Path) -> None:
    one = (("openai", Limit(requests_per_minute=3)),)
    again = (("openai", Limit(requests_per_minute=3)),)
    assert shared_rate_limits(one) is shared_rate_limits(again)
    assert shared_rate_limits(one) is not shared_rate_limits((("openai", Limit(4)),))

    async def many() -> None:
        # Each in a opened of its own, like runs: no two are open at the same time.
        settings = LlmSettings(concurrent_requests={"anthropic": 1})
        worlds = [world_with(tmp_path / str(number), settings) for number in range(3)]
        asked = (ask(opened, twin, "go", "anthropic") for opened in worlds)
        await asyncio.gather(*asked)

    with speaking('[[rules]]\nanswer = { text = "hi", delay = "30ms" }') as twin:
        asyncio.run(many())
        times = sorted(one.at for one in twin.requests)
    assert all(later - earlier > 0.025 for earlier, later in zip(times, times[1:], strict=False))


@pytest.mark.parametrize(
    "settings",
    [
        LlmSettings(requests_per_minute={"opneai": 5}),
        LlmSettings(fall_back={"gpt-5.2": ("opneai/gpt-5.1",)}),
    ],
    ids=["limits", "fall_back"],
)
def test_unknown_provider_is_refused(tmp_path: Path, settings: LlmSettings) -> None:
    with pytest.raises(UnknownName, match="opneai") as caught:
        model_middleware(RunScope.of(world_with(tmp_path / "p", settings)), AsyncExitStack())
    assert caught.value.hint == "did you mean openai?"


def test_unknown_provider_of_a_run_is_refused(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", LINEAR)
    options = simulated(project)
    settings = LlmSettings(
        fall_back={"gpt-5.2": ("anthropic/claude-opus-4-6", "opneai/gpt-5.1")},
        requests_per_minute={"antropic": 5},
    )
    with pytest.raises(NotRunnable) as caught:
        asyncio.run(start(options, adjusted(open_project(project), llm=settings)))
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.message.splitlines()[1:] == [
        "  the setting llm.fall_back.gpt-5.2: unknown provider 'opneai' (did you mean openai?)",
        "  the setting llm.requests_per_minute: unknown provider 'antropic' "
        "(did you mean anthropic?)",
    ]
    assert not (tmp_path / "state").exists()
    assert not (project / "runs").exists()


def test_a_provider_that_another_one_serves_is_known(tmp_path: Path) -> None:
    settings = LlmSettings(
        fall_back={"gpt-5.2": ("groq/llama-3.3-70b-versatile", "litellm/deepseek/deepseek-chat")},
        requests_per_minute={"bedrock": 5},
    )
    assert not [*find_unknown_providers(settings)]
    assert model_middleware(RunScope.of(world_with(tmp_path / "p", settings)), AsyncExitStack())


def test_unwritable_log_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = LlmSettings(log=tmp_path / "file" / "calls.jsonl")
    with pytest.raises(FileError, match="cannot write"):
        model_middleware(RunScope.of(world_with(tmp_path / "p", settings)), AsyncExitStack())


ASKED = 'answer.tool_calls = [{ name = "report_outcome", arguments = { outcome = "success" } }]'
RUN_SCRIPT = f"""
[[rules]]
when = {{ wire = "openai" }}
answer.fault = {{ kind = "status", status = 404, message = "no such model" }}
[[rules]]
when = {{ step = 0 }}
{ASKED}
[[rules]]
answer.text = "Done."
"""
TABLES = """
[llm]
log = "calls.jsonl"
[llm.fall_back]
"gpt-5.2" = ["anthropic/claude-opus-4-6"]
"""


def test_run_uses_project_settings_and_records_the_model(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "attractor.toml").write_text(TABLES)
    pipeline = between(
        'a [prompt="Do a"]', "start -> a -> b -> exit", 'b [type=prompt, prompt="Do b"]'
    )
    with speaking(RUN_SCRIPT) as twin:
        environ = {**environ_for(tmp_path), **twin.environ()}
        result = run(tmp_path, pipeline, backend="agent", model="gpt-5.2", environ=environ)
    assert result.outcome is StageStatus.SUCCESS
    recorded = [(one.node, str(one.data["message"])) for one in events(result, "WARNING")]
    fell = [
        node for node, words in recorded if words.startswith("anthropic/claude-opus-4-6 answered")
    ]
    assert fell == ["a", "b"]
    lines = [json.loads(line) for line in (project / "calls.jsonl").read_text().splitlines()]
    assert {one.get("answered_by") for one in lines if one["event"] == "answer"} == {
        "anthropic/claude-opus-4-6"
    }


def test_client_of_a_project_waits_minutes_for_a_model_that_thinks(tmp_path: Path) -> None:
    opened = world_with(tmp_path / "p", None, OPENAI_API_KEY=SECRET)

    async def scene() -> AdapterTimeout:
        async with AsyncExitStack() as stack:
            adapter = (await open_client(RunScope.of(opened), stack)).providers["openai"]
            transport: object = vars(adapter)["_transport"]
            return cast("Endpoint", vars(transport)["_endpoint"]).limits

    limits = asyncio.run(scene())
    assert limits.stream_read == 300
    assert limits.request == 600
