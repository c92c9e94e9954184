"""Writes diagnostics as SARIF 2.1.0, which code scanners and editors read."""

import os
from collections.abc import Mapping, Sequence
from itertools import groupby
from urllib.parse import quote

from attractor.language.diagnostics import Diagnostic, Edit, Severity
from attractor.language.source.syntax_tree import Span

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
Record = dict[str, object]


def sarif_log(
    diagnostics: Sequence[Diagnostic],
    *,
    version: str,
    pages: Mapping[str, str],
    is_complete: bool = True,
) -> Record:
    """Return the SARIF log of a validation; `pages` describes the rules.

    A validation is complete if all files were readable.
    """
    rules = list(dict.fromkeys(one.rule for one in diagnostics))
    driver: Record = {
        "name": "attractor",
        "version": version,
        "semanticVersion": version,
        "rules": [_rule(rule, pages.get(rule, "")) for rule in rules],
    }
    run: Record = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": is_complete}],
        "results": [_result(one, rules.index(one.rule)) for one in diagnostics],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: str, page: str) -> Record:
    text = page or rule
    sentence = text.partition("\n")[0]
    return {"id": rule, "shortDescription": {"text": sentence}, "help": {"text": text}}


def _result(diagnostic: Diagnostic, index: int) -> Record:
    fix = f" ({diagnostic.fix})" if diagnostic.fix else ""
    result: Record = {
        "ruleId": diagnostic.rule,
        "ruleIndex": index,
        "level": _LEVELS[diagnostic.severity],
        "message": {"text": diagnostic.message + fix},
    }
    if diagnostic.span.file:
        result["locations"] = [_location(diagnostic.span)]
    if diagnostic.edits:
        result["fixes"] = [_fix(diagnostic)]
    return result


def _location(span: Span) -> Record:
    place: Record = {"artifactLocation": _artifact(span.file)}
    if span.is_somewhere:
        place["region"] = _region(span)
    return {"physicalLocation": place}


def _artifact(file: str) -> Record:
    # A colon in the first part of a relative address would make a scheme of it.
    uri = quote(os.fsencode(file))
    return {"uri": f"file://{uri}" if uri.startswith("/") else uri}


def _region(span: Span) -> Record:
    return {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }


def _fix(diagnostic: Diagnostic) -> Record:
    by_file = groupby(sorted(diagnostic.edits, key=_file), key=_file)
    changes: list[Record] = [
        {
            "artifactLocation": _artifact(file),
            "replacements": [_replacement(edit) for edit in edits],
        }
        for file, edits in by_file
    ]
    fix: Record = {"artifactChanges": changes}
    return fix | ({"description": {"text": diagnostic.fix}} if diagnostic.fix else {})


def _file(edit: Edit) -> str:
    return edit.span.file


def _replacement(edit: Edit) -> Record:
    removed: Record = {"deletedRegion": _region(edit.span)}
    return removed | ({"insertedContent": {"text": edit.text}} if edit.text else {})
