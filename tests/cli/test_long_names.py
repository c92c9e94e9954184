"""A name that is too long for a file is shortened or refused."""

from pathlib import Path

import pytest

from tests.cli.plain_desk import PlainDesk

LONG = "n" * 5000
PIPELINE = f"""digraph {LONG} {{
    start [shape=Mdiamond]; exit [shape=Msquare]
    {LONG}a [shape=parallelogram, tool_command="echo done"]
    fan [shape=component]; meet [shape=tripleoctagon]
    {LONG}b [shape=parallelogram, tool_command="true"]
    {LONG}c [type=pipeline, file="inner.dot"]
    start -> {LONG}a -> fan; fan -> {LONG}b -> meet; fan -> {LONG}c -> meet -> exit }}
"""
INNER = f"""digraph {LONG} {{
    start [shape=Mdiamond]; exit [shape=Msquare]
    {LONG}d [shape=parallelogram, tool_command="true"]
    start -> {LONG}d -> exit }}
"""


@pytest.fixture
def desk(tmp_path: Path) -> PlainDesk:
    desk = PlainDesk(tmp_path)
    desk.write(PIPELINE)
    (desk.folder / "inner.dot").write_text(INNER)
    return desk


def test_a_pipeline_and_its_nodes_may_have_names_of_any_length(desk: PlainDesk) -> None:
    done = desk.do(*desk.to_run())
    assert done.returncode == 0, done.stderr[-500:]
    [root] = [one.parent for one in desk.folder.glob("runs/*/manifest.json")]
    names = [one.name for one in root.rglob("*")]
    assert max(map(len, names)) < 120
    printed = sorted(one.read_text() for one in root.glob("nnn*~*/stdout.txt"))
    assert printed == ["", "done\n"]
    for words in [("status",), ("logs", "latest"), ("diagnose", "latest")]:
        assert desk.do(*words).returncode == 0
    again = desk.do("fork", "latest", f"{LONG}a", "--no-evaluate")
    assert again.returncode == 0, again.stderr[-500:]


@pytest.mark.parametrize(
    "words",
    [
        ("run", f"{LONG}.dot"),
        ("run", "pipeline.dot", "--run-dir", LONG),
        ("render", f"{LONG}.dot"),
        ("render", "pipeline.dot", "-o", f"{LONG}.svg"),
        ("test", f"{LONG}.toml"),
        ("status", LONG),
        ("suite", "register", LONG),
    ],
    ids=lambda words: " ".join(words).replace(LONG, "LONG"),
)
def test_too_long_typed_name_exits_with_2(desk: PlainDesk, words: tuple[str, ...]) -> None:
    result = desk.do(*words)
    assert result.returncode == 2, result.stderr[-300:]
    assert "error: " in result.stderr
    assert "the machine refused" not in result.stderr
    assert not list(desk.folder.glob("runs/*"))
