"""Chooses the pipeline that builds a plan: with a model, or by rule, and what rules leave plain."""

from collections.abc import Sequence
from pathlib import Path

from attractor.backends.models import list_ready
from attractor.backends.provider_needs import WITHOUT_KEY
from attractor.base.dataclasses import dataclass
from attractor.growth.apps.skeleton import generate, with_bodies
from attractor.growth.apps.stack import FilePart
from attractor.growth.building import find_crew_run, read_build, shipped_pipeline
from attractor.growth.control_plane import ControlPlane
from attractor.growth.crew.app_tree import NOT_BUILT, PANELS
from attractor.growth.deployment.requirements import NotDeployable
from attractor.growth.model_answers import HOW_TO_CHOOSE
from attractor.growth.plans.plan import Plan
from attractor.growth.specification.graph import SpecGraph
from attractor.pipeline.components.backends import AGENT
from attractor.pipeline.project.project import Project

CREW = "pipelines/crew.dot"


async def can_ask(project: Project) -> bool:
    """Return whether the crew has a model: a chosen one, one with a key, or that of a program."""
    is_chosen = project.llm is not None and bool(project.llm.model or project.llm.provider)
    is_program = project.backends is not None and project.backends.default != AGENT
    return is_chosen or is_program or bool(await list_ready(project.machine.environ))


@dataclass(frozen=True)
class BodiesByRule:
    """The nodes whose bodies only a model writes, and those that keep their first body."""

    unwritten: tuple[str, ...]
    plain: tuple[str, ...]


def bodies_by_rule(graph: SpecGraph, folder: Path) -> BodiesByRule:
    """Sort the bodies of a specification, with those that a folder contains."""
    first = generate(graph)
    unwritten: list[str] = []
    plain: list[str] = []
    for path, file in with_bodies(first, folder).items():
        node = graph[Path(path).stem] if file.part is FilePart.BODY else None
        if node and NOT_BUILT in file.text:
            unwritten.append(f"the {node.kind} {node.name!r}")
        elif node and path.startswith(PANELS) and file.text == first[path].text:
            plain.append(f"the {node.kind} {node.name!r}")
    return BodiesByRule(tuple(unwritten), tuple(plain))


async def crew_pipeline(control_plane: ControlPlane, plan: Plan) -> Path:
    """Return the pipeline of the crew: the app's own, or a shipped one, with a model or without."""
    own = control_plane.repository / CREW
    if own.is_file():
        return own
    if await can_ask(control_plane.project):
        return shipped_pipeline("crew")
    found = bodies_by_rule(plan.result, control_plane.repository)
    build = read_build(control_plane.plans.folder_of(plan.id))
    if found.unwritten and not (build and find_crew_run(control_plane.project, build.commit)):
        names = ", ".join(found.unwritten)
        hint = f"{HOW_TO_CHOOSE}, or set an API key\n{WITHOUT_KEY}"
        raise NotDeployable(f"no model is chosen, and only a model writes: {names}", hint=hint)
    return shipped_pipeline("crew_by_rule")


async def plain_parts(control_plane: ControlPlane, plan: Plan) -> Sequence[str]:
    """Return what a build without a model leaves plain or cannot write; none with a model."""
    is_own = (control_plane.repository / CREW).is_file()
    if control_plane.plans.state(plan).is_final or is_own or await can_ask(control_plane.project):
        return ()
    found = bodies_by_rule(plan.result, control_plane.repository)
    return (
        *(f"{one} cannot be written ({HOW_TO_CHOOSE})" for one in found.unwritten),
        *(f"{one} lists all records" for one in found.plain),
        "no scenario is drafted, and only a person judges the identity",
    )
