"""G2: the document has an identity and seven sections; the seed's YAML loads verbatim."""

import yaml

from attractor.growth.specification.document import IDENTITY, SECTIONS, read_document
from attractor.growth.specification.document_writer import document_of

SEED = """\
identity:
  purpose: "Farm planning and evidence aware operations"
  beneficiaries: ["Farmer", "Buyers"]
  safety_envelope: ["No medical claims", "No legal advice"]
  prohibited_changes: ["Change business purpose"]

evidence_policy:
  sources: ["gov data", "peer reviewed", "trusted blogs"]
  trust_tiers: ["high", "medium", "low"]
  cadence: "daily"

data_contracts:
  entities:
    - name: "Contract"
      fields:
        [
          "buyer",
          "sku",
          "qty_per_week",
          "price_floor",
          "delivery_day",
          "priority",
        ]
    - name: "Block"
      fields: ["crop", "cultivar", "plant_count"]
    - name: "SprayEvent"
      fields: ["block_id", "product", "date", "phi_days"]

workflows:
  pipelines:
    - name: "Contract allocation"
      steps:
        - "Yield forecast"
        - "PHI gate"
        - "Allocate to contracts"
        - "Surplus allocator"
        - "Packlists"
        - "Route plan"
        - "Invoices"
interface:
  panels: ["Triage", "Brief", "Comparator", "Checklist", "Composer"]
safety:
  guardrails: ["No harvest from PHI locked blocks"]
personalization:
  preferences: ["RFC style notes", "No jira links"]
deployment:
  cadence: "nightly"
  devices: ["web", "mobile"]
"""
"""The specification schema of the seed, verbatim."""

KEYS = {
    "identity": "purpose beneficiaries safety_envelope prohibited_changes",
    "evidence_policy": "sources trust_tiers cadence",
    "data_contracts": "entities schemas pii_flags",
    "workflows": "pipelines triggers outputs",
    "interface": "panels actions roles",
    "safety": "guardrails disclaimers",
    "personalization": "preferences heuristics",
    "deployment": "cadence devices schedules retention",
}
"""The sections in the order of the seed, with the keys of its mindmap."""


def test_the_yaml_of_the_seed_loads_and_prints_back_equal() -> None:
    graph = read_document(SEED)
    assert document_of(graph) == yaml.load(SEED, yaml.BaseLoader)
    assert [one.name for one in graph.children("contract_allocation")] == [
        "Yield forecast",
        "PHI gate",
        "Allocate to contracts",
        "Surplus allocator",
        "Packlists",
        "Route plan",
        "Invoices",
    ]


def test_the_sections_have_the_order_and_the_keys_of_the_seed() -> None:
    known = {"identity": IDENTITY, **SECTIONS}
    assert known == {section: tuple(keys.split()) for section, keys in KEYS.items()}
    assert list(SECTIONS) == list(KEYS)[1:]
    filled = "\n".join(
        f"{section}: {{{', '.join(f'{key}: {_value(key)}' for key in keys.split())}}}"
        for section, keys in KEYS.items()
    )
    assert document_of(read_document(filled)) == yaml.load(filled, yaml.BaseLoader)


def _value(key: str) -> str:
    match key:
        case "purpose" | "cadence":
            return "no"
        case "entities":
            return "[{name: A, fields: [b]}]"
        case "pipelines":
            return "[{name: P, steps: [s]}]"
        case _:
            return f"[{key} 1, 1.10]"
