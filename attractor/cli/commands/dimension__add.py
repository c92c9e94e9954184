"""Make a dimension: a name for a folder in which runs work."""

import asyncio
from pathlib import Path

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.setup import opened_of
from attractor.worlds.dimensions import add_dimension


@click.command()
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(["worktree", "isolated", "copy", "directory"]),
    default=None,
    help="Choose the kind (default: worktree, or copy outside of Git). worktree: a worktree of Git "
    "on the branch attractor/NAME; directory: a copy of the files, without Git; isolated, copy: "
    "no folder, each run has a workspace of its own.",
)
@click.option("--from", "ref", default="", metavar="REF", help="Begin at this commit or branch.")
@click.option(
    "--at",
    type=click.Path(path_type=Path),
    help="Make the folder here; or record an existing worktree or folder, which stays yours.",
)
@json_option
@click.pass_obj
def dimension_add(
    invocation: Invocation, name: str, kind: str | None, ref: str, at: Path | None, as_json: bool
) -> ExitCode:
    """Make the dimension NAME, in which several runs work, one after the other.

    A worktree is beside the repository, in REPOSITORY.worktrees (setting workspace.worktrees),
    without hidden scenarios and records of runs. You may edit it at any time.
    """
    opened = opened_of(invocation)
    place = at and Path(invocation.folder, at)
    made = asyncio.run(add_dimension(opened, name, kind=kind or "", ref=ref, at=place))
    if as_json:
        show_json(made.to_json())
        return ExitCode.DONE
    branch = f" on the branch {made.branch}" if made.branch else ""
    show(f"dimension {made.name} ({made.kind}): {made.folder or 'no folder'}{branch}")
    show(f'  work in it:  attractor agent --in {made.name} "TASK"')
    if made.folder:
        show(f"  compare:     attractor dimension diff {made.name}")
    show(f"  remove:      attractor dimension remove {made.name}")
    return ExitCode.DONE


part = dimension_add
