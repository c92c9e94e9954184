"""Makes skills ready that the compiler needs."""

from collections.abc import Mapping, Sequence

from pydantic import Field

from attractor.base.json import Json
from attractor.growth.crew.contract import Message, Role, Work
from attractor.growth.tools import copied_skills, skills


class Input(Message):
    """The names that the compiler asks for, and everything that exists."""

    needs: tuple[str, ...]
    tools: tuple[str, ...] = Field(description="skills that exist")


class Answer(Message):
    """The skills to copy into the app."""

    ready: tuple[str, ...]


def gather(work: Work) -> Input:
    """Gather the needs of the compiler."""
    return Input(
        needs=tuple(work.left("compiler.needs") or ()),
        tools=tuple(skills()),
    )


def find_faults(work: Work, answer: Answer) -> Sequence[str]:
    """Refuse an unknown skill, one that nobody needs, and a missing one."""
    needs: set[str] = set(work.left("compiler.needs") or ())
    faults = [f"ready: unknown skill {one!r}" for one in answer.ready if one not in skills()]
    faults += [f"ready: {one} is not needed" for one in answer.ready if one not in needs]
    return faults + [f"ready: {need} is missing" for need in sorted(needs - set(answer.ready))]


def files(_work: Work, answer: Answer) -> Mapping[str, str]:
    """Copy the skills into the app."""
    return copied_skills(answer.ready)


def updates(answer: Answer) -> Mapping[str, Json]:
    """Name the skills for the compiler."""
    return {"toolsmith.ready": list[Json](answer.ready)}


part = Role(Input, Answer, gather, find_faults, files, updates)
