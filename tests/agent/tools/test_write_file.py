from pathlib import Path

from attractor.agent.tools.write_file import part
from tests.agent.places import finish, local


def test_a_file_and_its_folders_are_written(tmp_path: Path) -> None:
    arguments = {"file_path": "a/b/c.txt", "content": "grün\n"}
    assert finish(part.execute(arguments, local(tmp_path))) == "Wrote 6 bytes to a/b/c.txt"
    assert (tmp_path / "a/b/c.txt").read_bytes() == "grün\n".encode()


def test_existing_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a long old text")
    finish(part.execute({"file_path": "a", "content": ""}, local(tmp_path)))
    assert (tmp_path / "a").read_text() == ""
