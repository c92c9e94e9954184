"""Open a shell in a dimension."""

import subprocess

import click

from attractor.base.errors import ExitCode, ProcessNotStarted
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_json
from attractor.cli.runs.setup import opened_of
from attractor.factory.dimensions import DimensionRecords
from attractor.pipeline.workspace.ports import ports_of
from attractor.worlds.dimension_folders import folder_of


@click.command()
@click.argument("name")
@json_option
@click.pass_obj
def dimension_shell(invocation: Invocation, name: str, as_json: bool) -> ExitCode:
    """Open your shell in the folder of the dimension NAME, outside of any sandbox.

    With --json, only print the folder and its ports (workspace.ports).
    """
    opened = opened_of(invocation)
    folder = folder_of(DimensionRecords.of(opened).find(name))
    ports = ports_of(folder, opened.project)
    if as_json:
        show_json({"folder": str(folder), "ports": {**ports}})
        return ExitCode.DONE
    shell = invocation.environ.get("SHELL") or "/bin/sh"
    try:
        subprocess.run([shell], cwd=folder, env={**invocation.environ, **ports}, check=False)
    except OSError as cause:
        raise ProcessNotStarted(f"{shell} was not started", hint="set SHELL") from cause
    return ExitCode.DONE


part = dimension_shell
