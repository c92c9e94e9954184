import shutil
from pathlib import Path

import pytest

from attractor.base.errors import MachineryError
from attractor.growth.specification.graph import Relation
from attractor.growth.specification.index import IndexSize, SpecIndex
from attractor.growth.specification.store import SpecStore
from tests.growth.seed import farm


def test_the_index_follows_the_stored_specifications(tmp_path: Path) -> None:
    store = SpecStore(tmp_path / "specs", tmp_path)
    index = SpecIndex(tmp_path / "index.sqlite", store)
    assert index.versions() == []
    graph = farm()
    first = store.save(graph)
    renamed = graph.replace(graph["web"].with_fields(name="[NEEDS CLARIFICATION: which?]"))
    second = store.save(renamed)
    versions = {one.id: one for one in index.versions()}
    assert versions.keys() == {first, second}
    assert (versions[second].nodes, versions[second].open_questions) == (len(graph), 1)
    names = {one.version: (one.name, one.hash) for one in index.history("web")}
    assert names[first] == ("web", graph["web"].hash)
    assert names[second] == ("[NEEDS CLARIFICATION: which?]", renamed["web"].hash)
    shutil.rmtree(store.folder / first)
    assert [one.id for one in index.versions()] == [second]
    assert [one.version for one in index.history("web")] == [second]


def test_a_damaged_index_is_built_again(tmp_path: Path) -> None:
    store = SpecStore(tmp_path / "specs", tmp_path)
    index = SpecIndex(tmp_path / "index.sqlite", store)
    graph = farm()
    store.save(graph)
    index.file.write_text("no database, but long enough to be one" * 100)
    with pytest.raises(MachineryError) as caught:
        index.versions()
    assert "attractor spec reindex" in caught.value.hint
    edges = sum(len(one.edges) for one in graph.values())
    assert edges > len(graph.root.targets(Relation.CONTAINS))
    assert index.rebuild() == IndexSize(1, len(graph), edges)
