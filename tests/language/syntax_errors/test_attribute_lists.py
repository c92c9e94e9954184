"""Missing quotes are found completely, in linear time."""

from collections.abc import Callable

from attractor.language.syntax_errors.attribute_lists import ValueFault, find_value_mistakes
from tests.growing import times_more
from tests.language.repeated import LOOSE
from tests.tables import table


def found(text: str) -> list[str]:
    return [text[one.start : one.end] for one in find_value_mistakes(text)]


@table(
    "text",
    [
        'digraph G { a [prompt="x = \'y\'", k=v]; label = "a b" }',
        "digraph G { a [k=v, weight=3, timeout=900s, fidelity=summary:low] }",
        "digraph G { rankdir=LR a b c }",
        "digraph G { goal = x a -> b }",
        "digraph G { a [k= /* why */ v, shape=box style=bold] }",
        "digraph G { a [k=v // 'note'\n] }",
        "#define X 'y'\ndigraph G { }",
        "digraph G { a [label=<b>] }",
        "digraph G { a [label=<<td a='l'>x</td>>] }",
        "digraph G = { a }",
        "digraph G { subgraph x = { a } }",
        "digraph G { a [k=#ff0000, j=it's, i=2hours] }",
        "digraph G { goal =\n x }",
        "a ==> b; c => d; e =~ f",
        "digraph G { a [prompt=\"it is never closed, k='x'",
        "digraph G { a /* it is never closed k='x'",
    ],
)
def test_other_mistakes_are_not_unquoted_values(text: str) -> None:
    assert found(text) == []


@table(
    ("text", "loose"),
    [
        ("[a='x', b='y']", ["'x'", "'y'"]),
        ("[a='x'b='y']", ["'x'", "'y'"]),
        ("[a='it''s, isn't it', b=c]", ["'it''s, isn't it'"]),
        ("[a='x\n  b='y']\n", ["'x", "'y'"]),
        ("[a='x\n  y'\n b=c]", ["'x\n  y'"]),
        ('[a=\'x="1", y\', b="c"]', ["'x=\"1\", y'"]),
        ("[label=a b c=d]", ["a b"]),
        ("[tool_command=env A=1 make, k=v]", ["env A=1 make"]),
        ("[tool_command=env A=1 make timeout=3s]", ["env A=1 make"]),
        ("[condition=a=b && c=d || !e]", ["a=b && c=d || !e"]),
        ("[x=1+2 // why\n]", ["1+2"]),
        ("[x=a/b; y=c/d]", ["a/b", "c/d"]),
        ("{ x=a/b c, d; y=1 }", ["a/b c, d"]),
        ("{ x={{y}}\n z }", ["{{y}}"]),
        ("[x={y} z]", ["{y} z"]),
        ("[label=<\n<b>x</b>\n>, k=v]", ["<\n<b>x</b>\n>"]),
        ("{ a # b\n ## c\n}", ["# b", "## c"]),
        ("{ a=\n b [c=d]\n e = f }", ["a="]),
        ("[a=\n b=c]", ["a="]),
        ("\u00e9 [k=\u201ea, b\u201c]", ["\u201ea, b\u201c"]),
    ],
)
def test_unquoted_value_is_found_completely(text: str, loose: list[str]) -> None:
    assert found(text) == loose


def test_unpaired_quote_is_distinguished_from_a_pair() -> None:
    kinds = [one.fault for one in find_value_mistakes("[a='x]\n[b='y', c=`z`, d=`w]")]
    assert kinds == [
        ValueFault.OPEN_QUOTE,
        ValueFault.OTHER_QUOTES,
        ValueFault.OTHER_QUOTES,
        ValueFault.OPEN_QUOTE,
    ]


@table("piece", LOOSE)
def test_ten_times_as_many_loose_ends_are_ten_times_the_work(piece: str) -> None:
    def work(times: int) -> Callable[[], object]:
        text = "digraph G { a [b=" + piece * times
        return lambda: list(find_value_mistakes(text))

    assert times_more(work, few=100) < 15
