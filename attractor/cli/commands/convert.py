"""Convert a pipeline written for another tool."""

from functools import partial
from pathlib import Path

import click

from attractor.base.errors import ExitCode
from attractor.base.files import write_whole
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.files import output_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.pipelines.check import checker_for
from attractor.cli.pipelines.files import open_pipeline, with_line_ends_of
from attractor.cli.shell_completion import complete_files
from attractor.language.converter.convert import Conversion, convert as converted
from attractor.language.diagnostics import Diagnostic
from attractor.language.source.text import visible
from attractor.pipeline.source.vocabulary import files_beside


@click.command()
@click.argument("file", metavar="FILE", shell_complete=complete_files)
@output_option("Write the pipeline to this file (-: stdout).")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if anything would change.")
@json_option
@click.pass_obj
def convert(
    invocation: Invocation, file: str, output: str | None, check: bool, as_json: bool
) -> ExitCode:
    """Convert a pipeline written for another tool.

    FILE is a pipeline, or - for standard input. Names and values of the other tool are replaced by
    the names and values of Attractor, and comments are kept. A report lists every change with its
    line number. Without --output, print the pipeline to standard output and the report to standard
    error. With --output, paths in the pipeline are relative to the folder of OUT; otherwise to the
    folder of FILE. Exit with 1 if the report lists parts that must be changed by hand.
    """
    opened = open_pipeline(file)
    beside = files_beside(Path(output or opened.source.file))
    checker = partial(checker_for(invocation).check, file=opened.source.file, files=beside)
    conversion = converted(opened.source, check=checker)
    written = opened.mark + with_line_ends_of(opened.source.text, conversion.text)
    if output and not check:
        write_whole(output, written)
    if as_json:
        show_json(
            {
                "file": opened.source.file,
                "text": conversion.text,
                "changed": [_one(one) for one in conversion.changed],
                "left": [_one(one) for one in conversion.left],
            }
        )
    elif check or output:
        show(_report(conversion, opened.source.file))
    else:
        show(written.rstrip("\n"), is_file=True)
        show(_report(conversion, opened.source.file), err=True)
    is_work = bool(conversion.left or (check and conversion.changed))
    return ExitCode.FAILED if is_work else ExitCode.DONE


def _report(conversion: Conversion, file: str) -> str:
    changed = [f"{_place(one)}: {one.message}" for one in conversion.changed]
    left = [
        f"{_place(one)}: not converted: {one.message}" + (f" ({one.fix})" if one.fix else "")
        for one in conversion.left
    ]
    done, remaining = len(changed) or "nothing", len(left) or "nothing"
    counts = f"{file}: {done} converted, {remaining} to change by hand"
    return "\n".join(map(visible, [*changed, *left, counts]))


def _place(diagnostic: Diagnostic) -> str:
    span = diagnostic.span
    return f"{span.file}:{span.line}" if span.is_somewhere else span.file


def _one(diagnostic: Diagnostic) -> dict[str, object]:
    return {
        "rule": diagnostic.rule,
        "message": diagnostic.message,
        "line": diagnostic.span.line,
        "node": diagnostic.node or None,
        "fix": diagnostic.fix or None,
    }


part = convert
