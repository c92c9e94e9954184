"""`attractor comment`: remarks from inside and outside of a dimension, sent to its actor."""

import json
from pathlib import Path

import pytest

from tests.cli.running import run_here
from tests.patience import wait_until
from tests.worlds.desks import PlacedDesk, desk

__all__ = ["desk"]


@pytest.fixture
def folder(desk: PlacedDesk) -> Path:
    """The folder of a dimension with the files `a.py` and `src/b.py`."""
    made = desk.do("dimension", "add", "try", "--kind", "directory", "--json")
    assert made.returncode == 0, made.stderr
    folder = Path(json.loads(made.stdout)["folder"])
    (folder / "src").mkdir()
    (folder / "a.py").write_text("a = 1\nb = 2\n")
    (folder / "src" / "b.py").write_text("c = 3\n")
    return folder


def test_remarks_are_written_listed_removed_and_sent(desk: PlacedDesk, folder: Path) -> None:
    def there(*words: str) -> str:
        done = run_here(("comment", *words), folder=folder / "src", variables=desk.environ)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "on src/b.py:1\n" in there("b.py:1", "use", "a constant")
    assert "on a.py:2\n" in there("../a.py:2", "why\x1b[31m?")
    one = json.loads(desk.do("comment", "--in", "try", "a.py:1", "gone", "--json").stdout)
    assert (one["file"], one["quoted"], one["stale"]) == ("a.py", "a = 1", False)
    assert there("--remove", one["id"]) == f"remark {one['id']} on a.py:1 removed\n"
    (folder / "a.py").write_text("a = 1\nb = 4\n")
    listed = there()
    assert [line.split()[1:3] for line in listed.splitlines()[1:]] == [
        ["a.py:2", "stale"],
        ["src/b.py:1", "use"],
    ]
    assert "\x1b" not in listed
    assert desk.do("comment", "--in", "try", "--send").returncode == 4
    spawned = ("--with", "simulate", "--sandbox", "none", "--in", "try", "--name", "one")
    assert desk.do("actor", "spawn", "begin", *spawned).returncode == 0
    assert there("--send").startswith("taken: 2 remarks to one, message ")
    assert there() == "There are no remarks.\n"

    def texts() -> list[str]:
        messages = json.loads(desk.do("message", "list", "one", "--json").stdout)
        return [each["message"]["text"] for each in messages if each["status"] == "answered"]

    wait_until(lambda: len(texts()) == 2)
    assert "a.py:2 (stale: this line has changed since)\n> b = 2\n\nwhy" in texts()[1]


def test_mistakes_name_their_remedy(desk: PlacedDesk, folder: Path) -> None:
    for words, remedy in (
        (["a.py:1", "why?"], "name one: --in DIMENSION"),
        (["--in", "try", "a.py", "why?"], "write FILE:LINE"),
        (["--in", "try", "a.py:3", "why?"], "its lines: 2"),
        (["--in", "try", "missing.py:1", "why?"], "name a text file in"),
        (["--in", "try", "a.py:1"], "write it: attractor comment FILE:LINE TEXT"),
        (["--in", "try", "a.py:1", "why?", "--send"], "name one"),
        (["--in", "try", "--send"], "spawn one"),
        (["--in", "try", "--remove", "00"], "unknown remark"),
    ):
        refused = desk.do("comment", *words)
        assert refused.returncode in (2, 4), words
        assert remedy in refused.stderr
    assert desk.do("comment", "--in", "try").stdout == "There are no remarks.\n"
