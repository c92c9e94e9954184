"""Errors in the TOML files of settings, suites, twins, tests and inputs have one format."""

from collections.abc import Callable
from pathlib import Path

import pytest

from attractor.base.errors import UsageError
from attractor.cli.runs.setup import read_inputs_file
from attractor.config.load import load_configuration
from attractor.engine.simulation.outcomes import open_outcomes
from attractor.pipeline.simulation.pipeline_tests import open_tests
from attractor.scenarios.suite_reader import read_suite
from attractor.twins.script.script import load_script
from attractor.twins.services.service import load_service


def _read_settings(file: Path) -> object:
    folder = file.parent
    user_file = folder / "none.toml"
    return load_configuration(start=folder, cwd=folder, environ={}, user_file=user_file)


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "attractor.toml": ("runs_dir", _read_settings),
    "suite.toml": ("name", lambda file: read_suite(file.parent)),
    "script.toml": ("seed", load_script),
    "twin.toml": ("name", load_service),
}
OTHERS: dict[str, Callable[[Path], object]] = {
    "outcomes.toml": open_outcomes,
    "p.test.toml": open_tests,
    "inputs.toml": read_inputs_file,
}


def _mistake(read: Callable[[Path], object], file: Path, text: str) -> tuple[str, str]:
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        read(file)
    return caught.value.message.replace(str(file), file.name), caught.value.hint


def test_every_toml_file_reports_mistakes_in_the_same_form(tmp_path: Path) -> None:
    for name, (key, read) in READERS.items():
        end = len(key) + 4
        for text, message, hint in (
            (f"{key} = hello", f":1:{end}: invalid TOML: Invalid value", "text needs quotes"),
            (f"{key} = 'a\n", f":1:{end + 2}: invalid TOML: Expected", "close the text with '"),
            (f"{key} = 1\n{key} = 1", f":2:{end + 1}: duplicate key", "remove one of the two"),
            (f"{key}s = 1", ":1: unknown ", f"did you mean {key}?"),
            (f"{key} = []", f":1: {key} = [] should be", ""),
            (f"{key} = 5", f":1: {key} = 5 should be a", 'text needs quotes: "5"'),
        ):
            if key == "seed" and text.endswith("5"):
                continue
            found = "\n".join(_mistake(read, tmp_path / name, text))
            assert f"{name}{message}" in found, text
            assert hint in found, text
    for name, read in OTHERS.items():
        message, hint = _mistake(read, tmp_path / name, "a = hello")
        assert message == f"{name}:1:5: invalid TOML: Invalid value"
        assert hint == "text needs quotes"
