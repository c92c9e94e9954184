"""Words and options of other tools lead to the command that is meant."""

import json
import subprocess
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from attractor.base.errors import UsageError
from attractor.cli.invocation import Invocation, build_root
from attractor.cli.main import describe_failure
from attractor.cli.synonyms import COMMANDS
from tests.cli.running import ATTRACTOR, attractor

TWENTY = (
    "list ls show watch web ui stop approve reject start lint explain config replay graph version "
    "ps open tail kill check format clean retry merge"
)


def hint_of(*words: str) -> str:
    with pytest.raises((click.ClickException, UsageError)) as caught:
        CliRunner().invoke(
            build_root(), words, obj=Invocation(), catch_exceptions=False, standalone_mode=False
        )
    return describe_failure(caught.value).hint


def test_each_word_of_another_tool_leads_to_a_command_that_exists() -> None:
    root = build_root()
    assert set(TWENTY.split()) <= COMMANDS.keys()
    for word, meant in COMMANDS.items():
        assert root.get_command(click.Context(root), word) is None
        assert hint_of(*word.split()) == f"did you mean {meant}?"
        for command in (one for one in meant.split(", ") if "attractor " in one):
            name = command.split("attractor ")[1].split()[0]
            is_option = name.startswith("--")
            assert is_option or root.get_command(click.Context(root), name), meant


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("actor kill", "actor stop"),
        ("actor rm", "actor remove"),
        ("actor status", "actor show"),
        ("actor send", "actor prompt"),
        ("dimension create", "dimension add"),
        ("automation delete", "automation remove"),
        ("profile delete", "profile retire"),
        ("queue add", "promote RUN --queue"),
    ],
)
def test_verb_of_another_tool_finds_the_verb_of_the_group(typed: str, meant: str) -> None:
    assert hint_of(*typed.split()) == f"did you mean attractor {meant}?"


@pytest.mark.parametrize("word", ["--reason", "--why", "--rationale"])
def test_one_word_for_reasons_and_its_hidden_synonyms(word: str) -> None:
    root = build_root()
    for name in ("decide", "cancel", "amend", "rollback", "evaluate", "steer"):
        command = root.get_command(click.Context(root), name)
        assert command
        context = command.make_context(name, ["latest", *["text"] * (name == "steer"), word, "x"])
        assert context.params["reason"] == "x"
        assert (word in command.get_help(context)) == (word == "--reason")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("run a.dot --budget 3", "did you mean --max-cost-usd?"),
        ("resume latest --timeout 3m", "did you mean --max-duration?"),
        ("run a.dot --var x=1", "did you mean --input?"),
        ("fork latest --at build", "write NODE@VISIT as the last argument"),
        ("rewind latest --at build", "write NODE@VISIT as the last argument"),
        ("status --follow", "did you mean --watch?"),
        ("logs --watch", "did you mean --follow?"),
        ("cancel latest --because x", "did you mean --reason?"),
    ],
)
def test_option_of_another_tool_finds_what_is_meant(words: str, hint: str) -> None:
    assert hint_of(*words.split()) == hint


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("run a.dot --max-cost-usd five", "'five' is not a number"),
        ("run a.dot --max-tokens five", "'five' is not a whole number"),
        ("runs --limit five", "'five' is not a whole number"),
    ],
)
def test_invalid_number_is_explained_without_a_range(words: str, message: str) -> None:
    with pytest.raises(click.ClickException) as caught:
        CliRunner().invoke(
            build_root(), words, obj=Invocation(), catch_exceptions=False, standalone_mode=False
        )
    text = describe_failure(caught.value).message
    assert text.endswith(message)
    assert "range" not in text


def test_error_with_json_is_printed_once(tmp_path: Path) -> None:
    words = [ATTRACTOR, "logs", "nope", "--json"]
    shown = subprocess.run(
        words,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ).stdout
    assert shown.count("no run found") == 1
    apart = attractor("logs", "nope", "--json", folder=tmp_path)
    assert all("no run found" in one for one in (apart.stdout, apart.stderr))


def test_render_writes_to_standard_output_for_a_dash(tmp_path: Path) -> None:
    (tmp_path / "a.dot").write_text("digraph a { start [shape=Mdiamond]; start -> exit }")
    shown = attractor("render", "a.dot", "-o", "-", folder=tmp_path)
    assert "</svg>" in shown.stdout
    assert [one.name for one in tmp_path.iterdir()] == ["a.dot"]


def test_missing_key_names_the_way_on(tmp_path: Path) -> None:
    (tmp_path / "a.dot").write_text(
        "digraph a { start [shape=Mdiamond]; exit [shape=Msquare]; work [prompt=Work]; "
        "start -> work -> exit }"
    )
    commands = (
        ["run", "a.dot", "--workspace", "none"],
        ["run", "a.dot", "--workspace", "none", "--model", "claude-opus-5-5"],
        ["new", "a pipeline", "--yes"],
        ["init", "--yes", "--test-command", "true"],
    )
    for words in commands:
        shown = attractor(*words, folder=tmp_path)
        output = shown.stdout + shown.stderr
        assert "attractor help twin llm" in output, words
        assert "docs/" not in output, words
    error, *ways = attractor(*commands[0], folder=tmp_path).stderr.splitlines()
    assert error.endswith(": no model is chosen")
    first_words = [" ".join(way.split()[:3]).split("_")[0] for way in ways]
    assert first_words == ["set ANTHROPIC", "to choose a", "without a key,"]
    [line] = attractor(*commands[0], "--json", folder=tmp_path).stdout.splitlines()
    assert json.loads(line)["error"]["hint"].splitlines() == [way.strip() for way in ways]
