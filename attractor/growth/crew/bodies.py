"""Bodies of steps and panels, as agents get and answer them."""

import ast
from collections.abc import Iterable, Mapping, Sequence

from pydantic import Field

from attractor.growth.crew.app_tree import PANELS, STEPS
from attractor.growth.crew.contract import Message, Work
from attractor.growth.spec.graph import Relation

FUNCTION = {STEPS: "run", PANELS: "rows"}
"""The function of a body, by the folder of its file."""


class Body(Message):
    """The text of a file with a body."""

    path: str
    text: str


class OpenBody(Message):
    """A file whose body has to be written, with what the specification says of its node."""

    path: str
    node: str
    name: str
    fields: dict[str, str] = Field(description="rule, strategy and the like")
    reads: dict[str, dict[str, str]] = Field(description="fields with types, by entity")
    writes: dict[str, dict[str, str]] = Field(description="fields with types, by entity")
    guards: tuple[str, ...] = Field(description="steps that get only what this gate lets pass")
    now: str = Field(description="the present text of the file")


def open_bodies(work: Work, folder: str) -> Sequence[OpenBody]:
    """Return the open bodies in a folder of the app."""
    tree = work.tree
    return [_open(work, path, tree.bodies[path]) for path in _open_paths(work, folder)]


def _open_paths(work: Work, folder: str) -> list[str]:
    # After a veto or a failed trial, every body may have to be written again.
    paths = work.tree.bodies if work.left("crew.faults") else work.tree.open_bodies()
    return [one for one in paths if one.startswith(folder)]


def _open(work: Work, path: str, id_: str) -> OpenBody:
    graph = work.tree.graph
    node = graph[id_]
    reads = (*node.targets(Relation.READS), *node.targets(Relation.SHOWS))
    return OpenBody(
        path=path,
        node=id_,
        name=node.name,
        fields={key: str(value) for key, value in node.fields.items() if key != "name"},
        reads={one: _types(work, one) for one in reads},
        writes={one: _types(work, one) for one in node.targets(Relation.WRITES)},
        guards=node.targets(Relation.GUARDS),
        now=work.tree.text(path),
    )


def _types(work: Work, id_: str) -> dict[str, str]:
    fields = work.tree.graph.children(id_, "field")
    return {one.id.partition(".")[2]: str(one.fields.get("type", "text")) for one in fields}


def faults_of(work: Work, folder: str, bodies: Sequence[Body]) -> Sequence[str]:
    """Return the faults of answered bodies."""
    wanted, given = _open_paths(work, folder), [one.path for one in bodies]
    faults = [f"{one}: not asked for" for one in given if one not in wanted]
    faults += [f"{one}: answered twice" for one in sorted(set(given)) if given.count(one) > 1]
    if not work.left("crew.faults"):
        faults += [f"{one}: missing" for one in wanted if one not in given]
    return faults + [
        f"{one.path}: {fault}" for one in bodies if (fault := _fault_of(one.text, FUNCTION[folder]))
    ]


def _fault_of(text: str, function: str) -> str:
    try:
        parsed = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        return f"no valid Python: {error}"
    defined = [one.name for one in parsed.body if isinstance(one, ast.FunctionDef)]
    return "" if function in defined else f"no function {function}(records, context)"


def text_by_path(bodies: Iterable[Body]) -> Mapping[str, str]:
    """Return the texts of files, each with a newline at its end."""
    return {one.path: f"{one.text.strip()}\n" for one in bodies}
