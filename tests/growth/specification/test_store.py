from pathlib import Path

import pytest

from attractor.base.errors import UsageError
from attractor.growth.desires import UserDesire
from attractor.growth.errors import InvalidSpec, UnknownSpec
from attractor.growth.specification.document import read_document
from attractor.growth.specification.files import write_spec
from attractor.growth.specification.store import SpecRecord, SpecStore, spec_id
from tests.growth.seed import FARM, farm


def test_a_specification_is_stored_once_and_found_by_its_prefix(tmp_path: Path) -> None:
    store = SpecStore(tmp_path / "specs", tmp_path)
    graph = read_document(f"{FARM}desires: [{{goal: Sell eggs, outputs: [invoices]}}]\n")
    id_ = store.save(graph, SpecRecord(("sell_eggs",), "sg-0"))
    assert store.save(graph) == id_ == spec_id(graph)
    stored = store.load(id_[:5])
    assert stored.graph.spec_hash == graph.spec_hash
    assert stored.desires == [UserDesire(goal="Sell eggs", outputs=("invoices",))]
    assert (stored.clarifications, stored.base) == ([], "sg-0")
    write_spec(farm(('"Triage"', '"Home"')), tmp_path)
    assert store.load("HEAD").id != id_


def test_unknown_and_changed_specifications_are_refused(tmp_path: Path) -> None:
    store = SpecStore(tmp_path / "specs", tmp_path)
    id_ = store.save(farm())
    other = store.save(farm(('"Triage"', '"Home"')))
    for reference in ("", "sg-zzz"):
        with pytest.raises(UnknownSpec):
            store.load(reference)
    with pytest.raises(UsageError, match="ambiguous specification 'sg-'"):
        store.load("sg-")
    file = store.folder / id_ / "spec" / "nodes" / "panel" / "brief.json"
    file.write_text(file.read_text().replace("Brief", "Briefs"))
    with pytest.raises(InvalidSpec, match="was changed"):
        store.load(id_)
    assert store.load(other)
