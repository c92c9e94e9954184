from pathlib import Path

import pytest

from attractor.growth.errors import InvalidSpec, UnknownSpec
from attractor.growth.spec.files import write_spec
from attractor.growth.spec.store import SpecRecord, SpecStore, spec_id
from tests.growth.seed import farm


def test_a_specification_is_stored_once_and_found_by_its_prefix(tmp_path: Path) -> None:
    store = SpecStore(tmp_path / "specs", tmp_path)
    graph = farm()
    id_ = store.save(graph, SpecRecord(({"goal": "x"},), ("what?",), "sg-0"))
    assert store.save(graph) == id_ == spec_id(graph)
    stored = store.load(id_[:5])
    assert stored.graph.spec_hash == graph.spec_hash
    assert [one.goal for one in stored.desires] == ["x"]
    assert (stored.clarifications, stored.base) == (("what?",), "sg-0")
    write_spec(farm(('"Triage"', '"Home"')), tmp_path)
    assert store.load("HEAD").id != id_


def test_unknown_and_changed_specifications_are_refused(tmp_path: Path) -> None:
    store = SpecStore(tmp_path / "specs", tmp_path)
    id_ = store.save(farm())
    other = store.save(farm(('"Triage"', '"Home"')))
    for reference in ("", "sg-", "sg-zzz"):
        with pytest.raises(UnknownSpec):
            store.load(reference)
    file = store.folder / id_ / "spec" / "nodes" / "panel" / "brief.json"
    file.write_text(file.read_text().replace("Brief", "Briefs"))
    with pytest.raises(InvalidSpec, match="was changed"):
        store.load(id_)
    assert store.load(other)
