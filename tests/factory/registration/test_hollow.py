"""Functions are emptied, and what stays compiles."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from attractor.factory.registration.hollow import (
    GO,
    JAVA,
    RUST,
    TYPESCRIPT,
    BracedLanguage,
    C,
    hollow,
)
from tests.needs import require

FILES = Path(__file__).parent / "hollow"
RUSTC = ("--edition=2021", "--crate-type=lib", "--emit=metadata", "--cap-lints=allow")


@pytest.mark.parametrize(
    ("language", "name", "command", "count"),
    [
        pytest.param(RUST, "calc.rs", ("rustc", *RUSTC), 7, id="rust"),
        pytest.param(JAVA, "Calc.java", ("javac", "-d", "out"), 13, id="java"),
        pytest.param(C, "calc.c", ("gcc", "-fsyntax-only"), 5, id="c"),
        pytest.param(C, "calc.cpp", ("gcc", "-std=c++17", "-fsyntax-only"), 8, id="c++"),
    ],
)
def test_hollow_file_compiles_as_the_file_does(
    tmp_path: Path, language: BracedLanguage, name: str, command: Sequence[str], count: int
) -> None:
    program, *options = command
    words = [require(program), *options, name]
    text = (FILES / name).read_text()
    found = hollow(text, language)
    for content in (text, found):
        (tmp_path / name).write_text(content)
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert not done.returncode, done.stderr
    assert found.count(language.does) == count


def test_unused_imports_of_go_lose_their_names_and_bodies_that_give_a_type_are_kept() -> None:
    for name, language in {"go": GO, "ts": TYPESCRIPT}.items():
        text = (FILES / f"calc.{name}").read_text()
        assert hollow(text, language) == (FILES / f"hollow.{name}.txt").read_text()


def test_text_whose_braces_do_not_match_is_not_changed() -> None:
    for text in ("fn f() { {", "fn f() } {", ""):
        assert hollow(text, RUST) == text
