"""Each common mistake in conditions has its own message, with its place."""

import pytest

from attractor.language.conditions.condition import Unreadable
from attractor.language.conditions.parse import parse_condition, read_condition
from attractor.language.diagnostics import InvalidCondition
from tests.tables import table

OPERATORS = "use =, !=, <, <=, >, >=, contains or matches"
KEYS = "valid keys are outcome, preferred_label and context.NAME"
EXAMPLES = [
    ("outcome==fail", "unknown operator ==", "use = for equal and != for not equal", "=="),
    ("a=1 && b == 2", "unknown operator ==", "use = for equal and != for not equal", "=="),
    ("a =~ b", "unknown operator =~", "use matches", "=~"),
    ("a <> b", "unknown operator <>", "use != for not equal", "<>"),
    ("a =< 3", "unknown operator =<", "use <=", "=<"),
    ("a >> 3", "unknown operator >>", OPERATORS, ">>"),
    ("a is b", "unknown operator 'is'", OPERATORS, "is"),
    ("a=b and c=d", "'and' does not join clauses", "use &&", "and"),
    ("a=b OR (c=d)", "'OR' does not join clauses", "use ||", "OR"),
    ("a and b", "'and' does not join clauses", "use &&", "and"),
    ("a=b & c=d", "'&' does not join clauses", "use &&", "&"),
    ("a=b | c=d", "'|' does not join clauses", "use ||", "|"),
    ("not a=b", "unknown word 'not'", "use !", "not"),
    ("a=b && NOT c=d", "unknown word 'not'", "use !", "NOT"),
    ("outcome=", "missing value", 'add a value; "" is the empty text', ""),
    ("a= && b=c", "missing value", 'add a value; "" is the empty text', "&"),
    ("a contains", "missing value", 'add a value; "" is the empty text', ""),
    ("=success", "missing key before =", "add outcome, preferred_label or context.NAME", "="),
    ("a=b && ", "missing clause", "add KEY=VALUE", ""),
    ("&& a=b", "missing clause", "add KEY=VALUE", "&"),
    ("a=b || && c", "missing clause", "add KEY=VALUE", "&"),
    ("()", "missing clause", "add KEY=VALUE", ")"),
    ("!", "missing clause", "add KEY=VALUE", ""),
    ('"a"=b', "invalid key '\"a\"=b'", "write the key first: KEY=VALUE", '"a"=b'),
    ("3 < a", "invalid key '3 < a'", "write the key first: KEY=VALUE", "3 < a"),
    ("true", "invalid key 'true'", "remove the condition if it is always true", "true"),
    ("outcome=fail || false", "invalid key 'false'", "or the edge if it is never true", "false"),
    ("x-y=3", "invalid key 'x-y'", KEYS, "x-y"),
    ("context.=3", "invalid key 'context.'", KEYS, "context."),
    ("ä=3", "invalid key 'ä'", KEYS, "ä"),
    ("a=Needs work", "the value 'Needs work' needs quotes", r"\"Needs work\"", "Needs work"),
    ("a=0.5", "the value '0.5' needs quotes", r"\"0.5\"", "0.5"),
    ("a=1s && b", "the value '1s' needs quotes", r"\"1s\"", "1s"),
    ("a=salt and pepper", "the value 'salt and pepper' needs quotes", "", "salt and pepper"),
    (
        "outcome='success'",
        "the value ''success'' needs double quotes",
        "write success",
        "'success'",
    ),
    (
        "a=\u201cnot yet\u201d && b=c",
        "the value '“not yet”' needs double quotes",
        'write \\"not yet\\"',
        "\u201cnot yet\u201d",
    ),
    ("a=`b", "the value '`b' needs double quotes", "write b", "`b"),
    ("a matches ^b", "the value '^b' needs quotes", "", "^b"),
    ('a="b" c', "unexpected 'c' after a clause", "use && or || between clauses", "c"),
    ("a>b", "'b' is not a number", "use a number, or compare with = or !=", "b"),
    ('a>"b"', "'b' is not a number", "use a number, or compare with = or !=", '"b"'),
    ('a="b', "unclosed quote in '\"b'", 'add " at the end of the text', '"b'),
    ('a="b && c=d', "unclosed quote in '\"b && c=d'", "", '"b && c=d'),
    ("(a=b", "unclosed (", "add the missing )", "("),
    ("a=b)", "unbalanced )", "remove it, or add the missing (", ")"),
    ('a matches "("', "invalid regular expression '(': missing )", "", '"("'),
]


@table(("text", "message", "hint", "place"), EXAMPLES)
def test_mistake_is_reported_with_its_position(
    text: str, message: str, hint: str, place: str
) -> None:
    with pytest.raises(InvalidCondition) as raised:
        parse_condition(text)
    error = raised.value
    assert error.message == message
    assert hint in error.hint
    assert error.hint
    assert text[error.start : error.end] == place
    assert read_condition(text) == Unreadable(message, error.hint, error.start, error.end)
