"""Remedy for an exhausted budget."""

import pytest

from attractor.records.diagnosis.failures import budget_option


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("the budget max_tokens is exhausted: 10000 of 9500", ("--max-tokens", "20000")),
        ("the budget max_duration is exhausted: 6.142 of 4", ("--max-duration", "13s")),
        ("the budget max_duration is exhausted: 0 of 0", ("--max-duration", "1s")),
        ("the budget max_cost_usd is exhausted: 1.5 of 1", ("--max-cost-usd", "3.00")),
        ("the budget max_cost_usd is exhausted: 1e-06 of 0", ("--max-cost-usd", "0.01")),
        ("a@1.1: the budget max_tokens is exhausted: 8 of 5", ("--max-tokens", "16")),
        ("the machine was shut down", ()),
        ("", ()),
    ],
)
def test_resume_option_follows_from_the_reason(reason: str, words: tuple[str, ...]) -> None:
    assert tuple(budget_option(reason)) == words
