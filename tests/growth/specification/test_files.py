from pathlib import Path

import pytest

from attractor.growth.errors import InvalidSpec
from attractor.growth.specification.files import NODES, node_text, parse_node, read_spec, write_spec
from tests.growth.seed import farm


def test_specification_is_unchanged_after_a_round_trip(tmp_path: Path) -> None:
    graph = farm()
    write_spec(graph, tmp_path)
    assert dict(read_spec(tmp_path)) == dict(graph)
    smaller = graph.replace(removed=["phi_gate"])
    write_spec(smaller, tmp_path)
    assert dict(read_spec(tmp_path)) == dict(smaller)


def test_each_key_has_a_line() -> None:
    text = node_text(farm()["contract.sku"])
    assert text.splitlines() == [
        "{",
        ' "id": "contract.sku",',
        ' "kind": "field",',
        ' "fields": {',
        '  "name": "sku"',
        " },",
        ' "edges": {},',
        ' "provenance": {}',
        "}",
    ]


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ('"id": "web"', '"id": "../web"', "invalid id"),
        ('"id": "web"', '"id": "mobile"', "describes spec/nodes/device/mobile.json"),
        ('"kind": "device"', '"kind": "devise"', "unknown kind"),
        ('"edges": {}', '"edges": {"near": []}', "unknown relation 'near'"),
        ('"edges": {}', '"edges": {"shows": "x"}', "shows is not a list of ids"),
        ('"edges": {}', '"edges": []', "are objects"),
        (' "edges": {},', "", "not a node"),
        ("{", "", "web.json"),
    ],
)
def test_faults_name_the_file(tmp_path: Path, before: str, after: str, fault: str) -> None:
    write_spec(farm(), tmp_path)
    file = tmp_path / NODES / "device" / "web.json"
    file.write_text(file.read_text().replace(before, after, 1))
    with pytest.raises(InvalidSpec, match=fault):
        read_spec(tmp_path)


def test_file_of_a_killed_writer_is_no_node_and_is_removed(tmp_path: Path) -> None:
    write_spec(farm(), tmp_path)
    # No process has so high a number.
    left = tmp_path / NODES / "device" / ".attractor-99999999-0123456789abcdef.tmp"
    left.write_text("{")
    assert dict(read_spec(tmp_path)) == dict(farm())
    write_spec(farm(), tmp_path)
    assert not left.exists()


def test_a_folder_without_specification_has_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec) as caught:
        read_spec(tmp_path)
    assert "attractor spec normalize" in caught.value.hint


def test_unknown_keys_of_provenance_are_refused() -> None:
    text = node_text(farm()["web"]).replace('"provenance": {}', '"provenance": {"by": "god"}')
    with pytest.raises(Exception, match="god"):
        parse_node(text, place="web.json")
