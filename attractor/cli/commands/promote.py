"""Move a branch to what an approved run made."""

import asyncio

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.setup import world_of
from attractor.factory.launch import promote_run
from attractor.factory.promotion import Promotion
from attractor.pipeline.run_lookup import find_run


@click.command()
@click.argument("reference", metavar="RUN", default="latest")
@click.option("--to", "branch", default="main", show_default=True, help="The branch to move.")
@json_option
@click.pass_obj
def promote(invocation: Invocation, reference: str, branch: str, as_json: bool) -> ExitCode:
    """Move a branch to what an approved run made.

    The branch gets one commit, and only if it still stands where the run began (else 4). Files of a
    checked-out branch are moved with it when nothing was changed there. Repeated, it changes
    nothing more.
    """
    world = world_of(invocation)
    root = find_run(reference, world.runs_dir)
    promotion = asyncio.run(promote_run(root, world, branch=branch))
    if as_json:
        show_json(
            {
                "branch": promotion.branch,
                "commit": promotion.commit,
                "tag": promotion.tag,
                "was_done": promotion.was_done,
            }
        )
    else:
        show(_text(promotion))
    return ExitCode.DONE


def _text(promotion: Promotion) -> str:
    what = f"{promotion.commit[:12]} (tag {promotion.tag})"
    if promotion.was_done:
        return f"already promoted: {promotion.branch} got {what} before"
    return f"{promotion.branch} is now {what}"


part = promote
