import pytest

from attractor.llm import ConfigurationError, ModelInfo, Request, ServerError, Usage
from attractor.llm.errors import CostLimitError
from attractor.llm.middleware import Costs, Spent
from tests.agent.scripted import ScriptedProvider, said
from tests.llm.middleware.asked import HELLO, ask, client_of, codes, hear, whole
from tests.tables import table

PRICED = ModelInfo(
    id="gpt-5.2",
    provider="openai",
    display_name="GPT",
    input_cost_per_million=10_000,
    output_cost_per_million=100_000,
)
# A scripted answer has 100 input tokens and 10 output tokens.
PRICE = 2.0
UNKNOWN = Request(model="unheard-of", messages=HELLO.messages)


def find(model: str, provider: str) -> ModelInfo | None:
    return PRICED if (model, provider) == ("gpt-5.2", "openai") else None


def test_calls_are_added_up_by_provider_and_model() -> None:
    costs = Costs(find=find)
    provider = ScriptedProvider(said("one"), said("two"), said("three"))
    ask(provider, around=[costs])
    hear(provider, around=[costs])
    ask(provider, around=[costs], request=UNKNOWN)
    priced = Spent(2, Usage(200, 20), 2 * PRICE)
    unpriced = Spent(1, Usage(100, 10), 0.0, 1)
    assert costs.by_model == {("openai", "gpt-5.2"): priced, ("openai", "unheard-of"): unpriced}
    assert costs.total == Spent(3, Usage(300, 30), 2 * PRICE, 1)


def test_failed_call_costs_nothing() -> None:
    costs = Costs(find=find)
    with pytest.raises(ServerError):
        ask(ScriptedProvider(ServerError("down", provider="openai")), around=[costs])
    assert costs.total == Spent()


def test_a_call_is_unpriced_without_a_table_of_prices() -> None:
    def fail(model: str, provider: str) -> None:
        raise ConfigurationError("no table of models")

    costs = Costs(find=fail)
    ask(ScriptedProvider(said("one")), around=[costs])
    assert costs.total.unpriced == 1


@pytest.mark.anyio
async def test_abandoned_stream_has_an_unknown_cost() -> None:
    costs = Costs(find=find)
    events = client_of(ScriptedProvider(said("one two")), around=[costs]).stream(HELLO)
    await anext(events)
    await events.aclose()
    assert costs.total == Spent(calls=1, unpriced=1)


@table("listen", [ask, hear], ids=["whole", "stream"])
def test_the_call_after_the_limit_is_refused(listen: object) -> None:
    costs = Costs(limit_usd=3, find=find)
    provider = ScriptedProvider(said("one"), said("two"), said("three"))
    for _ in range(2):
        ask(provider, around=[costs])
    with pytest.raises(CostLimitError, match=r"2 calls cost \$4.0000; the limit is \$3") as caught:
        (ask if listen is ask else hear)(provider, around=[costs])
    assert not caught.value.retryable
    assert caught.value.hint
    assert len(provider.requests) == 2


def test_model_without_price_is_reported_under_a_limit() -> None:
    provider = ScriptedProvider(said("one"), said("two"), said("three"))
    limited = [Costs(limit_usd=3, find=find)]
    assert codes(ask(provider, around=limited, request=UNKNOWN)) == ["price_unknown"]
    assert codes(whole(hear(provider, around=limited, request=UNKNOWN))) == ["price_unknown"]
    assert codes(ask(provider, around=[Costs(find=find)], request=UNKNOWN)) == []


def test_limit_of_zero_is_refused() -> None:
    for limit in (0, -1, float("nan")):
        with pytest.raises(ConfigurationError, match="cost limit"):
            Costs(limit_usd=limit)
