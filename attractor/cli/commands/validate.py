"""Check pipelines for errors."""

import sys
from collections.abc import Sequence
from datetime import datetime

import click

from attractor.base.errors import ExitCode, UsageError
from attractor.cli.invocation import Invocation, json_option, said_format
from attractor.cli.output.streams import show, show_json
from attractor.cli.pipelines.check import (
    Format,
    Judge,
    Judged,
    has_color,
    judge_for,
    show_diagnostics,
    show_judged,
    told_once,
)
from attractor.cli.pipelines.files import open_pipelines, refuse_input


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--format",
    "format_",
    type=click.Choice([one.value for one in Format]),
    help="Choose the output format (default: text).",
)
@json_option
@click.option(
    "--strict", is_flag=True, help="Report syntax that only some programs accept as an error."
)
@click.option("--fix", is_flag=True, help="Apply safe fixes.")
@click.option(
    "--diff", is_flag=True, help="Show the fixes as a patch; change nothing (with --fix)."
)
@click.option("--watch", is_flag=True, help="Check again when a file changes, until Ctrl-C.")
@click.pass_obj
def validate(
    invocation: Invocation,
    files: tuple[str, ...],
    format_: str | None,
    as_json: bool,
    strict: bool,
    fix: bool,
    diff: bool,
    watch: bool,
) -> ExitCode:
    """Check pipelines for errors.

    FILE is a pipeline, a folder, or - for standard input. In a folder, every .dot and .gv file is
    checked, except in hidden folders and runs/. Each problem is reported with its line, its rule
    and a fix. Nothing is executed, and without --fix nothing is changed. Exit with 1 if there is an
    error (not for warnings or notes), and with 2 if a file cannot be read.
    """
    chosen = Format(said_format(format_, as_json=as_json) or Format.TEXT)
    if diff and not fix:
        raise UsageError("--diff requires --fix", hint="show the changes: --fix --diff")
    judge = judge_for(invocation, strict=strict)
    if watch:
        return _watch(invocation, files, judge, is_plain=chosen is Format.TEXT and not fix)
    if fix:
        return _fix(invocation, files, judge, chosen, is_shown=diff)
    judged = judge_all(files, judge)
    show_judged(judged, chosen, color=chosen is Format.TEXT and has_color(invocation))
    return exit_code(judged)


def judge_all(files: Sequence[str], judge: Judge) -> Judged:
    """Check all named pipelines."""
    opened = open_pipelines(files)
    found = [
        one
        for source in opened.sources
        for one in judge.check(source.text, file=source.file).diagnostics
    ]
    return Judged(opened.sources, told_once([*found, *opened.unread]))


def exit_code(judged: Judged) -> ExitCode:
    """Return the exit status of a check."""
    if not judged.is_complete:
        return ExitCode.USAGE
    has_error = any(one.is_error for one in judged.diagnostics)
    return ExitCode.FAILED if has_error else ExitCode.DONE


def _fix(
    invocation: Invocation,
    files: Sequence[str],
    judge: Judge,
    format_: Format,
    *,
    is_shown: bool,
) -> ExitCode:
    from attractor.cli.output.files import show_diff
    from attractor.cli.pipelines.fix import judged_after, mend_all, mended_lines
    from attractor.language.diagnostic_output import record_of

    refuse_input(files, why="cannot fix standard input in place", hint="pass a file")
    opened = open_pipelines(files)
    mended = mend_all(opened.files, judge)
    changed = [one for one in mended if one.is_changed]
    judged = judged_after(mended, opened.unread)
    color = format_ is Format.TEXT and has_color(invocation)
    if is_shown:
        for one in changed:
            show_diff(one.diff(), color=color)
        return exit_code(judged)
    for one in changed:
        one.write()
    if format_ is Format.JSON:
        told = [record_of(found) for one in mended for found in one.after.mended]
        show_json({**judged.record(), "mended": told})
        return exit_code(judged)
    if format_ is Format.TEXT:
        for line in mended_lines(mended):
            show(line)
    show_judged(judged, format_, color=color)
    return exit_code(judged)


def _watch(
    invocation: Invocation, files: Sequence[str], judge: Judge, *, is_plain: bool
) -> ExitCode:
    from attractor.cli.pipelines.watch import watch_pipelines

    if not is_plain:
        raise UsageError(
            "--watch cannot be combined with --fix or another format",
            hint="remove the other options",
        )
    refuse_input(files, why="cannot watch standard input", hint="pass a file")
    color, is_terminal = has_color(invocation), sys.stdout.isatty()
    for seen in watch_pipelines(files, judge, all_anew=is_terminal):
        if is_terminal:
            click.clear()
        show_diagnostics(seen.judged, color=color)
        show(f"{datetime.now():%H:%M:%S}  {seen.summary()}")
    return ExitCode.DONE


part = validate
