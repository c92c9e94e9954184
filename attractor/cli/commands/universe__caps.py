"""Set the caps of a universe or of one of its worlds."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from attractor.base.errors import ExitCode, UnknownName, UsageError
from attractor.base.records import write_record
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.fleet import in_fleet
from attractor.cli.runs.references import find_project
from attractor.cli.runs.universes import cap_options, find_world, read_caps, require_whole_fleet
from attractor.fleet.universes import Tenant
from attractor.fleet.views.universe_views import cap_in_words, find_universe

if TYPE_CHECKING:
    from attractor.factory.project import ProjectFolder
    from attractor.fleet.fleet import Fleet


@click.command()
@click.argument("name", metavar="UNIVERSE")
@click.option(
    "--world",
    default="",
    metavar="WORLD|PROJECT",
    help="Set the caps of this world; a project that is in no universe becomes a world.",
)
@cap_options
@json_option
@click.pass_obj
def universe_caps(
    invocation: Invocation, name: str, world: str, as_json: bool, **given: str | None
) -> ExitCode:
    """Set the caps of a universe or of one of its worlds.

    A cap that is not named stays; 'none' removes it. A world can only narrow the caps of its
    universe. Runs that execute already are not ended; runs that have room now start.
    """
    require_whole_fleet(invocation)
    if not world and not any(given.values()):
        raise UsageError("missing cap", hint=f"see the caps: attractor universe show {name}")
    if world and given["share"]:
        raise UsageError("a world has no share of pools", hint="set that of the universe")
    project = _project(invocation, world)

    async def change(fleet: "Fleet") -> Tenant:
        found, *worlds = await find_universe(fleet, name)
        if world:
            found = await _world(fleet, worlds, name, world, project)
        found = replace(found, caps=read_caps(given, found.caps))
        await fleet.table.set_caps(found.address, found.caps)
        return found

    tenant = in_fleet(invocation, change)
    values = {key: value for key, value in vars(tenant.caps).items() if value is not None}
    words = "; ".join(f"{key} {cap_in_words(key, value)}" for key, value in values.items())
    return show_result(
        write_record(tenant.caps), f"{tenant}: {words or 'no caps'}", as_json=as_json
    )


def _project(invocation: Invocation, name: str) -> "ProjectFolder | None":
    """Return the project of this state folder with a name, if there is one."""
    try:
        return find_project(invocation, name) if name else None
    except UnknownName:
        return None


async def _world(
    fleet: "Fleet",
    worlds: Sequence[Tenant],
    universe: str,
    name: str,
    project: "ProjectFolder | None",
) -> Tenant:
    """Return a world of a universe; the project becomes one if the name is unknown."""
    try:
        return find_world(worlds, name)
    except UnknownName:
        if project is None:
            raise
    await fleet.table.assign(project.project_id, universe, project.root.name)
    return next(
        tenant for tenant in await find_universe(fleet, universe) if tenant.id == project.project_id
    )


part = universe_caps
