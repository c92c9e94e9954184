from attractor.twins.pytest_plugin import StartTwin
from tests.llm.asking import SHELL, a_request, ask, last_body

TALK = 'rules = [{ answer = { text = "Hi." } }]'
CACHING = "prompt-caching-2024-07-31"


def test_the_native_interface_is_spoken_with_its_own_headers(provider_twin: StartTwin) -> None:
    twin = provider_twin(TALK)
    ask(twin, a_request("anthropic", "hello"))
    (logged,) = twin.requests
    assert logged.wire == "anthropic"
    assert logged.headers["anthropic-version"] == "2023-06-01"
    assert "x-api-key" in logged.headers


def test_caching_is_marked_and_announced_unless_switched_off(provider_twin: StartTwin) -> None:
    twin = provider_twin(TALK)
    ask(twin, a_request("anthropic", "hello", tools=[SHELL]))
    assert str(last_body(twin)).count("cache_control") == 2
    assert twin.requests[-1].headers["anthropic-beta"] == CACHING
    off = {"anthropic": {"auto_cache": False}}
    ask(twin, a_request("anthropic", "hello", tools=[SHELL], provider_options=off))
    assert "cache_control" not in str(last_body(twin))
    assert "anthropic-beta" not in twin.requests[-1].headers
