"""List the agents that nodes can name."""

import click

from attractor.agent.definitions import AgentDefinition, Agents
from attractor.base.errors import ExitCode
from attractor.base.json import Json
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.config.projects import AGENTS, find_project_root


@click.command()
@json_option
@click.pass_obj
def agents(invocation: Invocation, as_json: bool) -> ExitCode:
    """List the agents that nodes can name.

    These are the shipped agents and the folders in agents/ of the project, which replace shipped
    agents of the same name. A node names one by its attribute agent.
    """
    project = find_project_root(invocation.folder)
    found = sorted(Agents([project / AGENTS]).values(), key=lambda one: one.name)
    width = max(len(one.name) for one in found)
    lines = [
        f"{one.name:<{width}}  {one.settings.permissions:<9}  {one.settings.description}".rstrip()
        for one in found
    ]
    return show_result([_record(one) for one in found], *lines, as_json=as_json)


def _record(agent: AgentDefinition) -> dict[str, Json]:
    settings = agent.settings.model_dump(mode="json")
    return {"name": agent.name, **settings, "folder": str(agent.prompt.file.parent)}


part = agents
