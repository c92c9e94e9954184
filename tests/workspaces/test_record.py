from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.base.errors import ExitCode
from attractor.engine.interfaces import Base
from attractor.workspaces.errors import RecordBroken
from attractor.workspaces.record import Record, read_record, write_record
from attractor.workspaces.stores import open_store

RECORD = Record(Path("/some/where"), Base("c", "t", "u"), ("/runs/",), ("*.log",), "sha1")
_WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


@given(patterns=st.lists(_WORDS), word=_WORDS)
def test_a_record_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, patterns: list[str], word: str
) -> None:
    record = Record(
        Path("/") / word.replace("\0", ""),
        Base(word, word, word),
        tuple(patterns),
        (word,),
        "sha256",
    )
    write_record(tmp_path_factory.getbasetemp(), record)
    assert read_record(tmp_path_factory.getbasetemp()) == record


@pytest.mark.parametrize("text", ["", "{}", '{"format":2}', "[1", "\xff"])
def test_a_broken_record_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "workspace.json").write_text(text, "latin-1")
    with pytest.raises(RecordBroken, match=r"workspace\.json") as broken:
        read_record(tmp_path)
    assert broken.value.exit_code == ExitCode.BROKEN


def test_a_run_without_a_workspace_is_told(tmp_path: Path) -> None:
    assert read_record(tmp_path) is None
    with pytest.raises(RecordBroken, match="run 1 has no workspace"):
        open_store(tmp_path, "1", search_path="")
