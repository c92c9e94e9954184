"""Inputs come from pairs and from a file."""

from pathlib import Path

import pytest

from attractor.base.errors import UsageError
from attractor.cli.runs.inputs import read_inputs


def test_pair_overrides_the_file(tmp_path: Path) -> None:
    file = tmp_path / "inputs.json"
    file.write_text('{"ticket": "A-1", "count": 3, "fast": true}')
    assert read_inputs(["ticket=B=2", "empty="], file) == {
        "ticket": "B=2",
        "count": "3",
        "fast": "true",
        "empty": "",
    }


def test_a_file_may_be_toml(tmp_path: Path) -> None:
    file = tmp_path / "inputs.toml"
    file.write_text('ticket = "A-1"\nshare = 0.5\n')
    assert read_inputs([], file) == {"ticket": "A-1", "share": "0.5"}


@pytest.mark.parametrize("text", ["[1]", '{"a": [1]}', '{"a": null}', "{", '"a"'])
def test_file_without_inputs_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "inputs.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"inputs\.json"):
        read_inputs([], file)


@pytest.mark.parametrize("pair", ["ticket", "=x", ""])
def test_a_pair_needs_a_name_and_a_sign(pair: str) -> None:
    with pytest.raises(UsageError, match="invalid input"):
        read_inputs([pair], None)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nope\.json"):
        read_inputs([], tmp_path / "nope.json")


def test_a_value_may_be_in_a_variable_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("\ufeffhush\nhush\n")
    pairs = ["a=@env:TOKEN", f"b=@file:{file}", "c=@@env:TOKEN", "d=@@else", "e=@else"]
    assert read_inputs(pairs, None, environ={"TOKEN": "secret"}) == {
        "a": "secret",
        "b": "hush\nhush",
        "c": "@env:TOKEN",
        "d": "@@else",
        "e": "@else",
    }


@pytest.mark.parametrize(
    ("pair", "told"),
    [
        ("a=@env:NONE", "input a: the variable NONE is not set"),
        ("a=@file:/nowhere", "cannot read input a: /nowhere: No such file"),
    ],
)
def test_missing_value_is_named(pair: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        read_inputs([pair], None)
