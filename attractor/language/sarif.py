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
    rules = list(dict.fromkeys(found.rule for found in diagnostics))
    texts = {rule: pages.get(rule) or rule for rule in rules}
    driver: Record = {
        "name": "attractor",
        "version": version,
        "semanticVersion": version,
        "rules": [
            {"id": rule, "shortDescription": {"text": text.split("\n")[0]}, "help": {"text": text}}
            for rule, text in texts.items()
        ],
    }
    run: Record = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": is_complete}],
        "results": [_result(found, rules.index(found.rule)) for found in diagnostics],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(diagnostic: Diagnostic, index: int) -> Record:
    fix = f" ({diagnostic.fix})" if diagnostic.fix else ""
    result: Record = {
        "ruleId": diagnostic.rule,
        "ruleIndex": index,
        "level": _LEVELS[diagnostic.severity],
        "message": {"text": diagnostic.message + fix},
    }
    if diagnostic.span.file:
        place: Record = {"artifactLocation": _artifact(diagnostic.span.file)}
        if diagnostic.span.is_somewhere:
            place["region"] = _region(diagnostic.span)
        result["locations"] = [{"physicalLocation": place}]
    if diagnostic.edits:
        result["fixes"] = [_fix(diagnostic)]
    return result


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
    changes: list[Record] = []
    for file, edits in groupby(sorted(diagnostic.edits, key=_file), key=_file):
        replacements: list[Record] = []
        for edit in edits:
            replacement: Record = {"deletedRegion": _region(edit.span)}
            if edit.text:
                replacement["insertedContent"] = {"text": edit.text}
            replacements.append(replacement)
        changes.append({"artifactLocation": _artifact(file), "replacements": replacements})
    fix: Record = {"artifactChanges": changes}
    return fix | ({"description": {"text": diagnostic.fix}} if diagnostic.fix else {})


def _file(edit: Edit) -> str:
    return edit.span.file
