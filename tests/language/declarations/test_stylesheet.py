from collections.abc import Callable

from hypothesis import given, strategies as st

from attractor.language.declarations.stylesheet import Stylesheet, read_stylesheet
from attractor.language.diagnostics import Severity
from attractor.language.graph.graph import Node
from attractor.language.linting.lint_rule import Vocabulary, rule_registry
from attractor.language.reading import parse
from attractor.language.source.syntax_tree import Attributes, quoted
from tests.growing import times_more
from tests.tables import table

EITHER = "llm_model, llm_provider, reasoning_effort or backend"


def valid(text: str) -> Stylesheet:
    stylesheet, mistakes = read_stylesheet(text)
    assert not mistakes
    return stylesheet


def of(text: str, *, shape: str = "box", classes: tuple[str, ...] = ()) -> dict[str, str]:
    return valid(text).properties(Node("a", Attributes.of({"shape": shape}), classes))


@table(
    ("text", "model"),
    [
        ("* { llm_model: m }", "m"),
        ("*{llm_model:m;}", "m"),
        ("* { llm_model: x } * { llm_model: m }", "m"),
        ("box { llm_model: m } * { llm_model: x }", "m"),
        (".c { llm_model: m } box { llm_model: x }", "m"),
        ("#a { llm_model: m } .c { llm_model: x }", "m"),
        ("#b { llm_model: x } .d { llm_model: x } house { llm_model: x }", ""),
        (".c { llm_model: x } .e { llm_model: m }", "m"),
        (".e { llm_model: x } .c { llm_model: m }", "m"),
        (".c { llm_model: x } .e { llm_model: x } .c { llm_model: m }", "m"),
        (".c { llm_model: x } .e { llm_model: m } .c { llm_provider: p }", "m"),
        ('* { llm_model: "claude \\"4\\" {x}" }', 'claude "4" {x}'),
        ("\n* {\n  llm_model: gpt-5.2:x;\n  llm_provider: openai\n}\n", "gpt-5.2:x"),
    ],
)
def test_the_most_specific_rule_wins_and_then_the_last(text: str, model: str) -> None:
    assert of(text, classes=("c", "e")).get("llm_model", "") == model


def test_properties_and_selectors_are_decided_one_by_one() -> None:
    text = "* { llm_model: m; reasoning_effort: low } #a { reasoning_effort: high }"
    assert of(text) == {"llm_model": "m", "reasoning_effort": "high"}
    text = "* { llm_modl: a; reasoning_effort: best; llm_model: b } #a { x: y }"
    mistakes = read_stylesheet(text).mistakes
    assert [text[one.start : one.end] for one in mistakes] == ["llm_modl", "best", "x"]
    text = "#a { llm_model: x } .b { llm_model: x } * { llm_model: x } box { llm_model: x }"
    rules = valid(text).rules
    assert [(one.selector, text[one.start :].split()[0]) for one in rules] == [
        (one, one) for one in ("*", "box", ".b", "#a")
    ]


