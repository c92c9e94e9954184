from pathlib import Path

from attractor.agent.tools.grep import part
from attractor.base.json import Json
from tests.agent.places import finish, local, write


def grep(folder: Path, pattern: str, **more: Json) -> list[str]:
    return finish(part.execute({"pattern": pattern, **more}, local(folder))).splitlines()


def test_lines_are_found_with_their_places(tmp_path: Path) -> None:
    write(tmp_path, a__py="x = 1\ny = 1\n", b__txt="X = 2\n")
    assert grep(tmp_path, "x = .") == ["a.py:1:x = 1"]
    assert grep(tmp_path, "x = .", case_insensitive=True) == ["a.py:1:x = 1", "b.txt:1:X = 2"]
    assert grep(tmp_path, "=", glob_filter="*.py", max_results=1) == ["a.py:1:x = 1"]
    assert grep(tmp_path, "=", path="b.txt") == ["b.txt:1:X = 2"]


def test_empty_result_is_reported(tmp_path: Path) -> None:
    assert grep(tmp_path, "x") == ["No matches"]


def test_files_or_counts_are_returned_instead_of_lines(tmp_path: Path) -> None:
    write(tmp_path, a__py="x = 1\ny = 1\n", b__txt="X = 2\n", c="")
    assert grep(tmp_path, "=", output_mode="content", path="b.txt") == ["b.txt:1:X = 2"]
    assert grep(tmp_path, "=", output_mode="files_with_matches") == ["a.py", "b.txt"]
    assert grep(tmp_path, "=", output_mode="count") == ["a.py:2", "b.txt:1"]
    assert grep(tmp_path, "=", output_mode="count", max_results=1) == ["a.py:2"]
