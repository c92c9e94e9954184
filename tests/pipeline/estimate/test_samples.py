"""Assumed usage of stages that call a model."""

import pytest

from attractor.backends.models import ModelDefaults
from attractor.language.reading import parse
from attractor.llm.catalogue import ModelInfo
from attractor.llm.errors import ConfigurationError
from attractor.pipeline.estimate.samples import A_TASK, ONE_ANSWER, UNKNOWN, Assumption, assume
from tests.tables import table


def model(provider: str = "openai", **prices: float) -> ModelInfo:
    return ModelInfo(id="m-1", provider=provider, display_name="M", **prices)  # pyright: ignore[reportArgumentType]


PRICED = model(input_cost_per_million=1.0, output_cost_per_million=10.0)


def assumed(
    attributes: str, known: ModelInfo | None = PRICED, defaults: ModelDefaults | None = None
) -> Assumption | None:
    graph = parse(f"digraph G {{ n [{attributes}] }}")
    chosen = defaults or ModelDefaults("m-1", "openai")
    return assume(graph.nodes["n"], chosen, find=lambda id_, provider: known)


def test_a_task_takes_many_calls_and_an_answer_one() -> None:
    task, answer = assumed('prompt="x"'), assumed('type=prompt, prompt="x"')
    assert task
    assert answer
    for one in (task, answer):
        for range_ in (one.seconds, one.cost_usd, one.tokens):
            assert range_.low is not None
            assert range_.likely is not None
            assert range_.high is not None
            assert 0 < range_.low < range_.likely < range_.high
    assert task.cost_usd.likely > answer.cost_usd.likely  # pyright: ignore[reportOperatorIssue, reportOptionalOperand]
    assert task.basis == f"assumed: {A_TASK[0].number} to {A_TASK[2].number} calls of m-1"
    assert answer.basis == "assumed: one call of m-1"


def test_likely_cost_is_computed_from_tokens() -> None:
    one = assumed("type=prompt")
    likely = ONE_ANSWER[1]
    assert one
    assert one.tokens.likely == likely.prompt + likely.answer
    assert one.cost_usd.likely == pytest.approx((likely.prompt + 10 * likely.answer) / 1_000_000)


def test_a_long_prompt_costs_more() -> None:
    short, long = (
        assumed('type=prompt, prompt="x"'),
        assumed(f'type=prompt, prompt="{"x " * 9000}"'),
    )
    assert short
    assert long
    assert long.tokens.low == (short.tokens.low or 0) + 4500


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_cached_tokens_cost_less(provider: str) -> None:
    plain = {"input_cost_per_million": 1.0, "output_cost_per_million": 10.0}
    dear, cheap = (
        assumed('prompt="x"', model(provider, **plain, cache_read_cost_per_million=cache))
        for cache in (1.0, 0.1)
    )
    saved = A_TASK[1].number * A_TASK[1].cached * 0.9 / 1_000_000
    assert dear
    assert cheap
    assert (dear.cost_usd.likely or 0) - (cheap.cost_usd.likely or 0) == pytest.approx(saved)


def test_stage_without_a_model_has_no_assumption() -> None:
    assert assumed('shape=parallelogram, tool_command="true"') is None
    assert assumed("shape=tripleoctagon") is None
    assert assumed('shape=tripleoctagon, prompt="Which?"') is not None


@table(
    ("known", "defaults", "message"),
    [
        (None, ModelDefaults("m-1", "openai"), "not in the catalogue"),
        (model(), ModelDefaults("m-1", "openai"), "without a price in the catalogue"),
        (PRICED, ModelDefaults(), "no model is chosen: --model"),
    ],
)
def test_tokens_are_estimated_without_a_price(
    known: ModelInfo | None, defaults: ModelDefaults, message: str
) -> None:
    one = assumed('prompt="x"', known, defaults)
    assert one
    assert one.cost_usd == UNKNOWN
    assert one.tokens.is_known
    assert message in one.basis


def test_unreadable_catalogue_is_reported() -> None:
    def broken(id_: str, provider: str) -> ModelInfo | None:
        raise ConfigurationError("the table is gone")

    node = parse('digraph G { n [prompt="x"] }').nodes["n"]
    one = assume(node, ModelDefaults("m-1", "openai"), find=broken)
    assert one
    assert "the table is gone" in one.basis
    assert one.cost_usd == UNKNOWN
