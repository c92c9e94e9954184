from attractor.backends.models import ModelChoice
from attractor.cli.commands.models import Trial, models_text, trial_text
from attractor.llm import FinishReason, Message, ModelInfo, Prices, PriceTier, Response, Usage

LONG = PriceTier(1_000, Prices(input=4.0))
PRICED = ModelInfo(
    id="m",
    provider="p",
    display_name="M",
    context_window=200_000,
    supports_tools=True,
    input_cost_per_million=2.5,
    price_tiers=(LONG,),
)


def test_unknown_values_and_price_tiers_are_marked() -> None:
    _, row, *rest = models_text([PRICED], others=0).splitlines()
    assert row.split() == ["m", "p", "200,000", "unknown", "tools", "2.5+", "unknown", "unknown"]
    assert len(rest) == 2
    assert models_text([], others=3).splitlines()[-1].startswith("3 more providers")


def trial(text: str, *, by: str, cost: float | None) -> Trial:
    usage = Usage(14, 5, cache_read_tokens=8)
    said = Message.assistant(text)
    response = Response("r", by, "p", said, FinishReason("stop"), usage)
    return Trial(ModelChoice("p", "m"), 1.234, cost, response)


def test_model_test_prints_answer_time_and_cost() -> None:
    assert trial_text(trial("ready\n", by="m-2026", cost=0.000156)).splitlines() == [
        "m of p, as m-2026, answered: ready",
        "time    1.23 s",
        "tokens  14 in, 8 from the cache, 5 out",
        "cost    $0.000156",
    ]
    text = trial_text(trial("a\x1b[2J\nb" + "x" * 999, by="m", cost=None))
    assert len(text.splitlines()) == 4
    assert "\x1b" not in text
    assert len(text) < 400
    assert text.endswith("cost    unknown")
