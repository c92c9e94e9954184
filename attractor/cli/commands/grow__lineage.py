"""Show the stages of the app with their runs and decisions."""

from typing import Any, cast

import click

from attractor.base.errors import ExitCode, UsageError
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json, table
from attractor.cli.runs.growth import change_lines, control_plane_of


@click.command("lineage")
@click.argument("stage", metavar="[STAGE]", default="HEAD")
@click.option("--mermaid", is_flag=True, help="Print a Mermaid graph.")
@json_option
@click.pass_obj
def show_lineage(invocation: Invocation, stage: str, mermaid: bool, as_json: bool) -> ExitCode:
    """Show the stages of the app with their runs and decisions.

    Stages are read from all branches, runs and decisions from the ledger. Errors and guard hits
    of the running stage are compared with those of the stage before. STAGE is a version, or
    the id of the specification of a stage (default: the running stage).
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.deployments import lineage

    if mermaid and as_json:
        raise UsageError("--mermaid and --json together", hint="remove one of them")
    record = lineage(control_plane_of(invocation), stage)
    if as_json:
        show_json(record)
    elif mermaid:
        show(str(record["mermaid"]).rstrip())
    else:
        stages = cast("list[dict[str, Any]]", record["stages"])
        keys = ("stage", "kind", "parent", "run_id", "decided_by")
        rows = [[str(one[key]) for key in keys] for one in stages]
        show("\n".join(table([["stage", "kind", "after", "run", "decided by"], *rows])))
        show("\n".join([f"running: {record['running'] or 'none'}", *change_lines(record)]))
    return ExitCode.DONE


part = show_lineage
