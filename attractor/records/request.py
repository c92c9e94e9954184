"""The settings that a caller chooses for a run: stored in its manifest, and read on a resume."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.hash_chain import ChainHead
from attractor.base.json import Json, JsonObject
from attractor.base.records import write_fields
from attractor.engine.budgets import NO_BUDGETS, Budgets, budgets_from_record, budgets_to_record
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.questions.call_rules import CallPermissions
from attractor.engine.run_folder.layout import Manifest, RunDirectory
from attractor.engine.state.run_state import RunState
from attractor.engine.storage.json_files import Fields
from attractor.engine.storage.secrets import Redactor
from attractor.language.declarations.inputs import variable_of
from attractor.language.diagnostics import suggester
from attractor.language.source.text import quote

_KEYS = {"waits_for_limits": "wait_for_limits", "custom_parts": "handed_in"}


@dataclass(frozen=True)
class ContinuedRun:
    """A run whose conversations another run continues, as they were after an event of its journal.

    Older manifests name the run without an event.
    """

    run_id: str
    seq: int = 0
    hash: str = ""

    def find(self, beside: RunDirectory) -> tuple[RunDirectory, ChainHead]:
        """Return the directory of the run, which is beside another one, and the event."""
        directory = RunDirectory(beside.root.with_name(self.run_id))
        if self.hash:
            return directory, ChainHead(self.seq, self.hash)
        return directory, open_journal(directory.events, directory.checkpoint).head


@dataclass(frozen=True)
class ActorTask:
    """The message to an actor for which a run was started: its id and hash, and its sender.

    `arguments` are further ones of the actor's program.
    """

    actor: str
    message: str
    hash: str
    sender: str
    arguments: Sequence[str] = ()


@dataclass(frozen=True)
class Trigger:
    """The automation that started a run, and the occurrence for which it did, once.

    `kind` is `schedule`, `http`, `promotion`, `ticket`, `issue` or `person`.
    """

    automation: str
    kind: str
    occurrence: str


@dataclass(frozen=True)
class MissionWork:
    """The mission for which a run works, its role there, and the id of its task, if it has one."""

    mission: str
    role: str
    task: str = ""


@dataclass(frozen=True)
class Submission:
    """The files that a run only evaluates: their tree, and the base commit.

    Of a dimension, `runs` are the runs that worked there, `actors` those whose tasks they answered.
    Otherwise `source` says whose work it is, `exposure` why its author may know the holdouts, and
    `protected` are the changed paths that no workspace contains.
    """

    dimension: str
    base: str
    tree: str
    runs: Sequence[str] = ()
    actors: Sequence[str] = ()
    source: str = ""
    exposure: str = ""
    protected: Sequence[str] = ()


@dataclass(frozen=True)
class TypedCommand:
    """The words of a person's own command, which does the work of a run.

    With `opens_network`, it has the network of this machine.
    """

    words: Sequence[str]
    opens_network: bool = False


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """The settings that a caller chooses for a run; its manifest stores them without secrets.

    `workspace` is the name of a kind (`attractor/workspaces/create`). `folder` is the absolute
    folder of the dimension `dimension` in which the run works; without it, the run works in the
    project's own folder, or apart from it. Without an `interviewer`, each process chooses its own.
    `custom_parts` names the parts that a program passed, which a manifest cannot store. `withheld`
    names the goal and the inputs that are missing here because they contain a secret. `continues`
    is the run whose conversations this run continues. `feedback` are context values about the
    verdict on an earlier run. `promoted_by` is the command that promotes the run, if not `attractor
    promote`. `started_by` is `mcp` if a coding agent started the run over MCP. `task` is the
    message to an actor that the run answers. `builds_on` is the run beside this one with whose
    files it begins. With a `submission`, the run only evaluates files.
    `gallery` is the pipeline of the gallery that the run has, with its version. `trigger` is the
    occurrence for which an automation started the run. The `command` of a person does the work,
    if there is one; or the `person` does it, in the terminal of the program that the backend names.
    `permissions` say whether people are asked about tool calls. With a `place`, the stages work
    there (`attractor/environments/places`), and this machine judges. `mission` is the work of a
    mission that the run does.
    """

    file: Path
    goal: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])
    backend: str = "agent"
    model: str = ""
    provider: str = ""
    workspace: str = "isolated"
    folder: str = ""
    dimension: str = ""
    include_dirty: bool = False
    sandbox: str = "auto"
    interviewer: str = ""
    answers: Sequence[str] = ()
    outcomes: JsonObject | None = None
    budgets: Budgets = NO_BUDGETS
    suite: str = ""
    profile: str = ""
    evaluate: bool = True
    waits_for_limits: bool = True
    custom_parts: Sequence[str] = ()
    withheld: Sequence[str] = ()
    continues: ContinuedRun | None = None
    feedback: JsonObject = field(default_factory=dict[str, Json])
    promoted_by: str = ""
    started_by: str = ""
    task: ActorTask | None = None
    builds_on: str = ""
    submission: Submission | None = None
    gallery: str = ""
    trigger: Trigger | None = None
    command: TypedCommand | None = None
    person: str = ""
    permissions: CallPermissions | None = None
    place: str = ""
    mission: MissionWork | None = None

    @property
    def is_work_of_any(self) -> bool:
        """Whether a suite judges the files whatever made them, and not the runs of a pipeline."""
        return bool(self.submission or self.command)

    def with_inputs(self, inputs: Mapping[str, str]) -> "RunRequest":
        """Return the request with more inputs."""
        return replace(self, inputs={**self.inputs, **inputs})

    def to_record(self) -> dict[str, Json]:
        """Return the record for the manifest.

        Suite and profile are stored in other fields of the manifest.
        """
        left_out = {} if self.mission else {"mission": ""}
        record = write_fields(self, suite="", profile="", **left_out, **_KEYS)
        return {**record, "budgets": budgets_to_record(self.budgets)}

    def redacted_record(self, redactor: Redactor) -> dict[str, Json]:
        """Return the record without secrets, with the names of the withheld values."""
        secrets = secret_overrides(self, redactor).by_name
        withheld = tuple(dict.fromkeys((*self.withheld, *secrets)))
        return redactor.members(replace(self, withheld=withheld).to_record())


_NEWER = (
    "suite",
    "profile",
    "waits_for_limits",
    "started_by",
    "folder",
    "dimension",
    "task",
    "builds_on",
    "submission",
    "gallery",
    "trigger",
    "command",
    "person",
    "permissions",
    "place",
    "mission",
)
"""The fields that a manifest, or one of an earlier version, does not have among the options."""


def improved_run(manifest: Manifest) -> str:
    """Return the id of the run whose feedback a run got, or ""."""
    feedback = manifest.options.get("feedback")
    return str(feedback.get("feedback.run", "")) if isinstance(feedback, dict) else ""


def how_to_be_judged(manifest: Manifest) -> str:
    """Return how the files of a run without a suite are judged, as a hint."""
    if name := manifest.options.get("dimension"):
        return f"submit them: attractor dimension submit {name} --suite SUITE"
    return "start a run with --suite"


def read_request(manifest: Manifest) -> RunRequest:
    """Read the request of a run from its manifest."""
    options = {**manifest.options, "continues": _continues(manifest)}
    request = request_from_record(options, "manifest: options")
    return replace(request, suite=manifest.suite, profile=manifest.profile)


def request_from_record(record: JsonObject, name: str) -> RunRequest:
    """Read a request, without suite and profile, from its record, which errors call `name`."""
    fields = Fields(record, name)
    return replace(
        fields.whole(RunRequest, *_NEWER, budgets="", **_KEYS),
        budgets=budgets_from_record(fields.inner("budgets")),
    )


def _continues(manifest: Manifest) -> Json:
    """Return the record of the continued run; older manifests have its directory, or ""."""
    record = manifest.options.get("continues")
    if isinstance(record, str):
        return {"run_id": Path(record).name} if record else None
    return record


def current_request(manifest: Manifest, state: RunState) -> RunRequest:
    """Return the request of a run with the budgets that the caller of its last process set."""
    request = read_request(manifest)
    if not state.budgets:
        return request
    last = budgets_from_record(Fields(state.budgets, "the budgets of the run"))
    return replace(request, budgets=last.over(request.budgets))


def promoting_command(manifest: Manifest, reference: str) -> str:
    """Return the command that promotes an approved run."""
    return str(manifest.options.get("promoted_by") or f"attractor promote {reference}")


GOAL = "goal"
INPUT_PREFIX = "inputs."


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """The changes to the request of a run when it is resumed or forked.

    `goal` and `inputs` repeat the values that the manifest does not store; a fork can have other
    ones. A `model` implies its provider. `workspace` and `folder` are those of the dimension of the
    run on this machine. If `evaluate` or
    `waits_for_limits` is None, the value of the run stays. `accepts_graph` is the name of the
    operator who accepts a changed pipeline.
    """

    interviewer: str = ""
    budgets: Budgets = NO_BUDGETS
    goal: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])
    model: str = ""
    workspace: str = ""
    folder: str = ""
    evaluate: bool | None = None
    waits_for_limits: bool | None = None
    accepts_graph: str = ""
    restores_sessions: bool = False

    @property
    def by_name(self) -> Mapping[str, str]:
        """The repeated values, by their names in the manifest."""
        goal = {GOAL: self.goal} if self.goal else {}
        return {**goal, **{f"{INPUT_PREFIX}{name}": value for name, value in self.inputs.items()}}

    def repeated(self, request: RunRequest) -> "Overrides":
        """Return the overrides with those values only that the manifest of a run does not store."""
        known = {name.removeprefix(INPUT_PREFIX) for name in request.withheld if name != GOAL}
        return replace(
            self,
            goal=self.goal if GOAL in request.withheld else "",
            inputs={name: value for name, value in self.inputs.items() if name in known},
        )

    def secrets(self, redactor: Redactor) -> Iterator[str]:
        """Yield the repeated values that are secret.

        A goal is withheld because it contains a secret. If this secret is unknown now, the whole
        goal counts as secret.
        """
        yield from self.inputs.values()
        if self.goal and redactor.text(self.goal) == self.goal:
            yield self.goal

    def apply(self, request: RunRequest, environ: Mapping[str, str]) -> RunRequest:
        """Return the request with the overrides.

        Values that are still missing stay withheld. A withheld input can also come from its
        environment variable.
        """
        by_name, missing = self.by_name, list[str]()
        inputs, goal = {**request.inputs, **self.inputs}, self.goal or request.goal
        for name in request.withheld:
            bare = name.removeprefix(INPUT_PREFIX)
            value = by_name.get(name) or (environ.get(variable_of(bare)) if name != GOAL else "")
            if name == GOAL:
                goal = value or ""
            elif value:
                inputs[bare] = value
            else:
                inputs.pop(bare, None)
            missing += [] if value else [name]
        return replace(
            request,
            goal=goal,
            inputs=inputs,
            withheld=tuple(missing),
            model=self.model or request.model,
            provider="" if self.model else request.provider,
            workspace=self.workspace or request.workspace,
            folder=self.folder or request.folder,
            interviewer=self.interviewer or request.interviewer,
            budgets=self.budgets.over(request.budgets),
            evaluate=request.evaluate if self.evaluate is None else self.evaluate,
            waits_for_limits=(
                request.waits_for_limits if self.waits_for_limits is None else self.waits_for_limits
            ),
        )

    def require_withheld(self, request: RunRequest) -> None:
        """Refuse to override a goal or an input that the run has already."""
        for name in self.by_name:
            if name not in request.withheld:
                known = [
                    name.removeprefix(INPUT_PREFIX) for name in request.withheld if name != GOAL
                ]
                bare = name.removeprefix(INPUT_PREFIX)
                value = "goal" if name == GOAL else f"input {quote(bare)}"
                raise UsageError(
                    (
                        f"the {value} of the run cannot change: only values with secrets "
                        "are passed again"
                    ),
                    hint=suggester(known)(bare) or "remove it, or start a new run",
                )


NO_OVERRIDES = Overrides()


def secret_overrides(request: RunRequest, redactor: Redactor) -> Overrides:
    """Return the goal and the inputs that contain a secret.

    A manifest does not store these values.
    """
    secret = {
        name: value for name, value in request.inputs.items() if redactor.text(value) != value
    }
    is_plain = redactor.text(request.goal) == request.goal
    return Overrides(goal="" if is_plain else request.goal, inputs=secret)
