"""The bodies of requests that act on runs, and the commands of those that start a process.

The fields have the names and meanings of the options of the command line.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StrictBool,
    StrictFloat,
    StrictInt,
    StringConstraints,
    ValidationError,
)

from attractor.base.durations import DURATION_PATTERN
from attractor.base.errors import UsageError
from attractor.engine.questions.call_rules import PermissionMode
from attractor.pipeline.source.find import PIPELINE_ENDINGS
from attractor.server.processes.run_processes import RunCommand

LONGEST_WORD = 100_000
"""The kernel refuses arguments of a program above 128 kB."""

LONGEST_SOURCE = 500_000
"""The most characters of a pipeline in a request: up to 100,000 edges, which take 4 s to check."""

NO_NUL = r"^[^\x00]*$"
Text = Annotated[str, StringConstraints(pattern=NO_NUL)]
"""A text that can be written as UTF-8: a pattern also refuses half of a surrogate pair."""

Word = Annotated[str, StringConstraints(max_length=1000, pattern=NO_NUL)]
Words = Annotated[str, StringConstraints(max_length=LONGEST_WORD // 4, pattern=NO_NUL)]
"""A text of an argument, which takes up to four bytes a character."""

_PIPELINE_FILE = rf"^[\s\S]*({'|'.join(map(re.escape, PIPELINE_ENDINGS))})$"
PipelineFile = Annotated[str, Field(max_length=1000, json_schema_extra={"pattern": _PIPELINE_FILE})]
"""The place of a pipeline in the project; the error about another place has a hint."""

MOST_INPUTS = 100
"""The most inputs of a run over HTTP: each is passed in a file of its own."""

InputName = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00=]+$")]


Mode = Annotated[
    PermissionMode,
    Field(description="Limit tool calls by the sandbox, or also ask a person before them."),
]
Rules = Annotated[
    list[Word], Field(max_length=1000, description="Rules about calls, such as `Bash(pytest *)`.")
]


class InvalidFields(UsageError):
    """Fields are invalid; `faults` has a sentence for each."""

    def __init__(self, faults: Mapping[str, str], *, hint: str) -> None:
        self.faults = faults
        words = "; ".join(f"{field}: {fault}" for field, fault in faults.items())
        super().__init__(words, hint=hint)

    @classmethod
    def of(cls, cause: ValidationError, *, hint: str) -> Self:
        """Return the error about the fields that a body refused."""
        faults = {".".join(map(str, one["loc"])): one["msg"] for one in cause.errors()}
        return cls(faults, hint=hint)


class Body(BaseModel):
    """A body without unknown fields. Numbers and switches have strict types: no text is converted,
    and `true` is not 1.
    """

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def of(cls, **fields: str | dict[str, str]) -> Self:
        """Return the body with the texts of a form, or raise their faults."""
        try:
            return cls.model_validate_strings(fields)
        except ValidationError as cause:
            raise InvalidFields.of(cause, hint="correct the form") from cause


class WalkBody(Body):
    """The fields of all requests that walk a run."""

    interviewer: Word = Field(default="", description="Answer human gates with this interviewer.")
    max_cost_usd: StrictFloat | None = Field(
        default=None, ge=0, allow_inf_nan=False, description="Stop the run at this cost."
    )
    max_tokens: StrictInt | None = Field(
        default=None, ge=1, description="Stop the run at this many tokens."
    )
    max_duration: Word = Field(
        default="",
        description="Stop the run after this working time, such as `2h`.",
        examples=["2h"],
        json_schema_extra={"pattern": f"{DURATION_PATTERN}|^$"},
    )
    goal: Words = Field(
        default="",
        description="The goal of a new run; another goal of a fork (default: as before); a secret "
        "goal of an old run again.",
    )
    inputs: dict[InputName, Text | bool | int | float] = Field(
        default_factory=dict[str, str | bool | int | float],
        max_length=MOST_INPUTS,
        json_schema_extra={"additionalProperties": False},
        description="The inputs of a new run; other inputs of a fork (default: as before); the "
        "secret inputs of an old run again.",
    )

    def options(self) -> Iterator[str]:
        """Yield the options of the command."""
        yield from _option("interviewer", self.interviewer)
        yield from _option("max-cost-usd", self.max_cost_usd)
        yield from _option("max-tokens", self.max_tokens)
        yield from _option("max-duration", self.max_duration)
        yield from _option("goal", self.goal)

    def files(self) -> dict[str, str]:
        """Return contents that are passed in files, by the option before the name of the file."""
        return {f"--input={name}=@file:": f"{text}\n" for name, text in self.texts().items()}

    def texts(self) -> dict[str, str]:
        """Return the inputs as texts."""
        return {
            name: one if isinstance(one, str) else json.dumps(one)
            for name, one in self.inputs.items()
        }


def some_of(kind: Literal["oneOf", "anyOf"], **schemas: Mapping[str, JsonValue]) -> ConfigDict:
    """Return the configuration of a body that needs one of some fields, for the document."""
    forms: list[JsonValue] = [
        {"required": [name], "properties": {name: {**schema}}} for name, schema in schemas.items()
    ]
    # In `allOf`, because generators of clients drop the fields beside a choice.
    return ConfigDict(json_schema_extra={"allOf": [{kind: forms}]})


_WRITTEN: Mapping[str, JsonValue] = {"type": "string", "minLength": 1}


class StartBody(WalkBody):
    """A run to start: a DOT source, a file of the project, or a registered pipeline."""

    model_config = some_of("oneOf", source=_WRITTEN, file=_WRITTEN, pipeline=_WRITTEN)

    source: Text = Field(
        default="",
        max_length=LONGEST_SOURCE,
        description="A DOT source; prompt files are those of the project.",
    )
    file: Word = Field(
        default="",
        description="A file of the project, or a pipeline of the gallery, as `gallery:NAME`.",
        examples=["pipeline.dot"],
    )
    pipeline: Word = Field(
        default="", description="A registered pipeline: `NAME` or `NAME@VERSION`."
    )
    backend: Word = Field(default="", description="Execute stages with this backend.")
    model: Word = Field(default="", description="Use this model for nodes without one.")
    provider: Word = Field(default="", description="Use this provider for nodes without one.")
    outcomes: dict[str, JsonValue] | None = Field(
        None, description="The outcome of each node, for the backend `simulate`."
    )
    workspace: Word = Field(
        default="isolated", description="isolated, copy, in-place, none, or a dimension."
    )
    include_dirty: StrictBool = Field(default=False, description="Include uncommitted changes.")
    evaluate: StrictBool = Field(
        default=True, description="Evaluate the result if the run has a suite."
    )
    wait_for_limits: StrictBool = Field(
        default=True, description="Wait while the account of a model has reached a limit."
    )
    sandbox: Word = Field(default="auto", description="auto, bubblewrap, landlock or none.")
    permissions: Mode = PermissionMode.SANDBOX
    allow: Rules = []
    deny: Rules = []
    answers: Sequence[Word] = Field(
        default=(), max_length=100, description="Answers to the human gates, in order."
    )
    suite: Word = Field(default="", description="Judge the run with this suite: `NAME[@VERSION]`.")
    profile: Word = Field(
        default="", description="Judge the run by this profile: `NAME[@REVISION]`."
    )
    on: Word = Field(
        default="", description="Let a worker of this pool of the fleet execute the run."
    )
    label: Word = Field(
        default="",
        description="With `on`: the worker must have this label; `workspace` can name a dimension "
        "there.",
    )
    feedback: Word = Field(
        default="", description="Put the verdict on this earlier run into the context."
    )

    def options(self) -> Iterator[str]:
        """Yield the options of the command."""
        yield from super().options()
        for name in (
            *("backend", "model", "provider", "workspace", "sandbox", "permissions"),
            *("suite", "profile", "feedback", "on", "label"),
        ):
            yield from _option(name, getattr(self, name))
        yield from _flag("include-dirty", self.include_dirty)
        yield from _flag("no-evaluate", not self.evaluate)
        yield from _flag("no-wait-for-limits", not self.wait_for_limits)
        for name in ("allow", "deny"):
            yield from (f"--{name}={rule}" for rule in getattr(self, name))
        for answer in self.answers:
            yield f"--answer={answer}"

    def files(self) -> dict[str, str]:
        """Return contents that are passed in files, by the option before the name of the file."""
        outcomes = {} if self.outcomes is None else {"--outcomes=": json.dumps(self.outcomes)}
        return {**super().files(), **outcomes}

    def command(self, pipeline: str, stdin: str = "") -> RunCommand:
        """Return the command that runs a pipeline, or the one on standard input."""
        return RunCommand("run", [pipeline], [*self.options()], self.files(), stdin)

    def refuse_contradictions(self) -> None:
        """Refuse a body that names no pipeline or several, or a label without a pool."""
        if self.label and not self.on:
            raise UsageError("a label needs a pool", hint='name its pool: {"on": "POOL"}')
        if sum(map(bool, (self.source, self.file, self.pipeline))) != 1:
            raise UsageError(
                "a run needs exactly one of source, file and pipeline",
                hint='send the DOT text as {"source": "digraph { ... }"}',
            )


class ContinueBody(WalkBody):
    """The fields of all requests that walk a run again."""

    evaluate: StrictBool | None = Field(
        default=None, description="Evaluate the result (default: as before)."
    )
    wait_for_limits: StrictBool | None = Field(
        default=None,
        description="Wait while the account of a model has reached a limit (default: as before).",
    )

    def options(self) -> Iterator[str]:
        """Yield the options of the command."""
        yield from super().options()
        for name in ("evaluate", "wait_for_limits"):
            if (is_on := getattr(self, name)) is not None:
                yield f"--{'' if is_on else 'no-'}{name.replace('_', '-')}"


class ResumeBody(ContinueBody):
    """A stopped run to continue."""

    restore_sessions: StrictBool = Field(
        default=False, description="Restore the conversations of agents."
    )
    accept_graph: StrictBool = Field(
        default=False, description="Continue with the changed pipeline file."
    )

    def options(self) -> Iterator[str]:
        """Yield the options of the command."""
        yield from super().options()
        yield from _flag("restore-sessions", self.restore_sessions)
        yield from _flag("accept-graph", self.accept_graph)

    def command(self, run: str) -> RunCommand:
        """Return the command that resumes a run."""
        return RunCommand("resume", [run], [*self.options()], self.files())


class ForkBody(ContinueBody):
    """A stage from which a new run starts."""

    at: Word = Field(min_length=1, description="NODE[@VISIT] (default: the last visit).")
    graph: Word = Field(
        default="", description="Continue with this changed pipeline file of the project."
    )
    model: Word = Field(
        default="", description="Use this model for nodes without one (default: as before)."
    )

    def command(self, run: str, name: str = "fork") -> RunCommand:
        """Return the command that forks a run."""
        options = [
            *self.options(),
            *_option("graph", self.graph),
            *_option("model", self.model),
        ]
        return RunCommand(name, [run, self.at], options, self.files())


class RewindBody(ForkBody):
    """A stage from which a new run starts, in place of the old run."""

    why: Words = Field(default="", description="Record this reason.")

    def command(self, run: str, name: str = "rewind") -> RunCommand:
        """Return the command that rewinds a run; the request itself is the confirmation."""
        command = super().command(run, name)
        options = [*command.options, *_option("why", self.why), "--cancel-live"]
        return RunCommand(name, command.arguments, options, command.files)


class SubmitBody(Body):
    """The judges of the files of a dimension."""

    suite: Word = Field(default="", description="NAME[@VERSION] of the suite.")
    profile: Word = Field(default="", description="The name of the profile.")
    base: Word = Field(
        default="",
        description="Promote the changes since this commit (default: where it left its branch).",
    )
    goal: Words = Field(default="", description="Name the work (default: the last task).")
    sandbox: Word = Field(default="auto", description="Run trials in this sandbox.")

    def command(self, dimension: str) -> RunCommand:
        """Return the command that submits a dimension."""
        names = ("suite", "profile", "base", "goal", "sandbox")
        options = [one for name in names for one in _option(name, getattr(self, name))]
        return RunCommand("dimension submit", [dimension], options)


class RebaseBody(Body):
    """A branch onto which the result of a run is merged."""

    onto: Word = Field(default="main", min_length=1, description="Merge onto this branch.")

    def command(self, run: str) -> RunCommand:
        """Return the command that rebases a run."""
        return RunCommand("rebase", [run], [*_option("onto", self.onto)])


class WhyBody(Body):
    """The reason for an action."""

    why: Words = Field(default="", description="Record this reason.")


class SteerBody(WhyBody):
    """A message to the running agents."""

    text: Words = Field(min_length=1, description="An agent reads it before its next step.")
    node: Word = Field(default="", description="Only to this stage (default: all running ones).")


class AnswerBody(WhyBody):
    """The answer to a question."""

    answer: Words = Field(min_length=1, description="A key, label or target node, or free text.")


class PickedAnswerBody(AnswerBody):
    """The answer to one of the questions of a run."""

    question: Word = Field(default="", description="The question (default: the only open one).")


class NamedAnswerBody(PickedAnswerBody):
    """The answer to one of the questions of a run, with the run."""

    id: Word = Field(description="The run.")


NO_REASON, AS_BEFORE, ONTO_MAIN = WhyBody(), ResumeBody(), RebaseBody()
"""Bodies of requests without one."""


def _option(name: str, value: object) -> Iterator[str]:
    if value not in ("", None):
        # One word, because a value may begin with a dash.
        yield f"--{name}={value}"


def _flag(name: str, is_set: bool) -> Iterator[str]:
    if is_set:
        yield f"--{name}"
