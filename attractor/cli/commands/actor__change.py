"""Change the model or the program of an actor."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.actors import WithArguments, describe_program, find, sender_of
from attractor.cli.runs.setup import chosen_model_options
from attractor.engine.questions.call_rules import PermissionMode
from attractor.worlds.care import change
from attractor.worlds.records import actor_record
from attractor.worlds.status import read_actor


@click.command(cls=WithArguments)
@click.argument("name", metavar="ACTOR")
@chosen_model_options
@click.option("--with", "backend", default="", metavar="NAME", help="Work with this backend.")
@click.option("--agent", "agent_name", default="", metavar="NAME", help="Use the agent NAME.")
@click.option("--sandbox", default="", help="Run tools in this sandbox.")
@click.option(
    "--permissions",
    type=click.Choice([mode.value for mode in PermissionMode]),
    help="Limit tool calls by the sandbox alone, or also ask a person before them.",
)
@click.option(
    "--leads",
    default="",
    metavar="RIGHTS",
    help="Its rights over other actors, such as 'to=test-* most=3 usd=5'; or none.",
)
@json_option
@click.pass_obj
def actor_change(
    invocation: Invocation,
    name: str,
    model: str,
    provider: str,
    backend: str,
    agent_name: str,
    sandbox: str,
    arguments: tuple[str, ...],
    permissions: str | None,
    leads: str,
    as_json: bool,
) -> ExitCode:
    """Change how an actor works from its next task on; what is not named stays.

    Its conversation goes on. Another program reads what was said as text, and has no model of the
    former program. The program gets the words after -- as further ARGUMENTS; --with without them
    removes earlier ones. The task in work ends as it began.
    """
    given = {"model": model, "provider": provider, "backend": backend, "sandbox": sandbox}
    given |= {"permissions": permissions or "", "leads": leads}
    folder, opened = find(invocation, name)
    by = sender_of(invocation)
    if told := change(folder, by, opened, agent=agent_name, arguments=arguments, **given):
        opened.project.console.tell(told)
    program = describe_program(folder.read().actor)
    words = f"The actor {folder.name} {program}, from its next task on."
    return show_result(actor_record(read_actor(folder)), words, as_json=as_json)


part = actor_change
