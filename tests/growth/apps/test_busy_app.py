"""People who write at the same moment: writers wait in turn."""

import json
import subprocess
import sys
from pathlib import Path

from tests.growth.apps.small_app import write_small_app

OTHERS = 5
WRITE_TOGETHER = f"""
import json, pathlib, sqlite3, threading, time
from app.store import Store

store, opened, written, connect = Store(pathlib.Path("state")), [], [], sqlite3.connect
sqlite3.connect = lambda *a, **b: opened.append(1) or connect(*a, **b)

def write():
    with store.writing():
        written.append(1)

others = [threading.Thread(target=write) for _ in range({OTHERS})]
with store.writing():
    for one in others: one.start()
    time.sleep(0.2)
    meanwhile = len(opened), len(written)
for one in others: one.join()
print(json.dumps([*meanwhile, len(opened), len(written)]))
"""


def test_writers_wait_for_their_turn_and_not_inside_of_sqlite(tmp_path: Path) -> None:
    tree = write_small_app(tmp_path / "app")
    command = [sys.executable, "-c", WRITE_TOGETHER]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [1, 0, 1 + OTHERS, OTHERS]
