"""Check pipelines, and say what is wrong where."""

import sys
from collections.abc import Sequence
from dataclasses import replace

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation
from attractor.cli.options import json_option
from attractor.cli.output import show, show_json
from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.findings import PORTABILITY
from attractor.language.parsing import open_source
from attractor.language.preparation import prepare
from attractor.language.report import as_record, as_text, summary
from attractor.language.sources import Source

_VARIABLE = "ATTRACTOR_OUTPUT__COLOR"
_COLORS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "blue"}


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json"]),
    default="text",
    help="How to print what was found.",
)
@json_option
@click.option("--strict", is_flag=True, help="Take what only some programs accept for an error.")
@click.pass_obj
def validate(
    invocation: Invocation, files: tuple[str, ...], format_: str, as_json: bool, strict: bool
) -> ExitCode:
    """Check pipelines, and say what is wrong where.

    Each mistake comes with its line, its rule and what to do instead. Ends with 1 when there is an
    error; a warning or a note is none. Nothing is run and nothing is changed.
    """
    sources = [open_source(file) for file in dict.fromkeys(files)]
    found = [(source, _check(source, strict=strict)) for source in sources]
    diagnostics = [one for _, several in found for one in several]
    if as_json or format_ == "json":
        show_json(as_record(diagnostics, files=len(sources)))
    else:
        color = _color(invocation)
        for source, several in found:
            _print(several, source, color=color)
        show(summary(diagnostics, files=len(sources)))
    return ExitCode.FAILED if any(one.is_error for one in diagnostics) else ExitCode.DONE


def _check(source: Source, *, strict: bool) -> Sequence[Diagnostic]:
    diagnostics = prepare(source.text, file=source.file).diagnostics
    if not strict:
        return diagnostics
    return [
        replace(one, severity=Severity.ERROR) if one.rule == PORTABILITY else one
        for one in diagnostics
    ]


def _print(diagnostics: Sequence[Diagnostic], source: Source, *, color: bool) -> None:
    for diagnostic in diagnostics:
        headline, *rest = as_text(diagnostic, source).split("\n")
        styled = click.style(headline, fg=_COLORS[diagnostic.severity])
        show("\n".join([styled, *rest, ""]), color=color)


def _color(invocation: Invocation) -> bool:
    # To read the settings takes as long as to check a pipeline: only a person is worth the wait.
    is_chosen = invocation.flags or _VARIABLE in invocation.environ
    return (sys.stdout.isatty() or bool(is_chosen)) and invocation.color


part = validate
