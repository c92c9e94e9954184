from pathlib import Path

import pytest

from attractor.agent.tools.list_dir import MOST_ENTRIES, part
from attractor.environments.errors import FileMissing
from attractor.environments.memory import MemoryExecutionEnvironment
from tests.agent.places import finish, local, write


def test_folder_is_listed_to_its_depth(tmp_path: Path) -> None:
    (tmp_path / "src" / "deep").mkdir(parents=True)
    write(tmp_path, readme__md="hello")
    write(tmp_path / "src", a__py="")
    write(tmp_path / "src" / "deep", b__py="x")
    place = local(tmp_path)
    assert finish(part.execute({}, place)) == "readme.md (5 bytes)\nsrc/"
    assert finish(part.execute({"path": "src", "depth": 2}, place)) == (
        "a.py (0 bytes)\ndeep/\ndeep/b.py (1 bytes)"
    )


def test_content_of_a_repository_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "lib" / ".git" / "refs").mkdir(parents=True)
    write(tmp_path, __gitignore="")
    shown = finish(part.execute({"depth": 5}, local(tmp_path)))
    assert shown == ".gitignore (0 bytes)\nlib/\nlib/.git/"


def test_empty_and_missing_folders_are_reported(tmp_path: Path) -> None:
    assert finish(part.execute({}, local(tmp_path))) == "[. is empty]"
    with pytest.raises(FileMissing):
        finish(part.execute({"path": "gone"}, local(tmp_path)))


def test_number_of_entries_is_limited() -> None:
    place = MemoryExecutionEnvironment({f"{n:05}": "" for n in range(MOST_ENTRIES + 3)})
    lines = finish(part.execute({}, place)).splitlines()
    assert len(lines) == MOST_ENTRIES + 1
    assert lines[-1].startswith("[3 more entries; ")
