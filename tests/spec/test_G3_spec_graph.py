"""G3: every entry is a node whose id survives renaming; files are the truth, SQLite an index."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from attractor.growth.api import specs
from attractor.growth.specification.graph import Author, Provenance, Relation, SpecNode
from tests.growth.app import make_app
from tests.growth.seed import farm


def test_every_entry_is_a_node_in_a_file_with_one_key_a_line(tmp_path: Path) -> None:
    plane = make_app(tmp_path / "app")
    file = plane.repository / "spec" / "nodes" / "step" / "phi_gate.json"
    lines = file.read_text().splitlines()
    assert list(json.loads(file.read_text())) == ["id", "kind", "fields", "edges", "provenance"]
    assert sum('": ' in one for one in lines) == len([one for one in lines if '"' in one]) - 1
    answer = specs.show_spec(plane, "HEAD")
    assert len(list(plane.repository.glob("spec/nodes/*/*.json"))) == len(farm())
    assert answer["spec_graph_id"] == f"sg-{farm().spec_hash[:12]}"
    relations = "contains precedes reads writes guards shows"
    relations += " refers_to arranged_by sums limits runs sees does edits tests derives_from"
    assert " ".join(Relation) == relations


def test_the_hash_of_a_node_leaves_provenance_out_and_reaches_the_root() -> None:
    graph = farm()
    web = graph["web"]
    signed = SpecNode(web.id, web.kind, web.fields, web.edges, Provenance(Author.PERSON, words="w"))
    assert graph.replace(signed).spec_hash == graph.spec_hash
    renamed = graph.replace(web.with_fields(name="Browser"))
    assert renamed.find("Browser").id == "web"
    changed = {one for one in graph if graph.subtree_hash(one) != renamed.subtree_hash(one)}
    assert changed == {"web", "deployment", "domain"}


def test_reindex_builds_the_tables_from_the_stored_specifications(tmp_path: Path) -> None:
    plane = make_app(tmp_path / "app")
    first = specs.normalize(plane, {"goal": "sell eggs", "outputs": ["invoices"]})["spec_graph_id"]
    specs.normalize(plane, {"goal": "sell hens"}, base=str(first))
    before = specs.reindex(plane)
    with closing(sqlite3.connect(plane.index)) as index, index:
        index.executescript("DELETE FROM nodes; DROP TABLE edges;")
    assert specs.reindex(plane) == before
    with closing(sqlite3.connect(plane.index)) as index, index:
        rows = index.execute(
            "SELECT edges.source FROM edges JOIN nodes ON nodes.version = edges.version "
            "AND nodes.id = edges.target WHERE nodes.id = 'sell_eggs' AND relation = 'derives_from'"
        )
        assert set(rows) == {("invoices",)}
        assert index.execute("SELECT COUNT(*) FROM versions").fetchone() == (2,)
