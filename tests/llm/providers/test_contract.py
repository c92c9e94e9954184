"""Contract of provider adapters, over HTTP against a twin."""

import pytest

from attractor.llm import ToolChoice, provider_registry
from attractor.twins.pytest_plugin import StartTwin
from tests.llm.asking import ADAPTERS, SHELL, a_request, ask

# It serves all other providers, and is tested with several of them.
TRIED_ELSEWHERE = {"litellm"}
pytestmark = pytest.mark.parametrize("provider", ADAPTERS)

TALK = 'rules = [{ answer.text = "Hi." }]'


def test_every_adapter_of_the_folder_is_tried_here(provider: str) -> None:
    assert provider in provider_registry()
    assert {*provider_registry()} - {*ADAPTERS} <= TRIED_ELSEWHERE


@pytest.mark.parametrize("mode", ["auto", "none", "required", "named"])
def test_every_tool_choice_is_accepted(provider: str, provider_twin: StartTwin, mode: str) -> None:
    choice = ToolChoice(mode, "shell" if mode == "named" else None)
    twin = provider_twin(TALK)
    assert ask(twin, a_request(provider, "hello", tools=[SHELL], tool_choice=choice)).text == "Hi."


def test_a_rate_limit_is_read_from_the_headers(provider: str, provider_twin: StartTwin) -> None:
    name = {
        "openai": "x-ratelimit-remaining-requests",
        "anthropic": "anthropic-ratelimit-requests-remaining",
        "gemini": "x-ratelimit-remaining-requests",
        "openai_compatible": "x-ratelimit-remaining-requests",
    }[provider]
    twin = provider_twin(f'rules = [{{ answer = {{ text = "a", headers = {{ {name} = "9" }} }} }}]')
    response = ask(twin, a_request(provider, "hello"))
    assert response.rate_limit is not None
    assert response.rate_limit.requests_remaining == 9
