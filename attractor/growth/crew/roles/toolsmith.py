"""Makes skills ready that the compiler needs; proposes an adapter for a service that it misses."""

from collections.abc import Mapping, Sequence

from pydantic import Field

from attractor.base.json import Json
from attractor.growth.crew.contract import Message, Role, Work
from attractor.growth.crew.proposed_adapter import ProposedAdapter
from attractor.growth.tools import adapters, copied_skills, skills


class Input(Message):
    """The names that the compiler asks for, and everything that exists."""

    needs: tuple[str, ...]
    tools: tuple[str, ...] = Field(description="skills that exist")
    services: tuple[str, ...] = Field(description="services that no adapter covers")
    adapters: tuple[str, ...] = Field(description="adapters that exist")


class Answer(Message):
    """The skills to copy into the app, and an adapter that a person may accept."""

    ready: tuple[str, ...]
    adapter: ProposedAdapter | None = None


def gather(work: Work) -> Input:
    """Gather the needs of the compiler."""
    return Input(
        needs=tuple(work.left("compiler.needs") or ()),
        tools=tuple(skills()),
        services=tuple(work.left("compiler.services") or ()),
        adapters=tuple(adapters()),
    )


def find_faults(work: Work, answer: Answer) -> Sequence[str]:
    """Refuse an unknown skill, one that nobody needs, and a missing one."""
    needs: set[str] = set(work.left("compiler.needs") or ())
    faults = [f"ready: unknown skill {one!r}" for one in answer.ready if one not in skills()]
    faults += [f"ready: {one} is not needed" for one in answer.ready if one not in needs]
    faults += [f"ready: {need} is missing" for need in sorted(needs - set(answer.ready))]
    is_asked = bool(work.left("compiler.services"))
    if is_asked != bool(answer.adapter):
        return [*faults, f"adapter: {'missing' if is_asked else 'no body needs a service'}"]
    if answer.adapter and not faults:
        return answer.adapter.faults(work.tree.graph)
    return faults


def proposes(work: Work, answer: Answer) -> Mapping[str, str]:
    """Return the plan and the twin of a proposed adapter."""
    return answer.adapter.files(work.tree.graph) if answer.adapter else {}


def files(_work: Work, answer: Answer) -> Mapping[str, str]:
    """Copy the skills into the app."""
    return copied_skills(answer.ready)


def updates(answer: Answer) -> Mapping[str, Json]:
    """Name the skills for the compiler."""
    return {"toolsmith.ready": list[Json](answer.ready)}


part = Role(Input, Answer, gather, find_faults, files, updates, proposes)
