"""Everything that is reported under a name has a page."""

import pytest

from attractor.base.errors import UnknownName
from attractor.language import prepare
from attractor.language.diagnostics import Severity
from attractor.language.rule_pages import page_names, page_of, read_page
from attractor.language.validation import rule_names

TOLD_WHILE_READING = ["goal_missing", "portability", "syntax", "unused_ignore"]


def test_every_name_that_can_be_set_has_a_page() -> None:
    assert rule_names() <= set(page_names())


@pytest.mark.parametrize("rule", page_names())
def test_a_page_is_whole(rule: str) -> None:
    page = read_page(rule)
    assert page.sentence.endswith(".")
    assert page.what
    assert page.why
    assert page.example
    assert page.instead


@pytest.mark.parametrize("rule", TOLD_WHILE_READING)
def test_the_examples_of_what_is_told_while_reading_are_true(rule: str) -> None:
    page = read_page(rule)
    told = {one.rule: one.severity for one in prepare(page.example).diagnostics}
    assert told[rule] is page.severity
    assert prepare(page.instead).diagnostics == ()


def test_a_rule_that_callers_brought_has_no_page() -> None:
    assert page_of("no_goal") == ""
    with pytest.raises(UnknownName, match="no_goal"):
        read_page("no_goal")


def test_a_report_says_how_grave_it_is() -> None:
    assert read_page("prompt_file").severity is Severity.ERROR
