from pathlib import Path

import pytest

from attractor.twins.choosing import choose, entries_of
from attractor.twins.conversation import Conversation, Speaker, Turn
from attractor.twins.errors import NoRule
from attractor.twins.script import load_script, parse_script

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
    entries = entries_of(scripts)
    assert [(one.number, one.name) for one in entries] == [
        (1, "rule 1"),
        (2, "answer of own.py"),
        (3, "rule 1"),
    ]
    chosen = [choose(entries, HELLO, attempt=one) for one in (1, 2)]
    assert [(one.entry.number, one.answer.text) for one in chosen] == [(3, "last"), (2, "made")]
    with pytest.raises(NoRule, match=r"nearest is 'rule 1'.*; answer of own\.py has no answer"):
        choose(entries_of(scripts[:1]), HELLO)


def test_a_fault_that_does_not_strike_leaves_the_answer() -> None:
    choice = choose(entries_of([parse_script(FAULTY)]), HELLO)
    struck = [bool(choice.drawn(use).fault) for use in range(1, 40)]
    assert len(set(struck)) == 2
    assert {choice.drawn(use).text for use in range(1, 40)} == {"a"}
    other = choose(entries_of([parse_script(FAULTY.replace("5\n", "6\n", 1))]), HELLO)
    assert [bool(other.drawn(use).fault) for use in range(1, 40)] != struck