@table(
    ("text", "message", "hint", "where"),
    [
        ("", "unexpected end of the stylesheet", "write #id or * or .class or a shape", (0, 0)),
        ("* { llm_model: a", "unexpected end of the stylesheet", "write ; or }", (16, 16)),
        ("* {}", "unexpected '}' in the stylesheet", "write a property", (3, 4)),
        ("* { llm_model = a }", "unexpected '=' in the stylesheet", "write :", (14, 15)),
        ("* { llm_model: }", "unexpected '}' in the stylesheet", "write a value", (15, 16)),
        ("* { llm_modl: a }", "unknown property 'llm_modl'", "did you mean llm_model?", (4, 12)),
        (
            "* { llm_model: a, llm_provider: b }",
            "unexpected ',' in the stylesheet",
            "write ; or }",
            (16, 17),
        ),
        (
            "/* c */ * { llm_model: a }",
            "comments are not supported in a stylesheet",
            "move the comment out of the stylesheet",
            (0, 2),
        ),
        ("* { llm_model: 4o }", "the value '4o' needs quotes", 'write \\"4o\\"', (15, 17)),
        ("* { llm_model: 5; }", "the value '5' needs quotes", 'write \\"5\\"', (15, 16)),
        (
            "* { llm_model: openai/gpt-5; llm_provider: x }",
            "the value 'openai/gpt-5' needs quotes",
            'write \\"openai/gpt-5\\"',
            (15, 27),
        ),
        ("* { llm_model: gpt 5 }", "the value 'gpt 5' needs quotes", 'write \\"gpt 5\\"', (15, 20)),
        ("* { llm_model: 'gpt' }", "the value ''gpt'' needs double quotes", "write gpt", (15, 20)),
        (
            "* { llm_model: \u201cgpt 5\u201d }",
            "the value '“gpt 5”' needs double quotes",
            'write \\"gpt 5\\"',
            (15, 22),
        ),
        (
            "* { reasoning_effort: 5 }",
            "invalid reasoning_effort '5'",
            "use low, medium or high",
            (22, 23),
        ),
        (
            "* { reasoning_effort: 'high' }",
            "the value ''high'' needs double quotes",
            "write high",
            (22, 28),
        ),
        ("* { temperature: 0.5 }", "unknown property 'temperature'", f"use {EITHER}", (4, 15)),
        (
            "* { llm_model: gpt\n  reasoning_effort: low }",
            "missing ';' after 'gpt'",
            "add ;",
            (15, 18),
        ),
        ("* { model: a }", "unknown property 'model'", "did you mean llm_model?", (4, 9)),
        (
            "* { effort: low }",
            "unknown property 'effort'",
            "did you mean reasoning_effort?",
            (4, 10),
        ),
        *(
            (
                f"* {{ llm_model: a }} {both} {{ llm_model: a }}",
                f"several selectors '{both}' in one rule",
                "use a single selector, or write a rule for each selector",
                (19, 19 + len(both)),
            )
            for both in (".c1 .c2", ".c1.c2", ".c1, .c2", "#a > .c2", "box hexagon", "* .c", "a#a")
        ),
        (
            ".Code { llm_model: a }",
            "invalid class '.Code'",
            "use lowercase letters, digits and -",
            (0, 5),
        ),
        (
            "* { llm_model: a } .my_code { llm_model: a }",
            "invalid class '.my_code'",
            "use lowercase letters, digits and -",
            (19, 27),
        ),
        (
            "* { reasoning_effort: hgih }",
            "invalid reasoning_effort 'hgih'",
            "did you mean high?",
            (22, 26),
        ),
        (
            '* { reasoning_effort: "extreme" }',
            "invalid reasoning_effort 'extreme'",
            "use low, medium or high",
            (22, 31),
        ),
        ("* { zzz: a }", "unknown property 'zzz'", f"use {EITHER}", (4, 7)),
    ],
)
def test_mistake_is_reported_with_its_position(
    text: str, message: str, hint: str, where: tuple[int, int]
) -> None:
    first = read_stylesheet(text).mistakes[0]
    assert (first.message, first.hint, (first.start, first.end)) == (message, hint, where)


@given(st.text(alphabet='*{}:;.#"\\ \nabllm_model', max_size=40) | st.text(max_size=20))
def test_any_text_is_a_stylesheet_or_has_a_mistake_within_it(text: str) -> None:
    for one in read_stylesheet(text).mistakes:
        assert 0 <= one.start <= one.end <= len(text)


def test_time_for_a_large_stylesheet_is_linear() -> None:
    text = " ".join(f"#n{i} {{ llm_model: m{i} }}" for i in range(2_000))
    sheet = valid(text)
    models = [sheet.properties(Node(f"n{i}"))["llm_model"] for i in range(2_000)]
    assert models == [f"m{i}" for i in range(2_000)]


