"""An automation: a pipeline with its inputs, budget and judges, and the triggers that start it.

The record never changes: the ledger has its hash, so that an edited one is found. What happened
since is in the journal of starts (`starts.py`).
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum

from attractor.automations.errors import InvalidAutomation
from attractor.automations.schedule import Schedule
from attractor.base.dataclasses import dataclass
from attractor.base.durations import parse_duration
from attractor.base.json import Json, JsonObject, canonical_json, content_hash
from attractor.base.records import write_fields, write_record
from attractor.engine.budgets import Budgets
from attractor.language.declarations.inputs import Input, find_input_faults, variable_of

SHORTEST_POLL = timedelta(seconds=10)


class TriggerKind(StrEnum):
    """What started a run of an automation."""

    SCHEDULE = "schedule"
    HTTP = "http"
    PROMOTION = "promotion"
    TICKET = "ticket"
    ISSUE = "issue"
    PERSON = "person"


@dataclass(frozen=True)
class AfterPromotion:
    """Start a run after each promotion of a pipeline, or to a branch, or both (empty: any)."""

    pipeline: str = ""
    branch: str = ""

    def is_met_by(self, line: JsonObject) -> bool:
        """Return whether the data of a `promoted` line of the ledger meets it."""
        wanted = {"pipeline": self.pipeline, "branch": self.branch}
        return all(not value or line.get(name) == value for name, value in wanted.items())


@dataclass(frozen=True)
class TicketCommand:
    """A shell command that prints a ticket as JSON a line; `every` is a duration."""

    command: str
    every: str = "5m"

    @property
    def pause(self) -> timedelta:
        """The time between two calls of the command."""
        return parse_duration(self.every)


@dataclass(frozen=True)
class Rights:
    """What the creator of an automation was allowed: by the digest of a token, or as the user."""

    by: str
    token: str = ""


@dataclass(frozen=True, kw_only=True)
class Automation:
    """A pipeline that starts by itself. `pipeline` is a file of the project, or `NAME@VERSION`.

    `schema` is a JSON schema of the inputs that requests, tickets and issues may set. `has_http`
    says whether requests start it. `issue_label` is the label of the issues that start it. Workers
    of `pool` execute the runs (default: this machine).
    """

    name: str
    project: str
    pipeline: str
    created: datetime
    rights: Rights
    goal: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])
    suite: str = ""
    profile: str = ""
    max_cost_usd: float | None = None
    max_tokens: int | None = None
    max_duration: str = ""
    schedule: Schedule | None = None
    promotion: AfterPromotion | None = None
    tickets: TicketCommand | None = None
    issue_label: str = ""
    has_http: bool = False
    schema: JsonObject = field(default_factory=dict[str, Json])
    pool: str = ""

    @property
    def budgets(self) -> Budgets:
        """The limits of each run."""
        duration = parse_duration(self.max_duration) if self.max_duration else None
        return Budgets(self.max_cost_usd, self.max_tokens, duration)

    @property
    def gets_inputs(self) -> bool:
        """Whether requests, tickets or issues set inputs."""
        return self.has_http or self.tickets is not None or bool(self.issue_label)

    @property
    def free_inputs(self) -> Collection[str]:
        """The inputs that requests, tickets and issues may set."""
        known = self.schema.get("properties")
        return {*known} - {*self.inputs} if isinstance(known, dict) else set[str]()

    @property
    def digest(self) -> str:
        """The hash of the record."""
        return content_hash(canonical_json(write_record(self)).encode())

    def to_record(self) -> dict[str, Json]:
        """Return the record as JSON, with all fields, without the digest of a token."""
        return {**write_fields(self, rights=""), "by": self.rights.by}

    def texts_of(
        self, given: Mapping[str, Json], redact: Callable[[str], str]
    ) -> Mapping[str, str]:
        """Return inputs of others as texts without secrets, which are recorded.

        Refuse inputs that the schema refuses, or that it does not name.
        """
        # jsonschema is slow to import, and most commands read no inputs of others.
        from attractor.llm.json_schema import find_faults

        faults = [f"{name} is fixed" for name in given if name in self.inputs]
        faults += find_faults(dict(given), self.schema)
        faults = faults or [f"{name} is unknown" for name in {*given} - {*self.free_inputs}]
        if faults:
            hint = f"see the schema: attractor automation show {self.name} --json"
            raise InvalidAutomation(f"invalid inputs: {'; '.join(faults)}", hint=hint)
        return {
            name: redact(value if isinstance(value, str) else canonical_json(value))
            for name, value in given.items()
        }


_TYPES: Mapping[str, str] = {"int": "integer", "float": "number", "bool": "boolean"}


def default_schema(declared: Iterable[Input], fixed: Mapping[str, str]) -> JsonObject:
    """Return a schema of the declared inputs without a default that an automation does not fix.

    An input with a default, such as a command, is the pipeline's own. Secrets are no part of it:
    they come from variables of the server.
    """
    free = [
        input_
        for input_ in declared
        if input_.name not in fixed and not input_.is_secret and input_.default is None
    ]
    properties: dict[str, Json] = {
        input_.name: {"type": _TYPES.get(input_.type, "string")} for input_ in free
    }
    required: list[Json] = [input_.name for input_ in free]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def refuse_secrets(declared: Iterable[Input], names: Collection[str]) -> None:
    """Refuse the names of secret inputs, whose values would be recorded."""
    for input_ in declared:
        if input_.is_secret and input_.name in names:
            hint = (
                "records keep no secret: set it as a variable of 'attractor serve', "
                f"{variable_of(input_.name)}"
            )
            raise InvalidAutomation(f"the input {input_.name} is a secret", hint=hint)


def require_inputs(automation: Automation, declared: Iterable[Input]) -> None:
    """Refuse unknown, invalid and secret inputs, and missing ones that nothing sets."""
    # jsonschema is slow to import.
    from attractor.llm.json_schema import check_schema

    declared = [*declared]
    check_schema(automation.schema, "of the inputs")
    refuse_secrets(declared, {*automation.inputs, *automation.free_inputs})
    faults = find_input_faults(declared, automation.inputs)
    if automation.gets_inputs:
        faults = [fault for fault in faults if fault.name in automation.inputs]
    if faults:
        words = "; ".join(fault.message for fault in faults)
        raise InvalidAutomation(words, hint="; ".join(fault.fix for fault in faults))
