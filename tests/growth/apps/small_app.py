"""A small app: two entities, a pipeline with a gate and three steps, one panel, with bodies."""

from collections.abc import Mapping
from pathlib import Path

from attractor.growth.apps.skeleton import write_app
from attractor.growth.specification.document import read_document
from attractor.growth.specification.graph import SpecGraph

SPEC = read_document(
    """
identity: {purpose: Harvest what may be sold}
data_contracts:
  entities:
    - name: Block
      fields:
        - {name: name, key: "true"}
        - {name: kilos, type: integer}
        - {name: locked_until, type: date}
        - {name: owner, pii: "true"}
    - name: Harvest
      fields: [{name: kilos, type: number}]
workflows:
  pipelines:
    - name: Nightly
      steps:
        - {name: Weigh, reads: [Block], writes: [Block]}
        - {name: PHI gate, reads: [Block], guards: [Allocate]}
        - {name: Allocate, reads: [Block], writes: [Harvest], strategy: all}
  outputs: [{name: Packlist, reads: [Harvest]}]
interface:
  panels: [{name: Brief, shows: [Harvest]}]
"""
)

BODIES: Mapping[str, str] = {
    "steps/weigh": "return {'block': records['block']}",
    "steps/phi_gate": """
    today = context.today.isoformat()
    free = [one for one in records['block'] if (one['locked_until'] or '') <= today]
    return {'block': free}""",
    "steps/allocate": """
    context.note(f'strategy {context.strategy}')
    new = [{'id': f"h-{one['id']}", 'kilos': one['kilos']} for one in records['block']]
    return {'harvest': new}""",
    "panels/brief": "return Panel('Brief', 3, records['harvest'])",
}


def write_small_app(folder: Path, changed: Mapping[str, str] | None = None) -> Path:
    """Write the app with its bodies, some of them changed."""
    return write_with_bodies(SPEC, folder, {**BODIES, **(changed or {})})


def write_with_bodies(graph: SpecGraph, folder: Path, bodies: Mapping[str, str]) -> Path:
    """Write an app whose bodies have these lines."""
    write_app(graph, folder)
    for name, body in bodies.items():
        function = "rows" if name.startswith("panels") else "run"
        text = (
            f"from app.contract import Panel\n\n\ndef {function}(records, context):\n    {body}\n"
        )
        (folder / "app" / f"{name}.py").write_text(text)
    write_app(graph, folder)
    return folder
