"""Run bodies of the lending example in an app, beside a service that fails."""

import json
import subprocess
import sys
from pathlib import Path

from tests.examples import ROOT
from tests.growth.apps.lending import write_lending
from tests.tables import table

REMIND = ROOT / "pipelines/growth/lending/bodies/steps/remind.py"
RUN = """
import json, sys
from datetime import UTC, datetime
from app.contract import Context, ServiceError
from app.steps.remind import run

sent, bad = [], sys.argv[1:]

def send(adapter, operation, given):
    if given["to"][0] in bad:
        raise ServiceError("refused")
    sent.extend(given["to"])

context = Context(datetime(2026, 11, 26, tzinfo=UTC), 0, service=send)
names = ("ann", "bob", "eve")
loans = [{"due": "2026-11-27", "neighbour": name, "tool": "Saw"} for name in names]
run({"loan": loans, "neighbour": [{"name": one, "mail": one} for one in names]}, context)
print(json.dumps([sent, context.notes]))
"""


@table(
    ("bad", "sent", "note"),
    [
        ([], ["ann", "bob", "eve"], "3 reminded."),
        (["bob"], ["ann", "eve"], "2 reminded, 1 could not be reached."),
        (["ann", "bob", "eve"], [], "0 reminded, 3 could not be reached."),
    ],
)
def test_bad_address_stops_no_other_reminder(
    bad: list[str], sent: list[str], note: str, tmp_path: Path
) -> None:
    tree = write_lending(tmp_path / "tree")
    (tree / "app" / "steps" / "remind.py").write_text(REMIND.read_text())
    words = [sys.executable, "-c", RUN, *bad]
    done = subprocess.run(words, cwd=tree, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [sent, [note]]
