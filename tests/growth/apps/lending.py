"""An app with everything that pages show: a street that lends tools."""

from collections.abc import Mapping
from pathlib import Path

from attractor.growth.specification.document import read_document
from tests.growth.apps.small_app import write_with_bodies

LENDING = read_document(
    """
identity: {purpose: Lend the tools of a street}
data_contracts:
  entities:
    - name: Tool
      fields:
        - {name: Name, key: true}
        - {name: Kind, choices: [hand, power], required: true}
        - {name: Price, type: number, unit: EUR}
        - {name: Weight, type: integer, unit: kg}
        - {name: Bought, type: date}
        - {name: Works, type: boolean}
        - {name: Note}
    - name: Neighbour
      fields: [{name: Name, key: true}, {name: Mail, pii: true}]
    - name: Wish
      fields:
        - {name: Tool, refers_to: [Tool], required: true}
        - {name: Neighbour, refers_to: [Neighbour], required: true}
        - {name: Due, type: date}
    - name: Loan
      fields:
        - {name: Tool, refers_to: [Tool]}
        - {name: Neighbour, refers_to: [Neighbour]}
        - {name: Due, type: date}
workflows:
  pipelines:
    - name: Lending
      steps:
        - {name: Free tools, reads: [Wish, Loan], guards: [Lend]}
        - {name: Lend, reads: [Wish], writes: [Loan]}
  triggers: [{name: A neighbour asks for a tool, reads: [Wish], runs: [Lending]}]
interface:
  panels:
    - {name: Tools, shows: [Tool], view: board, arranged_by: [tool.kind]}
    - {name: Due back, shows: [Loan], view: calendar, arranged_by: [loan.due]}
    - {name: Wishes, shows: [Wish]}
  actions:
    - {name: Lend again, runs: [Lending]}
    - {name: Lend without more, runs: [Lend], confirm: true}
    - Ask a neighbour
"""
)

BODIES: Mapping[str, str] = {
    "steps/free_tools": """
    lent = {one['tool'] for one in records['loan']}
    return {'wish': [one for one in records['wish'] if one['tool'] not in lent]}""",
    "steps/lend": """
    context.note(f"{len(records['wish'])} lent.")
    names = ('id', 'tool', 'neighbour', 'due')
    new = [{name: one[name] for name in names} for one in records['wish']]
    return {'loan': [*records['loan'], *new]}""",
    "panels/tools": "return Panel('Tools', 3, records['tool'])",
    "panels/due_back": "return Panel('Due back', 2, records['loan'])",
    "panels/wishes": "return Panel('Wishes', 1, records['wish'])",
}


def write_lending(folder: Path) -> Path:
    """Write the app with its bodies."""
    return write_with_bodies(LENDING, folder, BODIES)
