"""Each of the usual mistakes in conditions has its own sentence, and its place."""

import pytest

from attractor.language.conditions.condition import Unreadable
from attractor.language.conditions.parse import parse_condition, read_condition
from attractor.language.errors import InvalidCondition

OPERATORS = "write =, !=, <, <=, >, >=, contains or matches"
KEYS = "keys are outcome, preferred_label and context.NAME"
EXAMPLES = [
    ("outcome==fail", "== is no operator", "write = for equal and != for not equal", "=="),
    ("a=1 && b == 2", "== is no operator", "write = for equal and != for not equal", "=="),
    ("a =~ b", "=~ is no operator", "write matches", "=~"),
    ("a <> b", "<> is no operator", "write != for not equal", "<>"),
    ("a =< 3", "=< is no operator", "write <=", "=<"),
    ("a >> 3", ">> is no operator", OPERATORS, ">>"),
    ("a is b", "'is' is no operator", OPERATORS, "is"),
    ("a=b and c=d", "'and' joins no clauses", "write &&", "and"),
    ("a=b OR (c=d)", "'OR' joins no clauses", "write ||", "OR"),
    ("a and b", "'and' joins no clauses", "write &&", "and"),
    ("a=b & c=d", "'&' joins no clauses", "write &&", "&"),
    ("a=b | c=d", "'|' joins no clauses", "write ||", "|"),
    ("not a=b", "'not' is no word of conditions", "write !", "not"),
    ("a=b && NOT c=d", "'not' is no word of conditions", "write !", "NOT"),
    ("outcome=", "a value is missing here", 'write one; "" is the empty text', ""),
    ("a= && b=c", "a value is missing here", 'write one; "" is the empty text', "&"),
    ("a contains", "a value is missing here", 'write one; "" is the empty text', ""),
    (
        "=success",
        "a key is missing before =",
        "write outcome, preferred_label or context.NAME",
        "=",
    ),
    ("a=b && ", "a clause is missing here", "write KEY=VALUE", ""),
    ("&& a=b", "a clause is missing here", "write KEY=VALUE", "&"),
    ("a=b || && c", "a clause is missing here", "write KEY=VALUE", "&"),
    ("()", "a clause is missing here", "write KEY=VALUE", ")"),
    ("!", "a clause is missing here", "write KEY=VALUE", ""),
    ('"a"=b', "'\"a\"=b' is not a key", "write the key first: KEY=VALUE", '"a"=b'),
    ("3 < a", "'3 < a' is not a key", "write the key first: KEY=VALUE", "3 < a"),
    ("true", "'true' is not a key", "an edge without a condition may always be taken", "true"),
    ("outcome=fail || false", "'false' is not a key", "one that never may is none", "false"),
    ("x-y=3", "'x-y' is not a key", KEYS, "x-y"),
    ("context.=3", "'context.' is not a key", KEYS, "context."),
    ("ä=3", "'ä' is not a key", KEYS, "ä"),
    (
        "a=Needs work",
        "the value 'Needs work' has to stand in quotes",
        r"\"Needs work\"",
        "Needs work",
    ),
    ("a=0.5", "the value '0.5' has to stand in quotes", r"\"0.5\"", "0.5"),
    ("a=1s && b", "the value '1s' has to stand in quotes", r"\"1s\"", "1s"),
    (
        "a=salt and pepper",
        "the value 'salt and pepper' has to stand in quotes",
        "",
        "salt and pepper",
    ),
    (
        "outcome='success'",
        "the value ''success'' has to stand in double quotes",
        "write success",
        "'success'",
    ),
    (
        "a=\u201cnot yet\u201d && b=c",
        "the value '\u201cnot yet\u201d' has to stand in double quotes",
        r"write \"not yet\"",
        "\u201cnot yet\u201d",
    ),
    ("a=`b", "the value '`b' has to stand in double quotes", "write b", "`b"),
    ("a matches ^b", "the value '^b' has to stand in quotes", "", "^b"),
    ('a="b" c', "'c' does not belong behind a clause", "write && or || between clauses", "c"),
    ("a>b", "'b' is not a number", "write a number, or compare with = or !=", "b"),
    ('a>"b"', "'b' is not a number", "write a number, or compare with = or !=", '"b"'),
    ('a="b', "the quotes of '\"b' are never closed", 'put a " at the end of the text', '"b'),
    ('a="b && c=d', "the quotes of '\"b && c=d' are never closed", "", '"b && c=d'),
    ("(a=b", "this ( is never closed", "write ) where it ends", "("),
    ("a=b)", "this ) closes nothing", "take it away, or write its (", ")"),
    ('a matches "("', "invalid regular expression '(': missing )", "", '"("'),
]


@pytest.mark.parametrize(("text", "message", "hint", "place"), EXAMPLES)
def test_a_mistake_is_told_with_its_place(text: str, message: str, hint: str, place: str) -> None:
    with pytest.raises(InvalidCondition) as raised:
        parse_condition(text)
    error = raised.value
    assert error.message == message
    assert hint in error.hint
    assert error.hint
    assert text[error.start : error.end] == place
    assert read_condition(text) == Unreadable(message, error.hint, error.start, error.end)
