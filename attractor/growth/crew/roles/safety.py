"""Judges a change by the lines of the identity that no machine checks; may veto."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from attractor.growth.crew.contract import Message, Role, Work
from attractor.growth.identity import lines_of


class JudgedLine(Message):
    """A line of the identity, and whether a machine checks it."""

    line: str
    is_checked_by_machine: bool


class Input(Message):
    """The identity, and the files with bodies as they are now."""

    purpose: str
    lines: tuple[JudgedLine, ...]
    guardrails: tuple[str, ...]
    files: dict[str, str]


class Answer(Message):
    """Approve or veto, with the lines that the change would break."""

    verdict: Literal["approve", "veto"]
    reasons: tuple[str, ...] = Field(default=(), description="a veto names its reasons")


def gather(work: Work) -> Input:
    """Gather the identity and the bodies."""
    tree = work.tree
    # The suite is hidden here: lines that its scenarios check are judged as well.
    checked = {one.line for one in tree.development.identity if one.is_checked_by_machine(())}
    return Input(
        purpose=str(tree.graph.root.fields["purpose"]),
        lines=tuple(
            JudgedLine(line=one, is_checked_by_machine=one in checked)
            for one in lines_of(tree.graph)
        ),
        guardrails=tuple(guardrail.name for guardrail in tree.graph.of_kind("guardrail")),
        files={path: tree.text(path) for path in tree.bodies},
    )


def find_faults(_work: Work, answer: Answer) -> Sequence[str]:
    """Refuse a veto without a reason."""
    if answer.verdict == "veto" and not answer.reasons:
        return ["reasons: a veto names its reasons"]
    return []


part = Role(Input, Answer, gather, find_faults)
