from pathlib import Path

import pytest

from attractor.twins.errors import NoMatchingRule
from attractor.twins.exchange.answer import is_drawn
from attractor.twins.exchange.conversation import Conversation, Speaker, Turn
from attractor.twins.script.match import choose, rule_entries
from attractor.twins.script.script import load_script, parse_script

HELLO = Conversation("openai", "gpt-5", "", [Turn(Speaker.USER, "hello")])
FAULTY = """
seed = 5
rules = [{ answer = { text = "a", fault = { kind = "cut", probability = 0.5 } } }]
"""


def test_scripts_are_tried_in_their_order_each_with_its_function(tmp_path: Path) -> None:
    program = tmp_path / "own.py"
    program.write_text(
        "rules = [{'when': {'first_user': 'bye'}, 'answer': {}}]\n"
        "def answer(conversation, attempt):\n"
        "    return {'text': 'made'} if attempt == 2 else None\n"
    )
    scripts = [load_script(program), parse_script('rules = [{ answer = { text = "last" } }]')]
    entries = rule_entries(scripts)
    assert [(one.number, one.name) for one in entries] == [
        (1, "rule 1"),
        (2, "answer of own.py"),
        (3, "rule 1"),
    ]
    chosen = [choose(entries, HELLO, attempt=one) for one in (1, 2)]
    assert [(one.entry.number, one.answer.text) for one in chosen] == [(3, "last"), (2, "made")]
    with pytest.raises(
        NoMatchingRule, match=r"nearest is 'rule 1'.*; answer of own\.py has no answer"
    ):
        choose(rule_entries(scripts[:1]), HELLO)


def test_a_fault_that_does_not_strike_leaves_the_answer() -> None:
    choice = choose(rule_entries([parse_script(FAULTY)]), HELLO)
    struck = [bool(choice.with_drawn_fault(use).fault) for use in range(1, 40)]
    assert len(set(struck)) == 2
    assert {choice.with_drawn_fault(use).text for use in range(1, 40)} == {"a"}
    other = choose(rule_entries([parse_script(FAULTY.replace("5\n", "6\n", 1))]), HELLO)
    assert [bool(other.with_drawn_fault(use).fault) for use in range(1, 40)] != struck


def with_drawn_fault(
    probability: float, seed: int = 1, rule: str = "r", uses: int = 2000
) -> list[bool]:
    return [is_drawn(probability, seed, rule, use) for use in range(1, uses + 1)]


def test_another_seed_rule_or_use_is_another_draw() -> None:
    assert with_drawn_fault(0.3) != with_drawn_fault(0.3, seed=2)
    assert with_drawn_fault(0.3) != with_drawn_fault(0.3, rule="s")
    assert len(set(with_drawn_fault(0.3))) == 2


def test_fault_is_drawn_about_as_often_as_declared() -> None:
    assert 0.27 < sum(with_drawn_fault(0.3)) / 2000 < 0.33
    assert all(with_drawn_fault(1.0))
    assert not any(with_drawn_fault(0.0))


def test_how_it_falls_does_not_change_with_a_version() -> None:
    assert [use for use in range(1, 11) if is_drawn(0.5, 7, "rule 1", use)] == [7, 8]
