"""Run the language server for editors."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation


@click.command()
@click.option(
    "--stdio",
    is_flag=True,
    help="Accepted for compatibility; the server always uses standard input and output.",
)
@click.pass_obj
def lsp(invocation: Invocation, stdio: bool) -> ExitCode:
    """Run the language server for editors.

    Editors start this command and talk to it over standard input and output. The server reports
    errors while you type, explains attributes and rules, offers completion, finds and renames
    nodes, formats, applies safe fixes, and lists the symbols of a pipeline. Exit with 1 if the
    editor disconnects without a shutdown request.
    """
    from attractor.cli.language_server.server import log_in_lines, make_server
    from attractor.cli.pipelines.check import checker_for

    if not invocation.debug:
        log_in_lines()
    server = make_server(checker_for(invocation))
    server.start_io()
    # An editor that disconnects without a shutdown has probably crashed.
    return ExitCode.DONE if server.is_shut_down else ExitCode.FAILED


part = lsp
