from hypothesis import given

from attractor.language.conditions.condition import ALWAYS, Condition
from attractor.language.conditions.format import find_extension, portable_form, write_condition
from attractor.language.conditions.parse import parse_condition
from tests.language.condition_trees import conditions, naively, values
from tests.tables import table


@given(conditions)
def test_written_condition_parses_to_itself(condition: Condition) -> None:
    assert parse_condition(write_condition(condition)) == condition


@given(conditions, values)
def test_the_portable_form_means_the_same(condition: Condition, held: dict[str, str]) -> None:
    form = portable_form(condition)
    if form is not None:
        # If both are set, `context.flag` is not `flag`.
        held["context.flag"] = held.get("flag", "")
        assert naively(form, held) is naively(condition, held)
        assert find_extension(form, write_condition(form)) is None


def test_empty_condition_is_written_as_empty_text() -> None:
    assert write_condition(ALWAYS) == ""


@table(
    "text",
    [
        "outcome=success",
        "outcome!=fail && context.a.b=3",
        'context.a="(x || !y)" && preferred_label="a < b"',
        'context.a="!"',
    ],
)
def test_portable_conditions_are_unchanged(text: str) -> None:
    assert find_extension(parse_condition(text), text) is None


@table(
    ("text", "what", "place", "instead"),
    [
        ("!(outcome=fail || outcome=retry)", "'!'", "!", "outcome!=fail && outcome!=retry"),
        ("(outcome=fail)", "'('", "(", "outcome=fail"),
        ("!!outcome=fail", "'!'", "!", "outcome=fail"),
        ("!outcome=fail && context.a=b", "'!'", "!", "outcome!=fail && context.a=b"),
        (
            "context.a",
            "a key by itself",
            "context.a",
            'context.a!="" && context.a!=false && context.a!=0',
        ),
        ("outcome=succeeded", "the outcome 'succeeded'", "succeeded", "outcome=success"),
        ('context.a="(" && outcome=failed', "the outcome 'failed'", "failed", None),
        ("tests=true", "the key 'tests'", "tests", ""),
        ("a=1 || b=2", "'||'", "||", ""),
        ("context.n > 3", "'>'", ">", ""),
        ("context.n<=3", "'<='", "<=", ""),
        ("context.n contains x", "'contains'", "contains", ""),
        ('context.n matches "x"', "'matches'", "matches", ""),
    ],
)
def test_unportable_parts_are_named(text: str, what: str, place: str, instead: str | None) -> None:
    beyond = find_extension(parse_condition(text), text)
    assert beyond is not None
    assert (beyond.message, text[beyond.start : beyond.end]) == (
        f"not portable: {what} is an extension",
        place,
    )
    assert instead is None or beyond.instead == instead
    assert beyond.hint


@table(
    ("text", "fix"),
    [
        ("tests=true", "write context.tests=true"),
        (
            "outcome=fail || outcome=success && context.a=1",
            "use several edges, one for each condition: "
            "outcome=fail, outcome=success && context.a=1",
        ),
        ("context.n > 3", "store the result in the context in a stage, and compare it with ="),
        ("!context.a", "store the result in the context in a stage, and compare it with ="),
    ],
)
def test_hint_without_an_equivalent_portable_text(text: str, fix: str) -> None:
    beyond = find_extension(parse_condition(text), text)
    assert beyond is not None
    assert (beyond.hint, beyond.instead) == (fix, "")
