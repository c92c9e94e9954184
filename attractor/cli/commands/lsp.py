"""Serve an editor."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation


@click.command()
@click.option("--stdio", is_flag=True, help="Talk over standard input and output; it always does.")
@click.pass_obj
def lsp(invocation: Invocation, stdio: bool) -> ExitCode:
    """Serve an editor that edits pipelines, over standard input and output.

    An editor starts it by itself. It shows mistakes while you type, explains attributes and rules,
    proposes what could stand at the cursor, finds and renames nodes, formats, mends what can be
    mended safely, and lists what a pipeline declares. Ends with 1 when the editor leaves without
    shutting it down first.
    """
    from attractor.cli.language_server.server import log_in_lines, make_server
    from attractor.cli.pipelines.check import judge_for

    if not invocation.debug:
        log_in_lines()
    judge = judge_for(invocation)
    server = make_server(judge.vocabulary, judge.levels)
    server.start_io()
    # Whoever leaves without a word has most likely died.
    return ExitCode.DONE if server.is_shut_down else ExitCode.FAILED


part = lsp
