"""Builds the two examples, and apps that grew from them with bodies of a small library."""

from pathlib import Path
from random import Random
from shutil import copyfile

from attractor.growth.apps.routes import entities_of
from attractor.growth.apps.skeleton import write_app
from attractor.growth.simulation.traffic import Recording, read_recordings
from attractor.growth.specification.document import read_document
from attractor.growth.specification.graph import Relation, SpecGraph
from tests.examples import ROOT

EXAMPLES = ("farmer-contract-allocation", "immigration-policy-impact")

NEW_BODIES = {
    "steps": (
        "return {}",
        "context.note(f'{sum(map(len, records.values()))} records')\n    return {}",
        "return {name: sorted(rows, key=lambda one: one['id']) for name, rows in records.items()\n"
        "        if name in WRITES}",
    ),
    "panels": (
        "return Panel('New', 1, [])",
        "return Panel('New', 9, [row for rows in records.values() for row in rows])",
    ),
}
"""Bodies that an agent may write for new steps and panels."""


def example_graph(example: str) -> SpecGraph:
    return read_document((ROOT / "pipelines" / "growth" / example / "spec.yaml").read_text())


def example_recordings(example: str) -> list[Recording]:
    return list(read_recordings(ROOT / "pipelines" / "growth" / example / "recordings"))


def write_example(example: str, folder: Path, graph: SpecGraph, *, seed: int = 0) -> Path:
    """Write an app with the bodies of an example; bodies of new nodes come from the library."""
    written = ROOT / "pipelines" / "growth" / example / "bodies"
    random = Random(seed)
    files = write_app(graph, folder)
    for path, file in files.items():
        kind = path.split("/")[1]
        if kind not in NEW_BODIES or file.part.value != "body":
            continue
        source = written / Path(path).relative_to("app")
        if source.is_file():
            copyfile(source, folder / path)
        else:
            (folder / path).write_text(_new_body(kind, graph, Path(path).stem, random))
    write_app(graph, folder)
    return folder


def _new_body(kind: str, graph: SpecGraph, id_: str, random: Random) -> str:
    writes = entities_of(graph, graph[id_], Relation.WRITES)
    function = "run" if kind == "steps" else "rows"
    body = random.choice(NEW_BODIES[kind])
    head = f"from app.contract import Panel\n\nWRITES = {writes!r}\n\n\n"
    return f"{head}def {function}(records, context):\n    {body}\n"
