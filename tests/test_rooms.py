"""Each room has a short README whose paths exist, and an area of tests."""

import re
import subprocess
import sys

from tests import areas
from tests.layers import read_table
from tests.tables import table

ROOT = areas.ROOT
ROOMS = [room for room in read_table() if (ROOT / "attractor" / room).is_dir()]
LONGEST = 46
HEADINGS = ["Promises", "Add one more", "Not here", "Traps", "Look first", "Tests"]
PATH = re.compile(r"`([\w.-]*/[\w./-]*|[\w.-]+\.(?:py|md|toml|txt|lark|dot))`")


@table("room", ROOMS)
def test_room_has_a_short_readme_whose_paths_exist(room: str) -> None:
    folder = ROOT / "attractor" / room
    text = (folder / "README.md").read_text("utf-8")
    assert text.count("\n") <= LONGEST
    assert text.startswith(f"# {room}\n")
    assert re.findall(r"^## (.+)$", text, re.M) == HEADINGS
    assert f"`make test AREA={room}`" in text
    missing = [
        path
        for path in PATH.findall(text)
        if not (folder / path).exists() and not (ROOT / path).exists()
    ]
    assert missing == []


def test_every_chapter_of_the_specification_belongs_to_an_area() -> None:
    assert areas.known_areas() == sorted(ROOMS)
    named = {room: areas.chapters(room) for room in ROOMS}
    assert [(room, one) for room in ROOMS for one, found in named[room].items() if not found] == []
    there = {file for found in named.values() for files in found.values() for file in files}
    assert there == set((ROOT / "tests" / "spec").glob("test_*.py"))


def ask(area: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.areas", area]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_area_has_the_tests_of_its_room_and_an_unknown_one_is_refused() -> None:
    paths = ask("engine").stdout.split()
    assert "tests/engine" in paths
    assert "tests/spec/test_R3_retries.py" in paths
    assert "tests/spec/test_G8_morphs.py" not in paths
    refused = ask("motor")
    assert refused.returncode == 1
    assert "unknown area 'motor'; known areas: agent, " in refused.stderr
