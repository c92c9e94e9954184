"""Makes adapters and skills ready that the compiler needs."""

from collections.abc import Mapping, Sequence

from pydantic import Field

from attractor.base.json import Json
from attractor.growth.crew.contract import Message, Role, Work
from attractor.growth.tools import names_of_tools, vendored


class Input(Message):
    """The names that the compiler asks for, and everything that exists."""

    needs: tuple[str, ...]
    tools: tuple[str, ...] = Field(description="adapters and skills that exist")
    sources: tuple[str, ...] = Field(description="the sources that the app may use")


class Answer(Message):
    """The tools to copy into the app."""

    ready: tuple[str, ...]


def gather(work: Work) -> Input:
    """Gather the needs of the compiler."""
    return Input(
        needs=tuple(work.left("compiler.needs") or ()),
        tools=tuple(names_of_tools()),
        sources=tuple(one.name for one in work.tree.graph.of_kind("source")),
    )


def find_faults(work: Work, answer: Answer) -> Sequence[str]:
    """Refuse an unknown tool, one that nobody needs, and a missing one."""
    needs: set[str] = set(work.left("compiler.needs") or ())
    known = set(names_of_tools())
    faults = [f"ready: unknown tool {one!r}" for one in answer.ready if one not in known]
    faults += [f"ready: {one} is not needed" for one in answer.ready if one not in needs]
    return faults + [f"ready: {one} is missing" for one in sorted(needs - set(answer.ready))]


def files(_work: Work, answer: Answer) -> Mapping[str, str]:
    """Copy the tools into the app."""
    return vendored(answer.ready)


def updates(answer: Answer) -> Mapping[str, Json]:
    """Name the tools for the compiler."""
    return {"toolsmith.ready": list[Json](answer.ready)}


part = Role(Input, Answer, gather, find_faults, files, updates)
