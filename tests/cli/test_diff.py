"""`attractor diff`, used by people and by programs."""

import json
from pathlib import Path

import pytest

from attractor.base.errors import ExitCode
from tests.cli.running import attractor
from tests.needs import needs_graphviz
from tests.tables import table

A = 'digraph G { start [shape=Mdiamond]; exit [shape=Msquare]; a [prompt="x"]; start -> a -> exit }'
B = A.replace('"x"', '"y"')


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    (tmp_path / "a.dot").write_text(A)
    (tmp_path / "b.dot").write_text(B)
    return str(tmp_path / "a.dot"), str(tmp_path / "b.dot")


def test_differences_are_printed(files: tuple[str, str], tmp_path: Path) -> None:
    result = attractor("diff", *files)
    assert (result.returncode, result.stdout) == (0, 'nodes\n  ~ a\n      ~ prompt: "x" -> "y"\n')
    result = attractor("diff", files[0], files[0], "--exit-code")
    assert (result.returncode, result.stdout) == (0, "no change in meaning\n")
    assert attractor("diff", *files, "-o", "-", folder=tmp_path).stdout.startswith("nodes\n")
    assert attractor("diff", *files, "--exit-code").returncode == ExitCode.FAILED
    record = json.loads(attractor("diff", *files, "--json").stdout)
    assert record["nodes"]["changed"][0]["id"] == "a"
    out = tmp_path / "out.svg"
    assert attractor("diff", *files, "--format", "svg", "-o", str(out)).returncode == 0
    assert "~ a" in out.read_text()


def test_different_spelling_is_no_change_in_meaning(files: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "a.dot").write_text(
        'digraph G { start; exit; a [script="x", timeout=60s]; start -> a -> exit;\n'
        'a -> start [condition="outcome=failed"] }'
    )
    (tmp_path / "b.dot").write_text(
        'digraph "G" { start; exit; a [timeout="1m", tool_command=x, shape=box]; start -> a;\n'
        'a -> exit [weight=0]; a -> start [condition="outcome = fail"] }'
    )
    result = attractor("diff", *files, "--exit-code")
    assert (result.returncode, result.stdout) == (0, "no change in meaning\n")
    assert json.loads(attractor("diff", *files, "--json").stdout)["same"] is True


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("out.svg", b"<svg"),
        pytest.param("out.PNG", b"\x89PNG", marks=needs_graphviz),
        pytest.param("out.pdf", b"%PDF", marks=needs_graphviz),
        ("out.gv", b"digraph"),
        ("out.mmd", b"---"),
        ("out.json", b"{"),
        ("out.txt", b"nodes\n  ~ a\n"),
        ("out", b"nodes\n  ~ a\n"),
    ],
)
def test_file_extension_selects_the_format(
    files: tuple[str, str], tmp_path: Path, name: str, start: bytes
) -> None:
    result = attractor("diff", *files, "-o", str(tmp_path / name))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert (tmp_path / name).read_bytes().startswith(start)


def test_json_and_an_output_file_write_the_file_and_print_one_value(
    files: tuple[str, str], tmp_path: Path
) -> None:
    result = attractor("diff", *files, "--json", "-o", str(tmp_path / "out.svg"))
    assert json.loads(result.stdout) == json.loads(attractor("diff", *files, "--json").stdout)
    assert (tmp_path / "out.svg").read_bytes().startswith(b"<svg")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--format", "svg", "-o", "x.png"], "x.png has the extension .png, but the format is svg"),
        (["--json", "-o", "x.jpeg"], "unknown file extension .jpeg"),
        (["--json", "--format", "svg"], "--json cannot be combined with --format svg"),
        (["-o", "x.jpeg"], "unknown file extension .jpeg"),
        (["-o", "a.dot"], "would overwrite a.dot"),
    ],
)
def test_contradicting_options_are_refused(
    files: tuple[str, str], tmp_path: Path, words: list[str], said: str
) -> None:
    result = attractor("diff", *files, *words, folder=tmp_path)
    assert result.returncode == ExitCode.USAGE
    assert said in result.stdout + result.stderr
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.dot", "b.dot"]
    assert (tmp_path / "a.dot").read_text() == A


@pytest.mark.parametrize(("place", "sign"), [(0, '"y" -> "x"'), (1, '"x" -> "y"')])
def test_one_pipeline_is_read_from_standard_input(
    files: tuple[str, str], place: int, sign: str
) -> None:
    words = [files[0], files[0]]
    words[place] = "-"
    result = attractor("diff", *words, typed=B)
    assert result.returncode == 0
    assert f"prompt: {sign}" in result.stdout
    both = attractor("diff", "-", "-")
    assert (both.returncode, both.stdout) == (2, "")
    assert "only one of the pipelines can be standard input" in both.stderr


@table("arguments", [["a.dot"], ["a", "b", "c"], ["--git-driver", "a", "b"]])
def test_wrong_number_of_files_is_refused(arguments: list[str]) -> None:
    assert attractor("diff", *arguments).returncode == ExitCode.USAGE
