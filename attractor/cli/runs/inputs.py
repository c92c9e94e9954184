"""Reads the inputs of a run from pairs, variables and files of the command line."""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from attractor.base.errors import NotCanonical, UsageError
from attractor.base.json import parse_json
from attractor.engine.storage.json_files import describe_fault

_VARIABLE, _FILE = "@env:", "@file:"


_FORM = 'write a table of texts, numbers and true or false: {"ticket": "A-1"}, or ticket = "A-1"'


def read_inputs(
    pairs: Iterable[str], file: Path | None, *, environ: Mapping[str, str] | None = None
) -> Mapping[str, str]:
    """Return inputs by name; pairs override the file."""
    inputs = dict(read_inputs_file(file)) if file else {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise UsageError(f"invalid input {pair!r}", hint="write --input NAME=VALUE")
        inputs[name] = _value(name, value, environ or {})
    return inputs


def _value(name: str, written: str, environ: Mapping[str, str]) -> str:
    """Return a literal value, or the value of a variable or file."""
    if written.startswith((f"@{_VARIABLE}", f"@{_FILE}")):
        return written.removeprefix("@")
    if written.startswith(_VARIABLE):
        variable = written.removeprefix(_VARIABLE)
        if not environ.get(variable):
            message = f"input {name}: the variable {variable} is not set"
            raise UsageError(message, hint=f"set it before the command: export {variable}=...")
        return environ[variable]
    return _content(name, written) if written.startswith(_FILE) else written


def _content(name: str, written: str) -> str:
    """Return the content of a file without its last newline."""
    file = Path(written.removeprefix(_FILE))
    try:
        return file.read_bytes().decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
    except OSError as cause:
        message = cause.strerror or str(cause)
        raise UsageError(
            f"cannot read input {name}: {file}: {message}", hint="pass a readable file"
        ) from cause
    except UnicodeDecodeError as cause:
        message = f"input {name}: {file} is not UTF-8"
        raise UsageError(message, hint="save it as UTF-8") from cause


def read_inputs_file(file: Path) -> Mapping[str, str]:
    """Read inputs from a JSON or TOML file, by its extension."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
        table: object = tomllib.loads(text) if file.suffix == ".toml" else parse_json(text)
    except OSError as cause:
        message = cause.strerror or str(cause)
        raise UsageError(
            f"cannot read {file}: {message}", hint="pass a JSON or TOML file"
        ) from cause
    except (NotCanonical, ValueError, RecursionError) as cause:
        form = "TOML" if file.suffix == ".toml" else "JSON"
        message = f"invalid inputs in {file}: it {describe_fault(cause, form=form)}"
        raise UsageError(message, hint=_FORM) from cause
    match table:
        case dict():
            return {str(name): _text(str(name), value, file) for name, value in table.items()}
        case _:
            raise UsageError(f"invalid inputs in {file}: not a table", hint=_FORM)


def _text(name: str, value: object, file: Path) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
        case _:
            raise UsageError(f"{file}: input {name} is not a single value", hint=_FORM)
