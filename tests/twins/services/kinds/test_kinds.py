"""Every kind of route is documented, and its keys are not those of every route."""

from pathlib import Path

from attractor.twins.services.route import RouteTable, kind_registry
from tests.tables import table

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "service-twins.md"
COMMON = {info.alias or name for name, info in RouteTable.model_fields.items()}


@table("name", list(kind_registry()))
def test_a_kind_and_its_keys_are_documented(name: str) -> None:
    _, _, behind = PAGE.read_text("utf-8").partition(f"### `{name}`")
    section = behind.partition("\n### ")[0].partition("\n## ")[0]
    fields = kind_registry()[name].model_fields
    keys = {info.alias or key for key, info in fields.items()}
    assert not keys & COMMON
    shared = {"status", "headers", "json", "body"}
    assert [key for key in sorted(keys - shared) if f"`{key}`" not in section] == []
