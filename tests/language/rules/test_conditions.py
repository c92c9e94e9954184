"""Rules about the conditions of edges."""

from attractor.language.preparation.fixes import fix
from tests.language.rules.judging import found, inside, pointed_parts
from tests.tables import table


@table(
    ("condition", "where"),
    [
        ("Outcome=fail", ["Outcome"]),
        ("OUTCOME != success", ["OUTCOME"]),
        ("status=success", ["status"]),
        ("context.x=1 && outcom=fail", ["outcom"]),
        ("!(status=failed)", ["status"]),
        ("context.status=success", []),
        ("status=open", []),
        ("outcome=fail", []),
        ("state=fail", []),
        ('context.x=\\"status=fail\\"', []),
    ],
)
def test_alias_of_the_outcome_key_is_reported(condition: str, where: list[str]) -> None:
    text = f'a [prompt=x]; start -> a; a -> exit [condition="{condition}"]; a -> exit'
    assert pointed_parts(text, "dead_condition") == where


@table(
    ("condition", "where"),
    [("Outcome=fail", []), ("status=open", ["status"]), ("!(outcome=fail)", ["!"])],
)
def test_condition_problems_are_reported_by_one_rule(condition: str, where: list[str]) -> None:
    text = f'a [prompt=x]; start -> a; a -> exit [condition="{condition}"]; a -> exit'
    assert [one[:6] for one in pointed_parts(text, "portable_condition")] == where


def test_mistyped_outcome_is_fixed() -> None:
    wrong = inside('a [prompt=x]; a -> exit [condition="context.x=1 && Outcome=fail"]')
    mended = fix(wrong, check=lambda one: found(one, "dead_condition")).text
    assert mended == wrong.replace("Outcome", "outcome")
