"""Maps desires to morphs at the right level."""

from typing import Any

from pydantic import Field

from attractor.growth.crew.contract import Message, Role, Work
from attractor.growth.desires import UserDesire, read_desires
from attractor.growth.plans.checks import check_proposal
from attractor.growth.plans.plan import read_proposal
from attractor.growth.plans.planner import describe_types, required_tests
from attractor.growth.specification.document_writer import write_document


class Input(Message):
    """The desires, and the specification that they change."""

    spec_graph_id: str
    new_desires: tuple[UserDesire, ...]
    specification: str = Field(description="the specification as YAML")
    types: tuple[str, ...] = Field(description="the types of morphs that growth plates accept")
    required_tests: tuple[str, ...] = Field(description="tests that a type of morphs needs")


class Answer(Message):
    """The morphs and the tests, no more."""

    morphs: tuple[dict[str, Any], ...] = Field(min_length=1)
    tests: tuple[str, ...]


def gather(work: Work) -> Input:
    """Gather the desires of the gateway."""
    graph = work.tree.graph
    return Input(
        spec_graph_id=f"sg-{graph.spec_hash[:12]}",
        new_desires=tuple(read_desires(work.left("gateway.desires") or [])),
        specification=write_document(graph),
        types=tuple(describe_types(work.tree.development)),
        required_tests=tuple(required_tests(work.tree.development)),
    )


def find_faults(work: Work, answer: Answer) -> list[str]:
    """Return the faults of a proposal by the rules of growth."""
    proposal = read_proposal(answer.model_dump(mode="json"))
    checked = check_proposal(work.tree.graph, proposal, work.tree.development)
    return [f"{one.message} ({one.hint})" if one.hint else one.message for one in checked.findings]


part = Role(Input, Answer, gather, find_faults)
