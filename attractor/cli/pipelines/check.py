"""Checks pipelines as their project wants it, and shows what was found."""

import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path

import click

from attractor import __version__
from attractor.base.dataclasses import dataclass
from attractor.cli.invocation import Invocation
from attractor.cli.output.streams import show, show_json
from attractor.cli.pipelines.files import UNREADABLE
from attractor.config.projects import PROJECT_FILE, find_project_root
from attractor.language.diagnostic_output import as_record, as_text, summary
from attractor.language.diagnostics import PORTABILITY, Diagnostic, Severity
from attractor.language.errors import UnreadablePipeline
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.linting.validate import AS_WRITTEN, Level, Levels
from attractor.language.preparation.prepare import Prepared, prepare
from attractor.language.preparation.transform import Files
from attractor.language.reading import open_source
from attractor.language.source.syntax_tree import Span
from attractor.language.source.text import Source
from attractor.pipeline.source.vocabulary import files_beside, known_names

STRICT: Levels = {PORTABILITY: Level.ERROR, "portable_condition": Level.ERROR}
_COLORS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "blue"}
_COLOR_VARIABLE = "ATTRACTOR_OUTPUT__COLOR"
_RULES = "rules"
_RULES_VARIABLE = "ATTRACTOR_RULES"


class Format(StrEnum):
    """How what was found is written."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


@dataclass(frozen=True)
class Judge:
    """Knows what a project has, and how grave it takes each rule."""

    vocabulary: Vocabulary
    levels: Levels

    def check(self, text: str, *, file: str, files: Files | None = None) -> Prepared:
        """Check a text, with the files that lie beside it."""
        return prepare(
            text,
            file=file,
            files=files or files_beside(Path(file)),
            vocabulary=self.vocabulary,
            levels=self.levels,
        )


@dataclass(frozen=True)
class Judged:
    """What was found in some pipelines."""

    sources: Sequence[Source]
    diagnostics: Sequence[Diagnostic]

    @property
    def is_complete(self) -> bool:
        """Whether every file could be read."""
        return not any(one.rule == UNREADABLE for one in self.diagnostics)

    def record(self) -> dict[str, object]:
        """Return it for a program."""
        return as_record(self.diagnostics, files=len(self.sources))

    def summary(self) -> str:
        """Return how much was found."""
        return summary(self.diagnostics, files=len(self.sources))


def told_once(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Leave out what was found again in a file that other pipelines import.

    Of the same ones that with a fix is kept, in the place of the first.
    """
    kept: dict[tuple[str, str, Span], Diagnostic] = {}
    for one in diagnostics:
        key = (one.rule, one.message, one.span)
        if key not in kept or (one.edits and not kept[key].edits):
            kept[key] = one
    return list(kept.values())


def judge_for(invocation: Invocation, *, strict: bool = False) -> Judge:
    """Make the judge of the project that the current folder belongs to."""
    root = find_project_root(invocation.folder)
    levels = {**project_levels(invocation, root), **(STRICT if strict else {})}
    return Judge(known_names(root, environ=invocation.environ), levels)


def project_levels(invocation: Invocation, root: Path) -> Levels:
    """Return how grave a project takes the rules.

    To read the settings takes longer than to check a pipeline, so it is done only where something
    speaks of rules.
    """
    if not _speaks_of_rules(invocation, root / PROJECT_FILE):
        return AS_WRITTEN
    from attractor.pipeline.source.vocabulary import rule_levels

    return rule_levels(invocation.configuration)


def has_color(invocation: Invocation) -> bool:
    """Tell whether standard output gets colour; settings are read for a person only."""
    is_chosen = invocation.flags or _COLOR_VARIABLE in invocation.environ
    return (sys.stdout.isatty() or bool(is_chosen)) and invocation.color


def show_judged(judged: Judged, format_: Format, *, color: bool) -> None:
    """Write what was found to standard output, in one of the formats."""
    match format_:
        case Format.TEXT:
            show_diagnostics(judged, color=color)
            show(judged.summary())
        case Format.JSON:
            show_json(judged.record())
        case Format.SARIF:
            _show_sarif(judged)
        case Format.GITHUB:
            from attractor.language.diagnostic_output import annotation

            for one in judged.diagnostics:
                show(annotation(one))


def show_diagnostics(judged: Judged, *, color: bool | None, err: bool = False) -> None:
    """Write each diagnostic for a person, with its line and a caret."""
    sources: dict[str, Source | None] = {source.file: source for source in judged.sources}
    for one in judged.diagnostics:
        paint = partial(click.style, fg=_COLORS[one.severity])
        source = _source_of(one.span.file, sources)
        show(as_text(one, source, paint=paint) + "\n", err=err, color=color)


def _source_of(file: str, known: dict[str, Source | None]) -> Source | None:
    """Return the text of a file; one that is imported was not named, so it is read for this."""
    if file not in known:
        try:
            known[file] = open_source(file) if file else None
        except UnreadablePipeline:
            known[file] = None
    return known[file]


def _show_sarif(judged: Judged) -> None:
    from attractor.language.linting.pages import page_of
    from attractor.language.sarif import sarif_log

    pages = {rule: page_of(rule) for rule in {one.rule for one in judged.diagnostics}}
    show_json(
        sarif_log(
            judged.diagnostics,
            version=__version__,
            pages=pages,
            is_complete=judged.is_complete,
        )
    )


def _speaks_of_rules(invocation: Invocation, file: Path) -> bool:
    if any(_RULES in flag for flag in invocation.flags):
        return True
    if any(name.startswith(_RULES_VARIABLE) for name in invocation.environ):
        return True
    if not file.is_file():
        # Whatever it is, if it is there, the settings say what is wrong with it.
        return file.is_symlink() or file.exists()
    try:
        return _RULES.encode() in file.read_bytes()
    except OSError:
        return True
