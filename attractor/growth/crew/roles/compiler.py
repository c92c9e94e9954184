"""Writes the bodies of steps; it may ask for skills first."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from attractor.base.json import Json
from attractor.growth.apps.routes import service_operations
from attractor.growth.crew.app_tree import STEPS, AppTree
from attractor.growth.crew.bodies import Body, OpenBody, faults_of, open_bodies, text_by_path
from attractor.growth.crew.contract import Message, Role, Work
from attractor.growth.specification.graph import SpecGraph
from attractor.growth.tools import Skill, adapters, skills


class Input(Message):
    """The plan, and the files whose bodies are open."""

    spec_graph_id: str
    morphs: tuple[dict[str, Any], ...] = Field(description="the plan; empty for a rebuild")
    tests: tuple[str, ...] = Field(description="sentences that must hold")
    bodies: tuple[OpenBody, ...] = Field(description="the files to write")
    tools: tuple[str, ...] = Field(description="skills that exist")
    ready: dict[str, Any] = Field(description="skills that toolsmith made ready, with schemas")
    faults: tuple[str, ...] = Field(description="faults found in earlier bodies")


class Answer(Message):
    """All bodies, or the skills that are needed first."""

    bodies: tuple[Body, ...] = ()
    needs: tuple[str, ...] = Field(default=(), description="names of skills")
    services: tuple[str, ...] = Field(
        default=(), description="services without which no body can be written; a person decides"
    )


def gather(work: Work) -> Input:
    """Gather the plan and the open bodies of steps."""
    tree, proposal = work.tree, work.tree.proposal
    return Input(
        spec_graph_id=f"sg-{tree.graph.spec_hash[:12]}",
        morphs=tuple(proposal.to_dict()["morphs"]) if proposal else (),
        tests=(*sentences(tree), *(proposal.tests if proposal else ())),
        bodies=tuple(open_bodies(work, STEPS)),
        tools=tuple(skills()),
        ready={one: _schemas(skills()[one]) for one in work.left("toolsmith.ready") or ()},
        faults=tuple(work.left("crew.faults") or ()),
    )


def _schemas(skill: Skill) -> dict[str, Any]:
    return {"input": skill.input_schema, "output": skill.output_schema}


def sentences(tree: AppTree) -> list[str]:
    """Return the sentences that must hold for an app."""
    return [test.name for test in tree.graph.of_kind("acceptance_test")]


def find_faults(work: Work, answer: Answer) -> Sequence[str]:
    """Refuse unknown tools, and bodies that are missing, invalid or not asked for."""
    unknown = [_refusal(work.tree.graph, need) for need in answer.needs if need not in skills()]
    asks = bool(answer.needs or answer.services)
    if asks and answer.bodies:
        return ["answer either bodies or needs"]
    graph = work.tree.graph
    unknown += [_refusal(graph, one) for one in answer.services if _is_service(graph, one)]
    return unknown or ([] if asks else faults_of(work, STEPS, answer.bodies))


def _is_service(graph: SpecGraph, name: str) -> bool:
    return name in adapters() or (name in graph and bool(service_operations(graph, name)))


def _refusal(graph: SpecGraph, name: str) -> str:
    if _is_service(graph, name):
        return (
            f"needs: {name} is an adapter: a step calls it if it reads or writes the source {name}"
        )
    return f"needs: unknown skill {name!r}"


def files(_work: Work, answer: Answer) -> Mapping[str, str]:
    """Write the bodies."""
    return text_by_path(answer.bodies)


def updates(answer: Answer) -> Mapping[str, Json]:
    """Say whether toolsmith comes next."""
    return {
        "compiler.needs": list[Json](answer.needs),
        "compiler.services": list[Json](answer.services),
        "compiler.waits": bool(answer.needs or answer.services),
    }


part = Role(
    Input,
    Answer,
    gather,
    find_faults,
    files,
    updates,
    has_work=lambda given: bool(given.bodies),
)
