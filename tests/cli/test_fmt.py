"""`attractor fmt`, used by people and by programs."""

import codecs
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import ATTRACTOR, NO_HOME, attractor

UGLY = "digraph G{start[shape=Mdiamond];// begin\nexit[shape=Msquare];start->exit}"
NEAT = """digraph G {
    start [shape=Mdiamond]  // begin
    exit [shape=Msquare]
    start -> exit
}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ugly.dot").write_text(UGLY)
    (tmp_path / "neat.dot").write_text(NEAT)
    return tmp_path


def test_files_are_formatted(folder: Path) -> None:
    before = (folder / "neat.dot").stat()
    result = attractor("fmt", "ugly.dot", "neat.dot", folder=folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "changed: ugly.dot\n1 file changed, 1 unchanged\n"
    assert (folder / "ugly.dot").read_text() == NEAT
    after = (folder / "neat.dot").stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)


@pytest.mark.skipif(sys.platform == "darwin", reason="names are Unicode there")
def test_links_permissions_and_names_are_kept(folder: Path) -> None:
    (folder / "link.dot").symlink_to("ugly.dot")
    (folder / "ugly.dot").chmod(0o640)
    assert attractor("fmt", "link.dot", folder=folder).returncode == 0
    assert (folder / "link.dot").is_symlink()
    assert (folder / "ugly.dot").read_text() == NEAT
    assert (folder / "ugly.dot").stat().st_mode & 0o777 == 0o640
    (folder / "caf\udce9.dot").write_text(UGLY)
    result = attractor("fmt", ".", folder=folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert "changed: caf\ufffd.dot" in result.stdout
    assert attractor("validate", ".", "--json", folder=folder).returncode == 0


def test_check_lists_and_changes_nothing(folder: Path) -> None:
    result = attractor("fmt", "--check", "ugly.dot", "neat.dot", folder=folder)
    assert result.returncode == 1
    assert result.stdout == "would change: ugly.dot\n1 file would change, 1 unchanged\n"
    assert (folder / "ugly.dot").read_text() == UGLY
    assert attractor("fmt", "--check", "neat.dot", folder=folder).returncode == 0


def test_diff_shows_a_patch_that_git_can_apply(folder: Path) -> None:
    result = attractor("fmt", "--diff", "ugly.dot", "neat.dot", folder=folder)
    assert result.returncode == 0
    assert attractor("fmt", "--diff", "--check", "ugly.dot", folder=folder).returncode == 1
    assert (folder / "ugly.dot").read_text() == UGLY
    apply = ["git", "apply", "-p0", "-"]
    subprocess.run(apply, input=result.stdout, text=True, cwd=folder, check=True)
    assert (folder / "ugly.dot").read_text() == NEAT


def test_standard_input_goes_to_standard_output() -> None:
    result = subprocess.run(
        [ATTRACTOR, "fmt", "-"],
        input=UGLY.replace("begin", "été").encode(),
        env={"PATH": os.environ["PATH"], "HOME": str(NO_HOME), "LANG": "C"},
        capture_output=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout == NEAT.replace("begin", "été").encode()


def test_standard_input_is_formatted_or_checked() -> None:
    assert attractor("fmt", "-", "--check", typed=UGLY).returncode == 1
    result = attractor("fmt", "-", "--check", typed=NEAT)
    assert (result.returncode, result.stdout) == (0, "0 files would change, 1 unchanged\n")
    result = attractor("fmt", "-", typed="digraph G { a -- b }")
    assert (result.returncode, result.stdout) == (2, "")
    assert "<stdin>:1:15: error[syntax]" in result.stderr


def test_one_invalid_file_prevents_all_writes(folder: Path) -> None:
    (folder / "broken.dot").write_text("digraph G { a -- b\n c = }")
    (folder / "other.dot").write_text("digraph G { a -- b }")
    result = attractor("fmt", "ugly.dot", "broken.dot", "none.dot", "other.dot", folder=folder)
    assert (result.returncode, result.stdout) == (2, "")
    places = [line for line in result.stderr.splitlines() if ": error[" in line]
    assert [place.split(": error")[0] for place in places] == [
        "broken.dot:1:15",
        "broken.dot:2:2",
        "other.dot:1:15",
        "none.dot",
    ]
    assert result.stderr.endswith("4 errors in 3 files; no file was written\n")
    assert (folder / "ugly.dot").read_text() == UGLY


def test_json_output_is_complete(folder: Path) -> None:
    record = json.loads(attractor("fmt", ".", "--check", "--json", folder=folder).stdout)
    assert record == {
        "files": [{"file": "neat.dot", "changed": False}, {"file": "ugly.dot", "changed": True}],
        "summary": {"files": 2, "changed": 1, "unchanged": 1},
    }
    (folder / "broken.dot").write_text("digraph G { a -- b }")
    result = attractor("fmt", ".", "--json", folder=folder)
    assert result.returncode == 2
    assert json.loads(result.stdout)["diagnostics"][0]["rule"] == "syntax"


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_byte_order_mark_and_the_line_ends_stay(folder: Path, mark: bytes, end: bytes) -> None:
    ugly, neat = (mark + text.encode().replace(b"\n", end) for text in (UGLY, NEAT))
    file = folder / "ugly.dot"
    file.write_bytes(ugly)
    patch = attractor("fmt", "--diff", "ugly.dot", folder=folder).stdout.encode()
    apply = ["git", "apply", "-p0", "--whitespace=nowarn", "-"]
    subprocess.run(apply, input=patch, cwd=folder, check=True)
    assert file.read_bytes() == neat
    file.write_bytes(ugly)
    result = attractor("fmt", "ugly.dot", folder=folder)
    assert result.stdout == "changed: ugly.dot\n1 file changed, 0 unchanged\n"
    assert file.read_bytes() == neat
    assert attractor("fmt", "--check", "ugly.dot", folder=folder).returncode == 0
    assert attractor("fmt", "-", typed=ugly.decode()).stdout.encode() == neat


def test_mixed_line_endings_are_reported(folder: Path) -> None:
    mixed = NEAT.replace("\n", "\r\n", 1)
    (folder / "ugly.dot").write_bytes(mixed.encode())
    output = attractor("fmt", "--check", "ugly.dot", folder=folder).stdout
    assert output.startswith("would change: ugly.dot (mixed line endings become LF)\n")
    record = json.loads(attractor("fmt", "--check", "--json", "ugly.dot", folder=folder).stdout)
    assert record["files"][0]["remark"] == "mixed line endings become LF"
    result = attractor("fmt", "-", typed=mixed)
    assert (result.stdout, result.stderr) == (NEAT, "<stdin>: mixed line endings become LF\n")
    assert attractor("fmt", "ugly.dot", folder=folder).stdout.startswith("changed: ugly.dot (mixed")
    assert (folder / "ugly.dot").read_bytes() == NEAT.encode()
