"""Fills the panels of the home screen."""

from collections.abc import Mapping, Sequence

from pydantic import Field

from attractor.growth.crew.app_tree import PANELS
from attractor.growth.crew.bodies import Body, OpenBody, faults_of, open_bodies, text_by_path
from attractor.growth.crew.contract import Message, Role, Work


class Input(Message):
    """The panels whose bodies are open, and how users want them."""

    spec_graph_id: str
    bodies: tuple[OpenBody, ...] = Field(description="the files to write")
    preferences: tuple[str, ...]
    disclaimers: tuple[str, ...]


class Answer(Message):
    """The bodies of the panels."""

    bodies: tuple[Body, ...]


def gather(work: Work) -> Input:
    """Gather the open bodies of panels."""
    graph = work.tree.graph
    return Input(
        spec_graph_id=f"sg-{graph.spec_hash[:12]}",
        bodies=tuple(open_bodies(work, PANELS)),
        preferences=tuple(preference.name for preference in graph.of_kind("preference")),
        disclaimers=tuple(disclaimer.name for disclaimer in graph.of_kind("disclaimer")),
    )


def find_faults(work: Work, answer: Answer) -> Sequence[str]:
    """Refuse bodies that are missing, invalid or not asked for."""
    return faults_of(work, PANELS, answer.bodies)


def files(_work: Work, answer: Answer) -> Mapping[str, str]:
    """Write the bodies."""
    return text_by_path(answer.bodies)


part = Role(Input, Answer, gather, find_faults, files, has_work=lambda given: bool(given.bodies))
