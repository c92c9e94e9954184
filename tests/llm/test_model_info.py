from attractor.llm.model_info import CAPABILITIES, ModelInfo, Prices, PriceTier

PLAIN = ModelInfo(id="m", provider="p", display_name="M")
LONG, LONGER = Prices(input=4.0, output=8.0), Prices(input=6.0, output=9.0)


def test_what_is_not_known_is_none_and_what_is_not_said_cannot_be_done() -> None:
    assert (PLAIN.context_window, PLAIN.max_output, PLAIN.input_cost_per_million) == (None,) * 3
    assert PLAIN.capabilities == ()
    assert PLAIN.prices() == Prices()


def test_capabilities_are_named_in_one_order() -> None:
    able = ModelInfo(
        id="m",
        provider="p",
        display_name="M",
        supports_reasoning=True,
        supports_vision=True,
        supports_tools=True,
    )
    assert able.capabilities == CAPABILITIES


def test_a_tier_counts_for_prompts_that_are_longer_than_it_says() -> None:
    model = ModelInfo(
        id="m",
        provider="p",
        display_name="M",
        input_cost_per_million=2.0,
        price_tiers=(PriceTier(300, LONGER), PriceTier(200, LONG)),
    )
    assert model.prices(200) == Prices(input=2.0)
    assert model.prices(201) == model.prices(300) == LONG
    assert model.prices(301) == LONGER
