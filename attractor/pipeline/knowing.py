"""Says what the project of a run knows and wants of its pipelines."""

from dataclasses import replace

from attractor.pipeline.known_names import known_names
from attractor.pipeline.source import Known
from attractor.pipeline.world import World


def known_in(world: World) -> Known:
    """Return the names that a project has, and how grave it takes each rule."""
    names = known_names(world.project, environ=world.environ)
    if world.brought.handlers:
        names = replace(names, types={*(names.types or ()), *world.brought.handlers})
    return Known(names, world.levels, world.brought, world.environ, world.redactor)
