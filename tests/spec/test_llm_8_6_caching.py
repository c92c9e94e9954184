"""unified-llm 8.6, prompt caching."""

from typing import Any

from attractor.llm import Message, Tool
from tests.llm.asking import PROVIDERS, SHELL, a_request, ask, last_body, speaking
from tests.llm.generated import generated
from tests.tables import table

MARK = {"cache_control": {"type": "ephemeral"}}
BETA = "prompt-caching-2024-07-31"
SCRIPT = """
[[rules]]
answer = { text = "Hi.", usage = { input = 100, cache_read = 60, cache_write = 30 } }
"""
TALK = [Message.system("Be brief."), Message.user("a"), Message.assistant("b"), Message.user("c")]


def test_8_6_openai_reports_cached_tokens_without_configuration() -> None:
    with speaking(SCRIPT) as twin:
        usage = ask(twin, a_request("openai", *TALK)).usage
        assert "cache" not in str(last_body(twin))
    assert (usage.cache_read_tokens, usage.cache_write_tokens) == (60, None)


def test_8_6_anthropic_injects_breakpoints_on_system_tools_and_prefix() -> None:
    with speaking(SCRIPT) as twin:
        ask(twin, a_request("anthropic", *TALK, tools=[SHELL]))
        body: Any = last_body(twin)
    assert body["system"][-1]["cache_control"] == MARK["cache_control"]
    assert body["tools"][-1]["cache_control"] == MARK["cache_control"]
    marked = [bool(MARK.items() <= turn["content"][-1].items()) for turn in body["messages"]]
    assert marked == [True, False, True]


def test_8_6_anthropic_sends_the_beta_header_when_cache_control_is_present() -> None:
    with speaking(SCRIPT) as twin:
        ask(twin, a_request("anthropic", *TALK))
        assert twin.requests[0].headers["anthropic-beta"] == BETA


def test_8_6_anthropic_reports_read_and_written_cache_tokens() -> None:
    with speaking(SCRIPT) as twin:
        usage = ask(twin, a_request("anthropic", *TALK)).usage
    assert (usage.cache_read_tokens, usage.cache_write_tokens) == (60, 30)


def test_8_6_anthropic_automatic_caching_can_be_switched_off() -> None:
    off: dict[str, Any] = {"anthropic": {"auto_cache": False}}
    with speaking(SCRIPT) as twin:
        ask(twin, a_request("anthropic", *TALK, tools=[SHELL], provider_options=off))
        assert "cache_control" not in str(last_body(twin))
        assert "anthropic-beta" not in twin.requests[0].headers


def test_8_6_gemini_reports_cached_tokens_without_configuration() -> None:
    with speaking(SCRIPT) as twin:
        response = ask(twin, a_request("gemini", *TALK))
        assert "cache" not in str(last_body(twin))
    metadata: Any = (response.raw or {})["usageMetadata"]
    assert metadata["cachedContentTokenCount"] == 60
    assert (response.usage.cache_read_tokens, response.usage.cache_write_tokens) == (60, None)


SESSION = """
[[rules]]
when = { step = 5 }
answer.text = "All five are read."
[[rules]]
answer.tool_calls = [{ name = "shell", arguments = { command = "cat it" } }]
"""


@table("provider", PROVIDERS)
def test_8_6_from_the_fifth_turn_on_most_of_a_session_comes_from_the_cache(provider: str) -> None:
    def cat(command: str) -> str:
        return "a line\n" * 20

    shell = Tool(SHELL.name, SHELL.description, SHELL.parameters, cat)
    with speaking(SESSION) as twin:
        system = "You are a careful agent. " * 20
        steps = generated(twin, provider, system=system, tools=[shell], max_tool_rounds=9).steps
    assert len(steps) == 6
    for usage in (one.usage for one in steps[4:]):
        read = usage.cache_read_tokens or 0
        # Anthropic counts tokens that are read from and written to the cache separately.
        apart = read + (usage.cache_write_tokens or 0) if provider == "anthropic" else 0
        assert read > 0.5 * (usage.input_tokens + apart)
