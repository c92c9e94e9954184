"""Drafts scenarios from the specification alone: it never sees code."""

from collections.abc import Sequence

from pydantic import Field

from attractor.base.json import Json
from attractor.growth.crew.contract import Message, Role, Work
from attractor.growth.crew.drafts import Draft, faults_of_drafts
from attractor.growth.crew.roles.compiler import sentences
from attractor.growth.specification.document_writer import write_document


class Input(Message):
    """The specification, and the sentences to test."""

    spec_graph_id: str
    specification: str = Field(description="the specification as YAML")
    tests: tuple[str, ...] = Field(description="sentences that must hold")


class Answer(Message):
    """Drafts of scenarios."""

    drafts: tuple[Draft, ...] = Field(min_length=1, max_length=20)


def gather(work: Work) -> Input:
    """Gather the specification, without any file of the app."""
    tree, proposal = work.tree, work.tree.proposal
    tests = [*sentences(tree), *(proposal.tests if proposal else ())]
    return Input(
        spec_graph_id=f"sg-{tree.graph.spec_hash[:12]}",
        specification=write_document(tree.graph),
        tests=tuple(tests),
    )


def find_faults(work: Work, answer: Answer) -> Sequence[str]:
    """Refuse drafts about nodes that do not exist."""
    return faults_of_drafts(work.tree.graph, answer.drafts)


def updates(answer: Answer) -> dict[str, Json]:
    """Pass the drafts on, to be tried."""
    return {
        "tester.drafts": [one.model_dump(mode="json", exclude_unset=True) for one in answer.drafts]
    }


part = Role(Input, Answer, gather, find_faults, updates=updates)
