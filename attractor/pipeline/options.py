"""What a run was asked to be: chosen once at its start, kept in its manifest, used on resume.

Reads the inputs that a run is given: pairs on the command line, and a file.

What stands on a command line is seen by everybody on the machine, so a value may be elsewhere:
`@env:VARIABLE`, or `@file:FILE`. `@@` at the beginning of such a word stands for a plain `@`.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical, UsageError
from attractor.base.json import Json, JsonObject, parse_json
from attractor.engine.budgets import NO_BUDGETS, Budgets, budgets_from_record, budgets_to_record
from attractor.engine.storage.json_files import Fields, words_of


class WorkspaceKind(StrEnum):
    """What tree a run works on."""

    ISOLATED = "isolated"
    COPY = "copy"
    IN_PLACE = "in-place"
    NONE = "none"

    @property
    def is_apart(self) -> bool:
        """Whether the run has files of its own, so that the project stays as it is."""
        return self in (WorkspaceKind.ISOLATED, WorkspaceKind.COPY)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Everything a person may choose for a run.

    `withheld` names what the run was given and its directory does not keep, for it is secret.
    """

    file: Path
    goal: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])
    backend: str = "agent"
    model: str = ""
    provider: str = ""
    workspace: WorkspaceKind = WorkspaceKind.ISOLATED
    include_dirty: bool = False
    sandbox: str = "auto"
    interviewer: str = "console"
    answers: Sequence[str] = ()
    outcomes: JsonObject | None = None
    budgets: Budgets = NO_BUDGETS
    suite: str = ""
    profile: str = ""
    handed_in: Sequence[str] = ()
    withheld: Sequence[str] = ()

    def to_record(self) -> dict[str, Json]:
        """Return them as they stand in the manifest; suite and profile are pinned there anyway."""
        return {
            "file": str(self.file),
            "goal": self.goal,
            "inputs": dict(self.inputs),
            "backend": self.backend,
            "model": self.model,
            "provider": self.provider,
            "workspace": self.workspace.value,
            "include_dirty": self.include_dirty,
            "sandbox": self.sandbox,
            "interviewer": self.interviewer,
            "answers": list(self.answers),
            "outcomes": dict(self.outcomes) if self.outcomes is not None else None,
            "budgets": budgets_to_record(self.budgets),
            "handed_in": list(self.handed_in),
            "withheld": list(self.withheld),
        }


def options_from_record(record: JsonObject, *, suite: str, profile: str) -> RunOptions:
    """Read the options back from a manifest."""
    fields = Fields(record, "manifest: options")
    outcomes = record.get("outcomes")
    return RunOptions(
        file=Path(fields.text("file")),
        goal=fields.text("goal"),
        inputs={name: str(value) for name, value in fields.members("inputs").items()},
        backend=fields.text("backend"),
        model=fields.text("model"),
        provider=fields.text("provider"),
        workspace=WorkspaceKind(fields.text("workspace")),
        include_dirty=fields.flag("include_dirty"),
        sandbox=fields.text("sandbox"),
        interviewer=fields.text("interviewer"),
        answers=fields.texts("answers"),
        outcomes=outcomes if isinstance(outcomes, dict) else None,
        budgets=budgets_from_record(fields.inner("budgets")),
        suite=suite,
        profile=profile,
        handed_in=fields.texts("handed_in") if fields.has("handed_in") else (),
        withheld=fields.texts("withheld") if fields.has("withheld") else (),
    )


_VARIABLE, _FILE = "@env:", "@file:"
_FORM = 'write a table of texts, numbers and true or false: {"ticket": "A-1"}, or ticket = "A-1"'


def given_inputs(
    pairs: Iterable[str], file: Path | None, *, environ: Mapping[str, str] | None = None
) -> Mapping[str, str]:
    """Return inputs by name; what a pair says counts more than the file."""
    inputs = dict(read_inputs_file(file)) if file else {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise UsageError(f"{pair!r} gives no input", hint="write --input NAME=VALUE")
        inputs[name] = _value(name, value, environ or {})
    return inputs


def _value(name: str, written: str, environ: Mapping[str, str]) -> str:
    """Return the value that is written, or the one that lies where it says."""
    if written.startswith((f"@{_VARIABLE}", f"@{_FILE}")):
        return written.removeprefix("@")
    if written.startswith(_VARIABLE):
        variable = written.removeprefix(_VARIABLE)
        if not environ.get(variable):
            told = f"the variable {variable}, for the input {name}, is not set"
            raise UsageError(told, hint=f"set it where attractor is started: export {variable}=...")
        return environ[variable]
    return _content(name, written) if written.startswith(_FILE) else written


def _content(name: str, written: str) -> str:
    """Return what a file holds, without the end of its last line."""
    file = Path(written.removeprefix(_FILE))
    try:
        return file.read_bytes().decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
    except OSError as cause:
        told = cause.strerror or str(cause)
        raise UsageError(f"the input {name}: {file}: {told}", hint="name a file") from cause
    except UnicodeDecodeError as cause:
        told = f"the input {name}: {file} is not UTF-8"
        raise UsageError(told, hint="save it as UTF-8") from cause


def read_inputs_file(file: Path) -> Mapping[str, str]:
    """Read inputs from a file, JSON or TOML by its name."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
        table: object = tomllib.loads(text) if file.suffix == ".toml" else parse_json(text)
    except OSError as cause:
        told = cause.strerror or str(cause)
        raise UsageError(f"{file}: {told}", hint="name a JSON or TOML file") from cause
    except (NotCanonical, ValueError, RecursionError) as cause:
        form = "TOML" if file.suffix == ".toml" else "JSON"
        told = f"{file} holds no inputs: it {words_of(cause, form=form)}"
        raise UsageError(told, hint=_FORM) from cause
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
