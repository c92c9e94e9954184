from hypothesis import given, strategies as st

from attractor.llm import (
    ContentKind,
    ContentPart,
    FinishReason,
    GenerateResult,
    Message,
    ModelInfo,
    Prices,
    PriceTier,
    ProviderData,
    Response,
    Role,
    StepResult,
    ThinkingData,
    ToolResult,
    Usage,
    Warning,
    cost_of,
)
from attractor.llm.response import usage_of
from tests.tables import table

maybe = st.none() | st.integers(0, 10**9)
usages = st.builds(Usage, st.integers(0, 10**9), st.integers(0, 10**9), maybe, maybe, maybe)


def a_response(*parts: ContentPart) -> Response:
    said = Message(Role.ASSISTANT, parts)
    return Response("1", "m", "openai", said, FinishReason("stop"), Usage())


def thought(text: str, *, redacted: bool = False) -> ContentPart:
    return ContentPart(ContentKind.THINKING, thinking=ThinkingData(text, redacted=redacted))


@given(usages, usages, usages)
def test_usage_adds_up_in_any_order(one: Usage, two: Usage, three: Usage) -> None:
    assert one + two == two + one
    assert (one + two) + three == one + (two + three)
    assert (one + two).total_tokens == one.total_tokens + two.total_tokens


def test_unknown_usage_stays_unknown_in_a_sum() -> None:
    added = Usage(1, 2, reasoning_tokens=3) + Usage(10, 20, cache_read_tokens=5)
    assert added == Usage(11, 22, reasoning_tokens=3, cache_read_tokens=5)
    assert added.cache_write_tokens is None


def test_reasoning_is_its_readable_text() -> None:
    assert a_response(thought("a"), thought("x", redacted=True), thought("b")).reasoning == "ab"
    assert a_response(thought("x", redacted=True), thought("")).reasoning is None


def priced(provider: str = "openai", *tiers: PriceTier, **prices: float) -> ModelInfo:
    return ModelInfo(
        id="m",
        provider=provider,
        display_name="M",
        input_cost_per_million=prices.get("input"),
        output_cost_per_million=prices.get("output"),
        cache_read_cost_per_million=prices.get("cache_read"),
        cache_write_cost_per_million=prices.get("cache_write"),
        price_tiers=tiers,
    )


CACHED = Usage(1_000, 0, cache_read_tokens=800)
COSTS: list[tuple[str, Usage, dict[str, float], float | None]] = [
    ("openai", Usage(900, 100), {"input": 1.75, "output": 14}, 0.002975),
    ("openai", Usage(900, 100), {"input": 0, "output": 0}, 0.0),
    # An unknown price is not zero.
    ("openai", Usage(900, 100), {}, None),
    ("openai", Usage(900, 100), {"input": 1}, None),
    ("openai", Usage(900, 100), {"output": 1}, None),
    # Cached tokens are a part of the input, except with Anthropic.
    ("openai", CACHED, {"input": 10, "output": 1, "cache_read": 1}, 0.0028),
    ("gemini", CACHED, {"input": 10, "output": 1, "cache_read": 1}, 0.0028),
    ("elsewhere", CACHED, {"input": 10, "output": 1, "cache_read": 1}, 0.0028),
    ("openai", CACHED, {"input": 10, "output": 1}, 0.01),
    (
        "anthropic",
        Usage(200, 0, cache_read_tokens=800, cache_write_tokens=400),
        {"input": 10, "output": 1, "cache_read": 1, "cache_write": 12.5},
        0.0078,
    ),
    # Reasoning is paid once, as output.
    ("openai", Usage(0, 1_000, reasoning_tokens=900), {"input": 1, "output": 10}, 0.01),
]


def test_costs_follow_usage_and_prices() -> None:
    for provider, used, prices, cost in COSTS:
        assert cost_of(used, priced(provider, **prices)) == cost


def test_a_long_prompt_makes_all_of_the_call_dearer() -> None:
    for provider, used in (
        ("openai", Usage(300, 100, cache_read_tokens=200)),
        ("anthropic", Usage(100, 100, cache_read_tokens=200)),
    ):
        dear = Prices(input=20, output=20, cache_read=2)
        prices = {"input": 10.0, "output": 10.0, "cache_read": 1.0}
        assert cost_of(used, priced(provider, PriceTier(299, dear), **prices)) == 0.0044
        assert cost_of(used, priced(provider, PriceTier(300, dear), **prices)) == 0.0022


@table("provider", ["openai", "anthropic", "gemini"])
def test_the_same_call_costs_the_same_however_its_provider_counts(provider: str) -> None:
    model = priced(provider, input=2.0, output=10.0, cache_read=0.5)
    used = usage_of(1_000_000, 100_000, cached=600_000, model=model)
    assert cost_of(used, model) == 0.4 * 2 + 0.6 * 0.5 + 0.1 * 10


def step(text: str, usage: Usage, *results: ToolResult) -> StepResult:
    message, reason = Message.assistant(text), FinishReason("stop", "end")
    response = Response("1", "m", "openai", message, reason, usage, warnings=[Warning("odd")])
    return StepResult(response, results)


def test_a_result_is_its_last_step_and_the_sum_of_all() -> None:
    first = step("one", Usage(1, 2, reasoning_tokens=3), ToolResult("a", "b"))
    last = step("two", Usage(10, 20))
    result = GenerateResult([first, last])
    assert (result.text, result.reasoning, result.usage) == ("two", None, Usage(10, 20))
    assert (result.tool_calls, result.tool_results) == ([], ())
    assert result.finish_reason == FinishReason("stop", "end")
    assert result.total_usage == Usage(11, 22, reasoning_tokens=3)
    assert (result.response, result.output) == (last.response, None)
    assert (first.text, first.reasoning) == ("one", None)
    assert first.tool_results == (ToolResult("a", "b"),)
    assert first.warnings == (Warning("odd"),)


TEXT = ContentPart(ContentKind.TEXT, text="So.")


def an_answer(*parts: ContentPart) -> Response:
    message = Message(Role.ASSISTANT, parts)
    return Response("1", "m-2026", "acme", message, FinishReason("stop"), Usage(1, 1))


def test_provider_data_has_the_requested_model() -> None:
    own = ProviderData("acme", {"type": "thinking"})
    thought = ContentPart(ContentKind.THINKING, thinking=ThinkingData("Well."), provider_data=own)
    text, said = an_answer(thought, TEXT).with_model("m").message.content
    assert text.provider_data is not None
    assert text.provider_data == ProviderData("acme", {"type": "thinking"}, "m")
    assert said == TEXT
    assert text.provider_data.is_valid_for("m")
    assert not text.provider_data.is_valid_for("another")
    assert own.is_valid_for("another")


def test_text_answer_is_unchanged() -> None:
    answer = an_answer(TEXT)
    assert answer.with_model("m") is answer
