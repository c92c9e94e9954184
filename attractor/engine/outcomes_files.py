"""Reads a file of outcomes by node, be it JSON or TOML."""

import tomllib
from pathlib import Path
from typing import cast

from attractor.base.errors import NotCanonical, UsageError
from attractor.base.json import Json, canonical_json, parse_json
from attractor.engine.file_faults import DEEPEST, TOO_DEEP, is_too_deep, words_of
from attractor.engine.simulated_outcomes import check_outcomes

_HINT = 'write JSON such as {"test": "fail"}, or TOML such as test = "fail"'


def open_outcomes(file: Path) -> dict[str, Json]:
    """Return what a file says of nodes, checked as far as it can be without a pipeline."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as cause:
        told = cause.strerror or str(cause)
        raise UsageError(f"{file}: {told}", hint="name a JSON or TOML file") from cause
    except UnicodeDecodeError as cause:
        raise UsageError(f"{file} is not UTF-8", hint="save it as UTF-8") from cause
    table = _read_toml(text, file) if _is_toml(file, text) else _read_json(text, file)
    if is_too_deep(table):
        raise UsageError(f"{file} {TOO_DEEP}", hint=f"{DEEPEST} levels are taken")
    check_outcomes(table, file=str(file))
    return cast(dict[str, Json], table)


def _is_toml(file: Path, text: str) -> bool:
    """Go by the name; where that says nothing, only JSON begins with a brace."""
    if file.suffix in (".json", ".toml"):
        return file.suffix == ".toml"
    return not text.lstrip().startswith("{")


def _read_json(text: str, file: Path) -> Json:
    try:
        return parse_json(text)
    except NotCanonical as cause:
        raise UsageError(f"{file} {words_of(cause)}", hint=_HINT) from cause


def _read_toml(text: str, file: Path) -> Json:
    try:
        table: dict[str, Json] = tomllib.loads(text)
        # TOML has dates and times, which no outcome has.
        canonical_json(table)
    except NotCanonical as cause:
        raise UsageError(f"{file} {words_of(cause)}", hint="write a text in quotes") from cause
    except (ValueError, RecursionError) as cause:
        raise UsageError(f"{file} {words_of(cause, form='TOML')}", hint=_HINT) from cause
    return table
