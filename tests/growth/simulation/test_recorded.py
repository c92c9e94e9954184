"""A recording of the running app is imported without personal data and secrets."""

import json
from datetime import UTC, datetime
from pathlib import Path

from attractor.engine.storage.secrets import Redactor
from attractor.growth.simulation.recorded import KEPT, take_over
from attractor.growth.simulation.traffic import fits, read_recordings
from attractor.growth.specification.document import read_document
from tests.growth.seed import FARM, farm

OWN = FARM.replace('"buyer", "sku"', '{name: buyer, key: true, pii: true}, "sku"', 1)
STATE = '{"buyer":"Ann Example","id":"Ann Example","sku":"kale"}\n'
BLOCKS = '{"crop":"Ann Example","id":"b1"}\n'
EXCHANGES = [
    ("POST", "/data/contract", {"buyer": "Bo Example", "sku": "a-key", "id": "Bo Example"}),
    ("PUT", "/data/contract/Ann Example?for=Ann Example", {"buyer": "Ann Example"}),
    ("GET", "/data/contract/Cy Example", None),
    ("POST", "/run/contract_allocation", "Ann Example"),
    ("HEAD", "/", None),
]


def record_app(folder: Path) -> Path:
    """Write a recording as an app does: state, clock, requests, and an incomplete last line."""
    (folder / "state").mkdir(parents=True)
    (folder / "recording.json").write_text('{"clock":"2026-03-02T06:00:00Z","seed":7}')
    (folder / "state" / "contract.jsonl").write_text(STATE)
    (folder / "state" / "block.jsonl").write_text(BLOCKS)
    written = [
        {"request": {"method": method, "path": path} | ({"body": body} if body else {})}
        | {"response": {"status": 200, "body": "<p>Ann Example"}}
        for method, path, body in EXCHANGES
    ]
    lines = "".join(f"{json.dumps(one)}\n" for one in written)
    (folder / "traffic.jsonl").write_text(f'{lines}{{"request": {{"body": "Ann Ex')
    return folder


def test_values_of_persons_and_secrets_stay_with_the_app(tmp_path: Path) -> None:
    graph, recordings = read_document(OWN), tmp_path / "recordings"
    for second in range(KEPT + 1):
        raw = record_app(tmp_path / "raw")
        now = datetime(2026, 1, 1, second=second, tzinfo=UTC)
        assert take_over(raw, recordings, graph, now=now, redact=Redactor(["a-key"]).text)
        assert not raw.exists()
    found = read_recordings(recordings)
    assert [one.name[-2:] for one in found] == ["01", "02", "03"]
    texts = [one.read_text() for one in recordings.rglob("*") if one.is_file()]
    assert not any("Example" in one or "a-key" in one for one in texts)
    assert (recordings / found[0].name).stat().st_mode & 0o077 == 0
    ann, bo = "person-0001", "person-0002"
    assert found[0].state["contract"][0] == {"buyer": ann, "id": ann, "sku": "kale"}
    # Equal values stay equal, so that a step still finds the record.
    assert found[0].state["block"][0] == {"crop": ann, "id": "b1"}
    requests = [(one.method, one.path, one.body) for one in found[0].requests]
    assert requests == [
        ("POST", "/data/contract", {"buyer": bo, "id": bo, "sku": "***"}),
        ("PUT", f"/data/contract/{ann}", {"buyer": ann}),
        ("GET", "/data/contract/unknown", None),
        ("POST", "/run/contract_allocation", None),
    ]
    assert fits(found[0], graph)
    dropped = read_document(OWN.replace('["crop", "cultivar"', '["cultivar"'))
    assert not fits(found[0], dropped)


def test_link_in_place_of_a_recording_is_not_followed(tmp_path: Path) -> None:
    record_app(tmp_path / "of-another")
    (tmp_path / "raw").symlink_to(tmp_path / "of-another")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert take_over(tmp_path / "raw", tmp_path / "all", farm(), now=now, redact=str) == ""
