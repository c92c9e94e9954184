import asyncio

from attractor.llm.providers.openai import OpenAIAdapter
from attractor.twins.pytest_plugin import StartTwin
from tests.llm.asking import PATIENT, a_request, ask

TALK = 'rules = [{ answer = { text = "Hi." } }]'


def test_the_native_interface_is_spoken_with_a_bearer_token(provider_twin: StartTwin) -> None:
    twin = provider_twin(TALK)
    ask(twin, a_request("openai", "hello"))
    (logged,) = twin.requests
    assert logged.wire == "openai"
    assert "authorization" in logged.headers
    assert "openai-organization" not in logged.headers


def test_the_account_is_taken_from_the_environment(provider_twin: StartTwin) -> None:
    twin = provider_twin(TALK)
    account = {"OPENAI_ORG_ID": "org-1", "OPENAI_PROJECT_ID": "proj-1"}
    made = OpenAIAdapter.from_env({**twin.environ(), **account}, timeout=PATIENT)
    assert made is not None

    async def asking() -> None:
        await made.complete(a_request("openai", "hello"))
        await made.close()

    asyncio.run(asking())
    headers = twin.requests[0].headers
    assert headers["openai-organization"] == "org-1"
    assert headers["openai-project"] == "proj-1"
