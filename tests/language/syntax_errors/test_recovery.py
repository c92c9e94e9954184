from attractor.language.preparation.fixes import fix
from attractor.language.preparation.prepare import prepare
from tests.tables import table

AROUND = 'digraph G {{\n  start [shape=Mdiamond]\n  exit [shape=Msquare, label="E"]\n  {}\n}}\n'


def said(line: str) -> list[tuple[str, str, int]]:
    diagnostics = prepare(AROUND.format(line)).diagnostics
    return [(str(one.severity), one.message, one.span.column) for one in diagnostics]


@table(
    ("letter", "named"),
    [
        ("\u200b", "U+200B (zero width space)"),
        ("\u200d", "U+200D (zero width joiner)"),
        ("\u2060", "U+2060 (word joiner)"),
        ("\u00ad", "U+00AD (soft hyphen)"),
        ("\ufeff", "U+FEFF (zero width no-break space)"),
    ],
)
@table("line", ["start ->{} exit", "{} start -> exit", "sta{}rt -> exit"])
def test_an_invisible_letter_is_named_once(letter: str, named: str, line: str) -> None:
    column = line.index("{}") + 3
    message = f"invisible character {named}"
    assert said(line.format(letter)) == [("error", message, column)]


@table(
    "line",
    [
        'start -> exit [label\u200b="x"]',
        'start -> exit [lab\u200bel="x"]',
        'start -> exit [label="x",\u200b weight=1]',
        "start -> exit [label=x\u200b]",
        "\u200b\u200b\u200bstart -> exit",
        "start -> exit;\u200b",
        "start\u200b\n  start -> exit",
    ],
)
def test_mistake_is_reported_alone(line: str) -> None:
    assert [severity for severity, _, _ in said(line)] == ["error"]


def test_invisible_characters_hide_no_other_mistake() -> None:
    assert [message for _, message, _ in said("start \u200b-- exit")] == [
        "invisible character U+200B (zero width space)",
        "invalid edge '--': edges have a direction",
    ]
    text = AROUND.format("start -> exit")
    for around in ("\ufeff" + text, text + "\u200b"):
        diagnostics = prepare(around).diagnostics
        assert [one.message.partition(" U+")[0] for one in diagnostics] == ["invisible character"]


@table(
    ("blank", "named"),
    [
        ("\u00a0", "U+00A0 (no-break space)"),
        ("\u3000", "U+3000 (ideographic space)"),
        ("\u2028", "U+2028 (line separator)"),
    ],
)
def test_unusual_whitespace_is_no_error(blank: str, named: str) -> None:
    message = f"unusual blank, which other programs treat as a letter: {named}"
    assert said(f"start ->{blank}exit") == [("info", message, 11)]


@table("letter", ["\u200b", "\u00a0"])
def test_texts_and_comments_may_contain_invisible_characters(letter: str) -> None:
    assert not said(f'start -> exit [label="a{letter}b"] // {letter}\n  /* {letter} */')


@table("letters", ["\u200b", "\u00a0", "\u200b\u200b", " \u00a0\u00a0"])
def test_invisible_characters_are_fixed(letters: str) -> None:
    text = AROUND.format(f"start ->{letters} exit")
    fixed = fix(text, check=lambda one: prepare(one).diagnostics)
    assert fixed.text.isascii()
    assert not prepare(fixed.text).diagnostics
