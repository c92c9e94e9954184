"""Check pipelines for errors."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

import click

from attractor.base.errors import ExitCode, UsageError
from attractor.cli.invocation import Invocation, chosen_format, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.pipelines.check import (
    CheckResult,
    Format,
    PipelineChecker,
    checker_for,
    has_color,
    show_check_result,
    show_diagnostics,
    without_duplicates,
)
from attractor.cli.pipelines.files import gallery_files, open_pipelines, refuse_input
from attractor.cli.shell_completion import complete_files


@click.command()
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE...",
    callback=gallery_files,
    shell_complete=complete_files,
)
@click.option(
    "--format",
    "format_",
    type=click.Choice([one.value for one in Format]),
    help="Choose the output format (default: text).",
)
@json_option
@click.option(
    "--strict",
    is_flag=True,
    help="Report non-portable syntax as errors, also in conditions, and unknown backends, "
    "providers and agents.",
)
@click.option("--fix", is_flag=True, help="Apply safe fixes.")
@click.option(
    "--diff", is_flag=True, help="Show the fixes as a patch without applying them. Requires --fix."
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

    FILE is a pipeline, a folder, a name such as gallery:bug_fix, or - for standard input. In a
    folder, every .dot and .gv file is checked, except in hidden folders and runs/. Each problem is
    reported with its line, its rule and a fix, also a missing API key of a model that a stage names
    (an info). Nothing is executed, and without --fix nothing is
    changed. Exit with 1 if there is an error (not for warnings or notes), and with 2 if a file
    cannot be read.
    """
    chosen = Format(chosen_format(format_, as_json=as_json) or Format.TEXT)
    if diff and not fix:
        raise UsageError("--diff requires --fix", hint="show the changes: --fix --diff")
    checker = checker_for(invocation, strict=strict, checks_providers=True)
    if watch:
        return _watch(invocation, files, checker, is_plain=chosen is Format.TEXT and not fix)
    if fix:
        return _fix(invocation, files, checker, chosen, is_shown=diff)
    result = check_all(files, checker)
    show_check_result(result, chosen, color=chosen is Format.TEXT and has_color(invocation))
    return exit_code(result)


def check_all(files: Sequence[str], checker: PipelineChecker) -> CheckResult:
    """Check all named pipelines."""
    opened = open_pipelines(files)
    found = [
        diagnostic
        for source in opened.sources
        for diagnostic in checker.check(source.text, file=source.file).diagnostics
    ]
    return CheckResult(opened.sources, without_duplicates([*found, *opened.unread]))


def exit_code(result: CheckResult) -> ExitCode:
    """Return the exit status of a check."""
    if not result.is_complete:
        return ExitCode.USAGE
    has_error = any(diagnostic.is_error for diagnostic in result.diagnostics)
    return ExitCode.FAILED if has_error else ExitCode.DONE


def _fix(
    invocation: Invocation,
    files: Sequence[str],
    checker: PipelineChecker,
    format_: Format,
    *,
    is_shown: bool,
) -> ExitCode:
    from attractor.cli.output.files import show_diff
    from attractor.cli.pipelines.fix import fix_all, fix_lines, result_after_fixes
    from attractor.language.diagnostics import record_of

    refuse_input(files, why="cannot fix standard input in place", hint="pass a file")
    opened = open_pipelines(files)
    fixed = fix_all(opened.files, checker)
    changed = [one for one in fixed if one.is_changed]
    result = result_after_fixes(fixed, opened.unread)
    color = format_ is Format.TEXT and has_color(invocation)
    if is_shown:
        for one in changed:
            show_diff(one.diff(), color=color)
        return exit_code(result)
    for one in changed:
        one.write()
    if format_ is Format.JSON:
        fixes = [record_of(found) for one in fixed for found in one.after.applied]
        show_json({**result.record(), "fixed": fixes})
        return exit_code(result)
    if format_ is Format.TEXT:
        for line in fix_lines(fixed):
            show(line)
    show_check_result(result, format_, color=color)
    return exit_code(result)


def _watch(
    invocation: Invocation, files: Sequence[str], checker: PipelineChecker, *, is_plain: bool
) -> ExitCode:
    from attractor.cli.pipelines.watch import watch_pipelines

    if not is_plain:
        raise UsageError(
            "--watch cannot be combined with --fix or another format",
            hint="remove the other options",
        )
    refuse_input(files, why="cannot watch standard input", hint="pass a file")
    color, is_terminal = has_color(invocation), sys.stdout.isatty()
    # Ctrl-C is the normal end.
    with suppress(KeyboardInterrupt):
        for seen in watch_pipelines(files, checker, shows_all=is_terminal):
            if is_terminal:
                click.clear()
            show_diagnostics(seen.result, color=color)
            show(f"{datetime.now():%H:%M:%S}  {seen.summary()}")
    return ExitCode.INTERRUPTED


part = validate
