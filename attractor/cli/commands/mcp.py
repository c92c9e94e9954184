"""Serve pipelines and runs as MCP tools to coding agents."""

from contextlib import suppress
from pathlib import Path

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation
from attractor.cli.runs.orders import operator_name
from attractor.config.user_folders import STARTED_BY_VARIABLE


@click.command()
@click.pass_obj
def mcp(invocation: Invocation) -> ExitCode:
    """Serve pipelines and runs as MCP tools to coding agents.

    Agents such as Claude Code and codex start this command in the folder of a project, and talk to
    it over standard input and output. The tools validate, simulate and render pipelines, start
    runs, show their status and answer their questions, and have changes judged. Files outside of
    the project and hidden files are refused. There is no tool to decide or promote. Runs are
    processes of their own, and continue when the agent ends.
    """
    # Imported here, because only this command needs an MCP server.
    import anyio

    from attractor.factory.operator_process import Scope
    from attractor.server.access.callers import Caller
    from attractor.server.mcp_tools import MCP, serve_stdio
    from attractor.server.service import Service

    environ = {**invocation.environ, STARTED_BY_VARIABLE: MCP}
    service = Service.of(Path.cwd(), environ, flags=invocation.flags)
    caller = Caller(operator_name(invocation, Scope.OPERATE), Scope.OPERATE)
    # Ctrl-C is the way to end a server in a terminal, and no error.
    with suppress(KeyboardInterrupt):
        anyio.run(serve_stdio, service, caller)
    return ExitCode.DONE


part = mcp
