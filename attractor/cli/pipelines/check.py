"""Checks pipelines by the project's settings and prints the diagnostics."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
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
from attractor.language.diagnostics import (
    PORTABILITY,
    Diagnostic,
    Severity,
    UnreadablePipeline,
    as_record,
    as_text,
    summary,
)
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.linting.validate import AS_WRITTEN, Level, Levels
from attractor.language.preparation.prepare import Files, Prepared, prepare
from attractor.language.reading import open_source
from attractor.language.source.syntax_tree import Span
from attractor.language.source.text import Source
from attractor.pipeline.source.vocabulary import files_beside, find_provider_fault, known_names

STRICT: Levels = dict.fromkeys(
    (PORTABILITY, "portable_condition", "agent_known", "backend_known", "provider_known"),
    Level.ERROR,
)
_COLORS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "blue"}
_COLOR_VARIABLE = "ATTRACTOR_OUTPUT__COLOR"
_RULES_VARIABLE = "ATTRACTOR_RULES"


class Format(StrEnum):
    """An output format of diagnostics."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


@dataclass(frozen=True)
class PipelineChecker:
    """Checks pipelines with the names and rule severities of a project."""

    vocabulary: Vocabulary
    levels: Levels

    def check(self, text: str, *, file: str, files: Files | None = None) -> Prepared:
        """Check a text and the files beside it, as strictly as a run."""
        prepared = prepare(
            text,
            file=file,
            files=files or files_beside(Path(file)),
            vocabulary=self.vocabulary,
            levels=self.levels,
        )
        return self.with_refusals(prepared, file=file)

    def with_refusals(self, prepared: Prepared, *, file: str) -> Prepared:
        """Return a prepared pipeline with the errors for which a run refuses it."""
        if prepared.graph is None or not _may_have_children(prepared.graph):
            return prepared
        # Imported here: handlers and child pipelines are slow to load, and few graphs need them.
        from attractor.pipeline.preflight.runnable import check_runnable
        from attractor.pipeline.source.read import ProjectContext

        project = ProjectContext(self.vocabulary, self.levels)
        return check_runnable(prepared, Path(file), project)


def _may_have_children(graph: Graph) -> bool:
    """Return whether a graph may name other pipelines, or declares outputs for them."""
    has_children = not graph.types.isdisjoint(("pipeline", "stack.manager_loop"))
    return has_children or graph.attributes.value("outputs") is not None


@dataclass(frozen=True)
class CheckResult:
    """The diagnostics of some pipelines."""

    sources: Sequence[Source]
    diagnostics: Sequence[Diagnostic]

    @property
    def is_complete(self) -> bool:
        """Whether every file could be read."""
        return not any(diagnostic.rule == UNREADABLE for diagnostic in self.diagnostics)

    def record(self) -> dict[str, object]:
        """Return the diagnostics as a JSON object."""
        return as_record(self.diagnostics, files=len(self.sources))

    def summary(self) -> str:
        """Return the number of diagnostics."""
        return summary(self.diagnostics, files=len(self.sources))


def without_duplicates(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Remove duplicate diagnostics of files that several pipelines import.

    Of equal diagnostics, the first with a fix is kept, at the position of the first.
    """
    kept: dict[tuple[str, str, Span], Diagnostic] = {}
    for diagnostic in diagnostics:
        key = (diagnostic.rule, diagnostic.message, diagnostic.span)
        if key not in kept or (diagnostic.edits and not kept[key].edits):
            kept[key] = diagnostic
    return list(kept.values())


def checker_for(
    invocation: Invocation, *, strict: bool = False, checks_providers: bool = False
) -> PipelineChecker:
    """Return the checker of the project of the current folder.

    With `checks_providers`, it reports what the providers of models lack on this machine.
    """
    root = find_project_root(invocation.folder)
    levels = {**project_levels(invocation, root), **(STRICT if strict else {})}
    names = known_names(root, environ=invocation.environ)
    if checks_providers and _uses_agent(invocation, root / PROJECT_FILE):
        fault = partial(find_provider_fault, environ=invocation.environ)
        names = replace(names, provider_fault=fault)
    return PipelineChecker(names, levels)


def _uses_agent(invocation: Invocation, file: Path) -> bool:
    """Return whether stages call models by default; other programs can have a login."""
    has_settings = _has_settings(invocation, file)
    return not has_settings or invocation.configuration.settings.backends.default == "agent"


def project_levels(invocation: Invocation, root: Path) -> Levels:
    """Return the rule severities of a project.

    Invalid settings raise ConfigError, as in `run`. Without a project file, flags and variables
    of rules nothing is loaded, because loading takes longer than checking a pipeline.
    """
    if not _has_settings(invocation, root / PROJECT_FILE):
        return AS_WRITTEN
    from attractor.pipeline.project.rule_levels import rule_levels

    return rule_levels(invocation.configuration)


def has_color(invocation: Invocation) -> bool:
    """Return whether standard output is colored; settings are loaded only for a terminal."""
    is_chosen = invocation.flags or _COLOR_VARIABLE in invocation.environ
    return (sys.stdout.isatty() or bool(is_chosen)) and invocation.color


def show_check_result(result: CheckResult, format_: Format, *, color: bool) -> None:
    """Print diagnostics to standard output in a format."""
    match format_:
        case Format.TEXT:
            show_diagnostics(result, color=color)
            show(result.summary())
        case Format.JSON:
            show_json(result.record())
        case Format.SARIF:
            from attractor.language.linting.pages import page_of
            from attractor.language.sarif import sarif_log

            pages = {rule: page_of(rule) for rule in {one.rule for one in result.diagnostics}}
            found, is_complete = result.diagnostics, result.is_complete
            show_json(sarif_log(found, version=__version__, pages=pages, is_complete=is_complete))
        case Format.GITHUB:
            from attractor.language.diagnostics import annotation

            for diagnostic in result.diagnostics:
                show(annotation(diagnostic))


def show_diagnostics(result: CheckResult, *, color: bool | None, err: bool = False) -> None:
    """Print each diagnostic for people, with the source line and a caret."""
    sources: dict[str, Source | None] = {source.file: source for source in result.sources}
    for diagnostic in result.diagnostics:
        paint = partial(click.style, fg=_COLORS[diagnostic.severity])
        file = diagnostic.span.file
        if file not in sources:
            # An imported file.
            try:
                sources[file] = open_source(file) if file else None
            except UnreadablePipeline:
                sources[file] = None
        source = sources[file]
        show(as_text(diagnostic, source, paint=paint) + "\n", err=err, color=color)


def _has_settings(invocation: Invocation, file: Path) -> bool:
    if invocation.flags or any(name.startswith(_RULES_VARIABLE) for name in invocation.environ):
        return True
    # A broken link counts, so that reading it reports the error.
    return file.is_symlink() or file.exists()
