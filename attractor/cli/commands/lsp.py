"""Serve an editor."""

import click

from attractor.cli.invocation import Invocation


@click.command()
@click.option("--stdio", is_flag=True, help="Talk over standard input and output; it always does.")
@click.pass_obj
def lsp(invocation: Invocation, stdio: bool) -> None:
    """Serve an editor that edits pipelines, over standard input and output.

    An editor starts it by itself. It shows mistakes while you type, explains attributes and rules,
    proposes what could stand at the cursor, finds and renames nodes, formats, mends what can be
    mended safely, and lists what a pipeline declares.
    """
    from attractor.cli.diagnosing import judge_for
    from attractor.cli.language_server.server import make_server

    judge = judge_for(invocation)
    make_server(judge.vocabulary, judge.levels).start_io()


part = lsp
