"""List the actors of all projects."""

from functools import partial

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.actors import actor_table
from attractor.cli.runs.setup import opened_of
from attractor.worlds.actors import list_actors
from attractor.worlds.records import actor_record
from attractor.worlds.slots import most_working
from attractor.worlds.status import ActorStatus, read_actors


@click.command()
@click.option("--here", is_flag=True, help="List only the actors of this project.")
@click.option("--all", "with_archived", is_flag=True, help="List archived actors, too.")
@json_option
@click.pass_obj
def actor_list(invocation: Invocation, here: bool, with_archived: bool, as_json: bool) -> ExitCode:
    """List the actors of all projects of the state folder, with their statuses.

    running: a run answers a message, or a message is queued because enough actors work already.
    needs you: to answer a question, to see changed files (review) or a failure, or because its
    process died. Others are idle, stopped or archived. --json has the statuses that 'actor wait
    --until' takes. If an actor cannot be read, the exit status is 3.
    """
    opened = opened_of(invocation)
    own = opened.identity.project_id()
    folders = list_actors(opened.project.machine.state_dir)
    wanted = [one for one in folders if not here or one.project.project_id == own]
    found = read_actors(wanted, partial(show, err=True))
    code = ExitCode.DONE if len(found) == len(wanted) else ExitCode.UNFINISHED
    views = [one for one in found if with_archived or one.status is not ActorStatus.ARCHIVED]
    if as_json:
        show_json([actor_record(view) for view in views])
        return code
    if not views:
        if code is ExitCode.DONE:
            show('There are no actors. Spawn one: attractor actor spawn "WORDS"')
        return code
    projects = {one.folder.project.project_id: one.folder.project.root.name for one in views}
    show("\n".join(actor_table(views, projects if len(projects) > 1 else {})))
    local = [one for one in views if not one.pool]
    working = sum(one.status is ActorStatus.WORKING for one in local)
    most = most_working(opened)
    if working >= most and any(one.can_begin and not one.has_process for one in local):
        show(
            f"{working} actors work, which is the limit (worlds.max_working_actors); the others "
            "begin as soon as one of them ends.",
            err=True,
        )
    return code


part = actor_list
