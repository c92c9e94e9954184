from pathlib import Path

from attractor.agent.tools.read_many_files import MOST_CHARS, MOST_FILES, part
from attractor.environments.memory import MemoryExecutionEnvironment
from tests.agent.places import finish, local, write


def read(files: dict[str, str], *paths: str) -> str:
    return finish(part.execute({"paths": [*paths]}, MemoryExecutionEnvironment(files)))


def test_paths_and_patterns_are_read_once_each() -> None:
    files = {"b.py": "b\n", "a.py": "a\n", "notes.txt": "n\n"}
    assert read(files, "notes.txt", "*.py", "a.py") == (
        "--- notes.txt ---\n1 | n\n\n--- a.py ---\n1 | a\n\n--- b.py ---\n1 | b"
    )


def test_files_that_cannot_be_read_are_named_with_the_reason(tmp_path: Path) -> None:
    write(tmp_path, a__txt="a")
    (tmp_path / "b.bin").write_bytes(b"\0")
    (tmp_path / "c.png").write_bytes(b"\x89PNG\r\n\x1a\n\0")
    shown = finish(part.execute({"paths": ["*", "gone", "*.rs"]}, local(tmp_path)))
    read, _, left_out = shown.partition("\n\n")
    assert read == "--- a.txt ---\n1 | a"
    assert left_out.splitlines() == [
        "[Left out:",
        "- *.rs: no files match",
        "- b.bin: b.bin is a binary file",
        "- c.png: an image; use read_file",
        "- gone: cannot read gone: No such file or directory",
        "]",
    ]


def test_files_beyond_the_limits_are_named() -> None:
    large = {"a": "x" * (MOST_CHARS // 2), "b": "y" * MOST_CHARS, "c": "z"}
    shown = read(large, "*")
    assert "--- a ---" in shown
    assert "--- c ---" in shown
    assert "- b: does not fit; use read_file" in shown
    many = {f"{n:03}": "" for n in range(MOST_FILES + 2)}
    assert f"- 2 more files, from {MOST_FILES:03} to {MOST_FILES + 1:03}" in read(many, "*")
