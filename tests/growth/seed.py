"""The specification of the farm, in the form of the seed."""

from attractor.growth.specification.document import read_document
from attractor.growth.specification.graph import SpecGraph

FARM = """
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
      fields: ["buyer", "sku", "qty_per_week", "price_floor", "delivery_day", "priority"]
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


def farm(*changes: tuple[str, str]) -> SpecGraph:
    """Return the farm's specification, with texts of the document replaced."""
    text = FARM
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after)
    return read_document(text)
