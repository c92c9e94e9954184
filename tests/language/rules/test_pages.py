"""Pages of rules: the example breaks the rule, the other pipeline does not."""

from attractor.language.diagnostics import Severity
from attractor.language.linting.lint_rule import rule_registry
from attractor.language.linting.pages import read_page, read_pages
from tests.language.rules.judging import found
from tests.tables import table

NAMES = list(rule_registry())


@table("name", NAMES)
def test_example_has_a_diagnostic_of_the_documented_severity(name: str) -> None:
    broken = found(read_page(name).example, name)
    assert broken
    assert all(one.fix and one.span.is_somewhere for one in broken)
    assert {one.severity for one in broken} == {read_page(name).severity}


@table("name", NAMES)
def test_example_of_a_warning_has_no_errors(name: str) -> None:
    page = read_page(name)
    if page.severity is not Severity.ERROR:
        assert not [one for one in found(page.example) if one.is_error]


@table("name", NAMES)
def test_corrected_example_has_no_problems(name: str) -> None:
    assert found(read_page(name).instead) == []


def test_every_rule_has_a_page_in_order() -> None:
    pages = [page.rule for page in read_pages()]
    assert pages == sorted(pages)
    assert set(NAMES) <= set(pages)
