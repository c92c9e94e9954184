from pathlib import Path

import pytest

from attractor.base.errors import FileTrouble, ProcessNotStarted
from tests.base.running import run


def test_a_relative_program_is_sought_in_its_folder(tmp_path: Path):
    program = tmp_path / "greet"
    program.write_text("#!/bin/sh\necho hello\n")
    program.chmod(0o755)
    assert run("./greet", cwd=tmp_path).stdout == "hello\n"


def test_a_program_that_is_nowhere_is_told(tmp_path: Path):
    with pytest.raises(ProcessNotStarted, match="no-such-program was not started") as caught:
        run("no-such-program")
    assert "PATH" in caught.value.hint
    assert isinstance(caught.value.cause, FileNotFoundError)
    with pytest.raises(ProcessNotStarted) as caught:
        run("./missing", cwd=tmp_path)
    assert caught.value.hint == f"there is no file {tmp_path}/missing"


def test_a_missing_folder_is_told_apart_from_a_missing_program(tmp_path: Path):
    with pytest.raises(ProcessNotStarted, match=f"not started in {tmp_path}/gone: No such") as no:
        run("true", cwd=tmp_path / "gone")
    assert "folder" in no.value.hint
    (tmp_path / "file").touch()
    with pytest.raises(ProcessNotStarted, match="file: Not a directory"):
        run("true", cwd=str(tmp_path / "file"))


@pytest.mark.parametrize(
    ("text", "mode", "hint"),
    [
        ("#!/bin/sh\n", 0o644, "chmod +x"),
        ("#!/no/such/interpreter\n", 0o755, "interpreter"),
        ("no first line that names one\n", 0o755, "#! line"),
    ],
)
def test_a_file_that_cannot_be_executed_is_told(tmp_path: Path, text: str, mode: int, hint: str):
    program = tmp_path / "program"
    program.write_text(text)
    program.chmod(mode)
    with pytest.raises(ProcessNotStarted) as caught:
        run(str(program))
    assert hint in caught.value.hint


def test_other_reasons_not_to_start_are_told(tmp_path: Path):
    with pytest.raises(ProcessNotStarted) as caught:
        run(str(tmp_path))
    assert caught.value.hint == "it is a folder"
    with pytest.raises(ProcessNotStarted) as caught:
        run("true", "x" * 10_000_000)
    assert "stdin" in caught.value.hint
    with pytest.raises(ProcessNotStarted, match="null byte"):
        run("echo", "a\0b")
    with pytest.raises(ProcessNotStarted, match="no program is named"):
        run()


def test_it_reads_a_file_and_writes_another_byte_for_byte(tmp_path: Path):
    given, taken = tmp_path / "given", tmp_path / "taken"
    given.write_bytes(bytes(range(256)) * 4096)
    result = run("cat", stdin=given, output=taken)
    assert taken.read_bytes() == given.read_bytes()
    assert (result.stdout, result.stderr, result.exit_code) == ("", "", 0)
    assert run("sh", "-c", "wc -c; echo odd >&2", stdin=taken).stdout == f"{256 * 4096}\n"
    assert run("sh", "-c", "echo odd >&2", output=taken).stderr == "odd\n"
    assert taken.read_bytes() == b""


def test_a_file_that_cannot_be_opened_is_told_and_nothing_is_started(tmp_path: Path):
    with pytest.raises(FileTrouble, match=f"cannot read {tmp_path}/none: No such file"):
        run("touch", str(tmp_path / "made"), stdin=tmp_path / "none")
    with pytest.raises(FileTrouble, match=f"cannot write {tmp_path}/no/where: No such file"):
        run("touch", str(tmp_path / "made"), output=tmp_path / "no" / "where")
    assert not (tmp_path / "made").exists()
