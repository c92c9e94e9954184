"""Tells a person how the app changed, in words that cite nodes."""

from collections.abc import Sequence

from pydantic import Field

from attractor.growth.crew.contract import Message, Role, Work


class Input(Message):
    """The stage, the plan and the artifact, as the deployer recorded them."""

    stage: str
    kind: str
    morphs: tuple[dict[str, object], ...]
    artifact: dict[str, object]


class Answer(Message):
    """A headline and the changes."""

    headline: str = Field(min_length=1, max_length=120)
    changes: tuple[str, ...] = Field(min_length=1, description="one sentence for each change")


def gather(work: Work) -> Input:
    """Gather the record of the stage."""
    stage, proposal = work.tree.stage, work.tree.proposal
    return Input(
        stage=stage.stage if stage else "",
        kind=stage.kind.value if stage else "",
        morphs=tuple(proposal.to_dict()["morphs"]) if proposal else (),
        artifact=work.left("deployer.artifact") or {},
    )


def find_faults(work: Work, answer: Answer) -> Sequence[str]:
    """Refuse a history that leaves out a morph."""
    proposal = work.tree.proposal
    wanted = len(proposal.morphs) if proposal else 1
    if len(answer.changes) < wanted:
        return [f"changes: {len(answer.changes)} sentences for {wanted} morphs"]
    return []


part = Role(Input, Answer, gather, find_faults)
