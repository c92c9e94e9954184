"""Format pipelines."""

import sys
from collections.abc import Sequence

import click

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import ExitCode, UsageError
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import (
    Color,
    flush,
    is_terminal,
    printable,
    show,
    show_json,
    wants_color,
)
from attractor.cli.pipelines.check import CheckResult, has_color, show_diagnostics
from attractor.cli.pipelines.files import (
    STANDARD_INPUT,
    PipelineFile,
    has_mixed_line_ends,
    open_pipelines,
    with_line_ends_of,
    write_pipeline,
)
from attractor.cli.shell_completion import complete_files
from attractor.language.diagnostics import Diagnostic, ParseError
from attractor.language.formatter import format_text
from attractor.language.source.text import Source, visible


@dataclass(frozen=True)
class FormattedPipeline:
    """A pipeline before and after formatting, without its byte order mark."""

    source: Source
    text: str
    mark: str = ""

    @property
    def is_changed(self) -> bool:
        """Whether formatting changes the text."""
        return self.text != self.source.text

    @property
    def remark(self) -> str:
        """A note if the line endings change, otherwise an empty text."""
        return "mixed line endings become LF" if has_mixed_line_ends(self.source.text) else ""

    @property
    def written(self) -> str:
        """The content to write, with the byte order mark of the file."""
        return self.mark + self.text

    def diff(self) -> str:
        """Return the change as a patch."""
        from attractor.cli.output.files import text_diff

        return text_diff(self.mark + self.source.text, self.written, file=self.source.file)


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=complete_files)
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; show the changes as a patch.")
@json_option
@click.pass_obj
def fmt(
    invocation: Invocation, files: tuple[str, ...], check: bool, diff: bool, as_json: bool
) -> ExitCode:
    """Format pipelines.

    FILE is a pipeline, a folder, or - to format standard input to standard output. In a folder,
    every .dot and .gv file is formatted, except in hidden folders and runs/. Comments, the meaning,
    a byte order mark and line endings are kept; mixed line endings become LF. If any file cannot be
    read or parsed, no file is written, and the exit status is 2.
    """
    if STANDARD_INPUT in files and len(files) > 1:
        raise UsageError(
            "standard input (-) cannot be combined with files", hint="remove -, or pass - alone"
        )
    opened = open_pipelines(files)
    formatted, mistakes = format_all(opened.files)
    if mistakes or opened.unread:
        result = CheckResult(opened.sources, [*mistakes, *opened.unread])
        if as_json:
            show_json(result.record())
        else:
            color = wants_color(Color.AUTO, invocation.environ, sys.stderr)
            show_diagnostics(result, color=color, err=True)
            show(f"{result.summary()}; no file was written", err=True)
        return ExitCode.USAGE
    changed = [one for one in formatted if one.is_changed]
    is_kept = check or diff
    is_piped = files == (STANDARD_INPUT,)
    if not is_kept and not is_piped:
        for one in changed:
            write_pipeline(one.source.file, one.written)
    if as_json:
        show_json(_record(formatted, with_diff=diff))
    elif is_piped and not is_kept:
        _print(formatted[0])
    else:
        _tell(invocation, formatted, is_kept=is_kept, diff=diff)
    return ExitCode.FAILED if check and changed else ExitCode.DONE


def format_all(files: Sequence[PipelineFile]) -> tuple[list[FormattedPipeline], list[Diagnostic]]:
    """Format every text; return the formatted texts and the diagnostics of invalid texts."""
    formatted: list[FormattedPipeline] = []
    mistakes: list[Diagnostic] = []
    for file in files:
        text = file.source.text
        try:
            laid_out = format_text(text, file=file.source.file)
        except ParseError as error:
            mistakes += error.diagnostics
        else:
            formatted.append(
                FormattedPipeline(file.source, with_line_ends_of(text, laid_out), file.mark)
            )
    return formatted, mistakes


def _tell(
    invocation: Invocation, formatted: Sequence[FormattedPipeline], *, is_kept: bool, diff: bool
) -> None:
    changed = [one for one in formatted if one.is_changed]
    verb = "would change" if is_kept else "changed"
    if diff:
        from attractor.cli.output.files import show_diff

        for one in changed:
            show_diff(one.diff(), color=has_color(invocation))
        return
    for one in changed:
        remark = f" ({one.remark})" if one.remark else ""
        show(visible(f"{verb}: {one.source.file}{remark}"))
    show(f"{number_of(len(changed), 'file')} {verb}, {len(formatted) - len(changed)} unchanged")


def _record(formatted: Sequence[FormattedPipeline], *, with_diff: bool) -> dict[str, object]:
    files = [
        {"file": one.source.file, "changed": one.is_changed}
        | ({"remark": one.remark} if one.remark else {})
        | ({"diff": one.diff()} if with_diff else {})
        for one in formatted
    ]
    changed = sum(one.is_changed for one in formatted)
    summary = {"files": len(files), "changed": changed, "unchanged": len(files) - changed}
    return {"files": files, "summary": summary}


def _print(formatted: FormattedPipeline) -> None:
    """Print a text as UTF-8, whatever the encoding; on a terminal, escape control characters."""
    if formatted.remark:
        show(f"{formatted.source.file}: {formatted.remark}", err=True)
    flush(sys.stdout)
    text = formatted.written
    click.echo((printable(text) if is_terminal(sys.stdout) else text).encode(), nl=False)


part = fmt