@table("selector", [".a", "*", "box"])
def test_time_for_many_rules_of_one_selector_is_linear(selector: str) -> None:
    def work(number: int) -> Callable[[], object]:
        sheet = valid(" ".join(f"{selector} {{ llm_model: m{i} }}" for i in range(number)))
        nodes = [Node(f"n{i}", classes=("a",)) for i in range(number)]
        return lambda: [sheet.properties(node) for node in nodes]

    assert times_more(work, few=50) < 20


@given(st.text())
def test_any_value_can_be_given_in_quotes(value: str) -> None:
    assert of(f"* {{ llm_model: {quoted(value)} }}") == {"llm_model": value}


def selectors(stylesheet: str) -> list[tuple[str, str, str]]:
    text = f"""digraph G {{
        model_stylesheet = "{stylesheet}"
        a [class="code, slow"]
        subgraph {{ label="Loop A"; b [shape=hexagon] }}
    }}"""
    lines = text.split("\n")
    found = list(rule_registry()["unused_selector"].apply(parse(text), Vocabulary()))
    assert all(one.severity is Severity.INFO for one in found)
    return [
        (
            one.message,
            one.fix,
            lines[one.span.line - 1][one.span.column - 1 : one.span.end_column - 1],
        )
        for one in found
    ]


def test_unused_selectors_are_noted() -> None:
    used = "* { llm_model: x } box { llm_model: x } hexagon { llm_model: x } .code { llm_model: x }"
    assert selectors(used + " .slow { llm_model: x } .loop-a { llm_model: x }") == []
    assert selectors(
        used + " #aa { llm_model: x } .cod { llm_model: x } house { llm_model: x }"
    ) == [
        ("unused selector 'house': it matches no node", "remove the rule", "house"),
        ("unused selector '.cod': it matches no node", "did you mean .code?", ".cod"),
        ("unused selector '#aa': it matches no node", "did you mean #a?", "#aa"),
    ]
    assert selectors("#nowhere { llm_modl: x }") == []
    assert selectors("#nowhere {") == []
    assert selectors(" ") == []


@table(
    ("text", "places"),
    [
        ("* { llm_model = a } box { llm_modl: b } .Y { llm_model: c }", ["=", "llm_modl", ".Y"]),
        ("* { llm_modl: b } box { llm_model = a } #k { x: y }", ["llm_modl", "=", "x"]),
        ('* { llm_modl: "}" } box { llm_model = a }', ["llm_modl", "="]),
        ("/* * { llm_model: a } */ * { llm_model: b } #a { x: y }", ["/*", "x"]),
        ("* { llm_model: a; #a { llm_model: b } .c { llm_model 3 }", ["#a", "3"]),
        ("* { temperature: 0.5 } .a .b { llm_model: a }", ["temperature", ".a .b"]),
        ('* { llm_model: "a } box { x: y }', ['"a', "x"]),
        ("* { llm_model: a } } box { llm_model: a", ["}", ""]),
        ("* { llm_model = a } \n", ["="]),
    ],
)
def test_behind_a_broken_rule_the_next_ones_are_read(text: str, places: list[str]) -> None:
    mistakes = read_stylesheet(text).mistakes
    assert [text[one.start : one.end] for one in mistakes] == places


def test_too_many_mistakes_stop_the_parser() -> None:
    assert len(read_stylesheet("* { llm_model = a } " * 900).mistakes) == 900
    assert len(read_stylesheet('"} \\' * 100_000).mistakes) == 1000


def test_mistakes_after_escapes_have_positions_in_the_file() -> None:
    sheet = r"* { llm_model: \"a\" }" + "\n" + r" .x { llm_modl: \"b c\" } #a { llm_model = c }"
    text = f'digraph G {{ model_stylesheet="{sheet}" }}'
    found = list(rule_registry()["stylesheet_syntax"].apply(parse(text), Vocabulary()))
    line = text.split("\n")[1]
    assert [one.span.line for one in found] == [2, 2]
    assert [line[one.span.column - 1 : one.span.end_column - 1] for one in found] == [
        "llm_modl",
        "=",
    ]
