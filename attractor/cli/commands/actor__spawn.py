"""Spawn an actor: an agent that stays, with its task."""

import shlex
from pathlib import Path
from typing import Any

import click

from attractor.base.errors import ExitCode, UsageError
from attractor.base.names import name_after
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.actors import WithArguments, sender_of, show_where
from attractor.cli.runs.fleet import require_extra
from attractor.cli.runs.setup import (
    Amount,
    chosen_model_options,
    opened_of,
    permission_options,
    place_option,
    sandbox_option,
)
from attractor.engine.questions.call_rules import SANDBOX_LIMITS, CallPermissions
from attractor.factory.open_project import OpenProject
from attractor.language.declarations.touches import read_touches
from attractor.workspaces.create.registry import READ_ONLY
from attractor.worlds.actors import Actor, ActorFolder, actors_of_project
from attractor.worlds.leads import parse_leads
from attractor.worlds.orders import spawn
from attractor.worlds.records import actor_record
from attractor.worlds.status import read_actor
from attractor.worlds.touches import await_others, warn_of_overlap


@click.command(cls=WithArguments)
@click.argument("words", nargs=-1, required=True, metavar="WORDS")
@chosen_model_options
@click.option("--name", default="", help="Name the actor (default: after its task).")
@click.option(
    "--with",
    "backend",
    default="agent",
    show_default=True,
    metavar="NAME",
    help="Work with this backend, such as codex or claude.",
)
@click.option("--agent", "agent_name", default="", metavar="NAME", help="Use the agent NAME.")
@click.option(
    "--pipeline",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Run this pipeline for each message, with the message as its goal.",
)
@click.option(
    "--in",
    "where",
    default="",
    metavar="DIMENSION",
    help="Work in this dimension or kind of workspace, such as in-place (default: a new worktree; "
    "without git, a new copy).",
)
@click.option(
    "--read-only",
    "only_reads",
    is_flag=True,
    help="Let it read the files and change none, beside other actors (default place: the project "
    "folder).",
)
@click.option("-n", "count", type=click.IntRange(1, 20), default=1, help="Spawn this many actors.")
@sandbox_option()
@place_option
@permission_options
@click.option(
    "--max-cost-usd",
    type=Amount(min=0, min_open=True),
    help="Limit the cost of all runs of the actor.",
)
@click.option(
    "--pool",
    default="",
    metavar="POOL",
    help="Let workers of this pool of the fleet execute its runs, in an isolated dimension "
    "(default: worlds.pool).",
)
@click.option(
    "--touches",
    default="",
    metavar="PATTERNS",
    help="Expect changes of these files, such as src/api/**, and warn of other work on them, or "
    "wait for it (worlds.overlap).",
)
@click.option(
    "--leads",
    default="",
    metavar="RIGHTS",
    help="Let it write to other actors and start some, such as 'to=test-* most=3 usd=5'.",
)
@json_option
@click.pass_obj
def actor_spawn(
    invocation: Invocation,
    words: tuple[str, ...],
    model: str,
    provider: str,
    name: str,
    backend: str,
    agent_name: str,
    pipeline: Path | None,
    where: str,
    permissions: CallPermissions | None,
    max_cost_usd: float | None,
    pool: str,
    arguments: tuple[str, ...],
    as_json: bool,
    **flags: Any,
) -> ExitCode:
    """Spawn an actor, with WORDS as its first task.

    An actor is a name for a chain of runs: each message to it starts one run, which continues the
    conversation of the run before. Its process works in the background, and ends a few seconds
    after the last answer. The program of --with gets the words after -- as further ARGUMENTS.
    """
    task = " ".join(words)
    if pipeline and agent_name:
        raise UsageError("--pipeline names its agents itself", hint="remove --agent")
    opened, spawned = opened_of(invocation), list[ActorFolder]()
    # Other work is waited for afterwards: a stage would wait for its own run.
    opened.refuse_in_run("'attractor actor spawn'")
    if pool or opened.project.worlds.pool:
        require_extra()
    spawner = sender_of(invocation)
    warn_of_overlap(opened, patterns := read_touches(flags["touches"]))
    await_others(opened, patterns)
    for _ in range(flags["count"]):
        actor = Actor(
            name=_free_name(name, task, flags["count"], opened),
            spawner=spawner,
            created=opened.now(),
            pipeline=str(pipeline.absolute()) if pipeline else "",
            agent=agent_name,
            backend=backend,
            model=model,
            provider=provider,
            sandbox=flags["sandbox"],
            life_usd=max_cost_usd,
            pool=pool,
            touches=flags["touches"],
            arguments=arguments,
            permissions=permissions or SANDBOX_LIMITS,
            leads=parse_leads(flags["leads"]) if flags["leads"] else None,
            place=flags["place"],
        )
        spawned.append(spawn(actor, task, opened, where, only_reads=flags["only_reads"]))
    if as_json:
        show_json([actor_record(read_actor(folder)) for folder in spawned])
        return ExitCode.DONE
    for folder in spawned:
        _show_spawned(folder)
    return ExitCode.DONE


def _free_name(name: str, task: str, count: int, opened: OpenProject) -> str:
    """Return the name of the next actor: a chosen one for the only actor, otherwise a new one."""
    taken = [folder.name for folder in actors_of_project(opened)]
    return name if name and count == 1 else name_after(name or task, taken)


def _show_spawned(folder: ActorFolder) -> None:
    name, made = shlex.quote(folder.name), folder.read().actor
    show(f"The actor {folder.name} works on it{f' in pool {made.pool}' if made.pool else ''}.")
    show_where(read_actor(folder))
    show(f"  watch it:       attractor actor attach {name}")
    show(f"  its next task:  attractor actor prompt {name} TEXT")
    show(f"  stop it:        attractor actor stop {name}")
    if (dimension := made.dimension) and made.workspace != READ_ONLY:
        show(f"  its changes:    attractor dimension diff {dimension}")
        show(f"  have it judged: attractor dimension submit {dimension} --suite SUITE")
        show(f"  remove it:      attractor actor remove {name}")


part = actor_spawn
