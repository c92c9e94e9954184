"""Reads the inputs that a run is given: pairs on the command line, and a file."""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from attractor.base.canonical import parse_json
from attractor.base.errors import NotCanonical, UsageError

_FORM = 'write a table of texts, numbers and true or false: {"ticket": "A-1"}, or ticket = "A-1"'


def given_inputs(pairs: Iterable[str], file: Path | None) -> Mapping[str, str]:
    """Return inputs by name; what a pair says counts more than the file."""
    inputs = dict(read_inputs_file(file)) if file else {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise UsageError(f"{pair!r} gives no input", hint="write --input NAME=VALUE")
        inputs[name] = value
    return inputs


def read_inputs_file(file: Path) -> Mapping[str, str]:
    """Read inputs from a file, JSON or TOML by its name."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
        table: object = tomllib.loads(text) if file.suffix == ".toml" else parse_json(text)
    except OSError as cause:
        told = cause.strerror or str(cause)
        raise UsageError(f"{file}: {told}", hint="name a JSON or TOML file") from cause
    except (NotCanonical, ValueError, RecursionError) as cause:
        raise UsageError(f"{file} holds no inputs: {cause}", hint=_FORM) from cause
    match table:
        case dict():
            return {str(name): _text(str(name), value, file) for name, value in table.items()}
        case _:
            raise UsageError(f"{file} holds no inputs", hint=_FORM)


def _text(name: str, value: object, file: Path) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
        case _:
            raise UsageError(f"{file}: the input {name} is no single value", hint=_FORM)
