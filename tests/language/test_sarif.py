"""SARIF output is valid for another library."""

from typing import cast

from pydantic import BaseModel
from sarif_pydantic import Level, Result, Run, Sarif  # pyright: ignore[reportMissingTypeStubs]

from attractor.language.diagnostics import Diagnostic, Edit, Severity
from attractor.language.sarif import sarif_log
from attractor.language.source.syntax_tree import NOWHERE, Span
from tests.tables import table

SPAN = Span("sub/a b.dot", 2, 3, 4, 5)
FOUND = Diagnostic(
    Severity.ERROR,
    "wrong",
    SPAN,
    fix="do it",
    rule="r",
    edits=(Edit(SPAN, "new"), Edit(Span("sub/a b.dot", 9, 1, 9, 2), "")),
)


def run_of(*diagnostics: Diagnostic, **options: bool) -> Run:
    log = sarif_log(diagnostics, version="1.2.3", pages={"r": "Short.\n\nLong."}, **options)
    read = Sarif.model_validate(log)
    assert read.version == "2.1.0"
    assert read.model_extra == {}
    return read.runs[0]


def placed(file: str) -> Diagnostic:
    return Diagnostic(Severity.INFO, "m", Span(file, 1, 1, 1, 1), rule="r")


def unknown_fields(model: BaseModel) -> dict[str, object]:
    """Return every field at any depth that the library does not know."""
    found = dict(model.model_extra or {})
    waiting = [value for _, value in model]
    while waiting:
        value = waiting.pop()
        if isinstance(value, BaseModel):
            found |= unknown_fields(value)
        elif isinstance(value, list):
            waiting += cast(list[object], value)
    return found


def first(run: Run) -> Result:
    assert run.results
    return run.results[0]


def test_results_rules_and_fixes() -> None:
    result = first(run_of(FOUND))
    assert (result.rule_id, result.rule_index, result.level) == ("r", 0, Level.ERROR)
    assert result.message.text == "wrong (do it)"
    assert result.locations
    place = result.locations[0].physical_location
    assert place
    assert place.artifact_location
    assert place.artifact_location.uri == "sub/a%20b.dot"
    assert place.region
    region = place.region
    assert (region.start_line, region.start_column) == (2, 3)
    assert (region.end_line, region.end_column) == (4, 5)
    other = Diagnostic(Severity.WARNING, "m", rule="syntax")
    run = run_of(FOUND, other, FOUND)
    rules = run.tool.driver.rules
    assert rules
    assert [one.id for one in rules] == ["r", "syntax"]
    assert [one.rule_index for one in run.results or []] == [0, 1, 0]
    about = rules[0]
    assert about.short_description
    assert about.help
    assert (about.short_description.text, about.help.text) == ("Short.", "Short.\n\nLong.")
    assert rules[1].help
    assert rules[1].help.text
    assert (run.tool.driver.name, run.tool.driver.version) == ("attractor", "1.2.3")
    fixes = first(run_of(FOUND)).fixes
    assert fixes
    (fix,) = fixes
    (change,) = fix.artifact_changes
    assert change.artifact_location.uri == "sub/a%20b.dot"
    texts = [one.inserted_content and one.inserted_content.text for one in change.replacements]
    assert texts == ["new", None]
    assert change.replacements[1].deleted_region.start_line == 9
    assert unknown_fields(run_of(FOUND)) == {"columnKind": "unicodeCodePoints"}


@table(
    ("file", "uri"),
    [
        ("a:b.dot", "a%3Ab.dot"),
        ("é%.dot", "%C3%A9%25.dot"),
        ("../x.dot", "../x.dot"),
        ("/tmp/a.dot", "file:///tmp/a.dot"),
        ("caf\udce9.dot", "caf%E9.dot"),
    ],
)
def test_a_file_is_an_address(file: str, uri: str) -> None:
    locations = first(run_of(placed(file))).locations
    assert locations
    place = locations[0].physical_location
    assert place
    assert place.artifact_location
    assert place.artifact_location.uri == uri


def test_diagnostic_without_a_span_has_no_location() -> None:
    assert first(run_of(Diagnostic(Severity.INFO, "m", NOWHERE, rule="r"))).locations is None
    unread = Diagnostic(Severity.INFO, "m", Span("f", 0, 0, 0, 0), rule="r")
    locations = first(run_of(unread)).locations
    assert locations
    assert locations[0].physical_location
    assert locations[0].physical_location.region is None


def test_levels_and_completeness() -> None:
    (whole,) = run_of().invocations or []
    (part,) = run_of(is_complete=False).invocations or []
    assert (whole.execution_successful, part.execution_successful) == (True, False)
    found = [Diagnostic(severity, "m", rule="r") for severity in Severity]
    levels = [one.level for one in run_of(*found).results or []]
    assert levels == [Level.ERROR, Level.WARNING, Level.NOTE]
