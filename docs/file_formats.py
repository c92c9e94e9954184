"""The file formats of Attractor with their JSON schemas; `make docs` writes the schemas.

Files that people write are read through models of pydantic, which make their schemas. The records
that Attractor writes are described here; the tests compare them with the files of real runs.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from datetime import datetime, timedelta
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, create_model
from pydantic.json_schema import GenerateJsonSchema

from attractor.agent.definitions import AgentSettings
from attractor.base.durations import format_duration
from attractor.config.settings import Settings
from attractor.config.tables import model_of
from attractor.engine.journal.events import Action, EngineEvent
from attractor.engine.outcome import Culprit, FailureClass, StageStatus, Usage
from attractor.engine.questions.question import AnswerKind, QuestionKind
from attractor.engine.state.run_state import Phase, StatusWord, WaitReason
from attractor.environments.environment import Promises
from attractor.factory.decisions.decide import DecisionKind, Proof
from attractor.factory.evaluation.feedback import Feedback
from attractor.factory.gate_records import Domain
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.operator_process import Scope
from attractor.factory.pulls.feedback import PullRequestFeedback
from attractor.factory.races import Stop
from attractor.factory.resources.profiles import Profile
from attractor.factory.resources.versions import ResourceKind
from attractor.growth.api.intake import Intake
from attractor.growth.apps.stack import FilePart
from attractor.growth.building import Build
from attractor.growth.deployment.backup import Backup
from attractor.growth.deployment.release import ReleaseRecord
from attractor.growth.desires import UserDesire
from attractor.growth.development import DevelopmentalSpec
from attractor.growth.lineage import StageKind
from attractor.growth.morph import Level, Risk, morph_registry
from attractor.growth.plans.drafts import AnsweredDraft, FeedbackEntry
from attractor.growth.simulation.report import Simulation
from attractor.growth.simulation.traffic import Conditions, Exchange
from attractor.growth.specification.document import SECTION
from attractor.growth.specification.graph import ROOT, Provenance, Relation
from attractor.growth.specification.node_kind import node_kinds
from attractor.growth.specification.store import SpecRecord
from attractor.pipeline.simulation.pipeline_tests import PipelineTestFile
from attractor.scenarios.check import CheckResult, check_registry
from attractor.scenarios.evaluation import NoResult, StepOutput
from attractor.scenarios.findings import ChangeFindingKind
from attractor.scenarios.requirements import RequirementList
from attractor.scenarios.suite import Scenario, SuiteSettings
from attractor.twins.exchange.answer import Fault
from attractor.twins.recordings.recording import Recording
from attractor.twins.script.script import Script
from attractor.twins.services.recordings import RecordedExchange
from attractor.twins.services.route import RouteTable, kind_registry
from attractor.twins.services.service import ServiceTable

Schema = dict[str, Any]

FOLDER = Path(__file__).parent / "reference" / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Generator(GenerateJsonSchema):
    """Writes defaults as in TOML, and no titles made of field names."""

    def encode_default(self, dft: Any) -> Any:
        """Write a duration with its unit."""
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Leave out titles, which repeat the names."""
        return False

    def dataclass_schema(self, schema: Any) -> Schema:
        """Refuse unknown fields, as the readers of records do."""
        return {**super().dataclass_schema(schema), "additionalProperties": False}

    def emit_warning(self, kind: Any, detail: str) -> None:
        """Accept that defaults without a JSON form are left out."""


def schema_of(type_: object) -> Schema:
    """Return the schema of a model or another type."""
    return TypeAdapter(cast("type[object]", type_)).json_schema(schema_generator=_Generator)


class Record(BaseModel):
    """A record that Attractor writes; a field without a default is always there."""

    model_config = ConfigDict(extra="forbid")


class OptionRecord(Record):
    """An option of a question."""

    key: str
    label: str


class BranchRecord(Record):
    """A branch around a question; of a branch for an item also its index, from 1."""

    branch: str
    name: str
    node: str
    index: int = 0
    count: int = 0
    item: JsonValue = None


class QuestionRecord(Record):
    """A question to a person."""

    id: str
    text: str
    kind: QuestionKind
    options: list[OptionRecord]
    stage: str
    deadline: str
    default: str = ""
    timeout_seconds: float | None = None
    metadata: dict[str, JsonValue] = {}
    within: list[BranchRecord] = []


class AnswerRecord(Record):
    """An answer, and the person or program that gave it."""

    kind: AnswerKind
    value: str
    by: str
    proof: str = ""
    selected_option: OptionRecord | None = None
    text: str = ""


class RecordedAnswer(Record):
    """A line of a recording of answers."""

    question: QuestionRecord
    answer: AnswerRecord


class Report(Record):
    """The outcome of a stage, as an agent reports it."""

    outcome: Literal["success", "partial_success", "retry", "fail"]
    preferred_label: str | None = None
    suggested_next_ids: list[str] | None = None
    context_updates: dict[str, JsonValue] | None = None
    notes: str | None = None
    failure_reason: str | None = None
    failure_class: Literal["", "retryable", "terminal", "verdict"] | None = None


_Outcome = Literal["success", "partial_success", "retry", "fail"] | Report
Outcomes = dict[str, _Outcome | list[_Outcome]]
Inputs = dict[str, str | float | bool]


class BaseRecord(Record):
    """The commit and the trees that a run started from."""

    commit: str
    tree: str
    candidate: str


class Manifest(Record):
    """The origin of a run; it never changes."""

    format: Literal[1]
    run_id: str
    pipeline: str
    goal: str
    started: datetime
    content_hash: str
    base: BaseRecord
    agents: str = Field(description="the hash of the project's agents")
    parent: str
    forked_at: str
    restart: int
    suite: str
    profile: str
    options: dict[str, JsonValue]
    versions: dict[str, str]
    promises: Promises


class WaitRecord(Record):
    """What a waiting run waits for, and the time of the next try."""

    reason: WaitReason
    until: datetime | None = None


class RecordedRun(Record):
    """The status of a run now, drawn from its journal."""

    run_id: str
    status: StatusWord
    phase: Phase
    reason: str
    wait: WaitRecord | None
    outcome: StageStatus | Literal[""]
    next_node: str
    is_paused: bool
    question: QuestionRecord | None
    questions: list[QuestionRecord]
    updated: datetime


class Final(Record):
    """The end of the walk of a run."""

    run_id: str
    pipeline: str
    goal: str
    outcome: StageStatus
    why: str
    node: str
    next: str = Field(description="the command that a person most likely needs next")
    stages: int
    visits: dict[str, int] = Field(description="the visits of nodes with more than one")
    redirects: int
    handled_failures: list[str]
    stepped_over: list[str]
    assumed_outcomes: list[str]
    usage: Usage
    seconds: float
    tree: str
    started: datetime
    ended: datetime


class Status(Record):
    """The outcome of an attempt of a stage (attractor-spec, appendix C)."""

    outcome: StageStatus
    preferred_label: str
    suggested_next_ids: list[str]
    context_updates: dict[str, JsonValue]
    notes: str
    failure_reason: str
    failure_class: FailureClass | Literal[""]
    usage: Usage
    visit: int
    attempt: int
    started: datetime
    ended: datetime


class StageCount(Record):
    """The visits of a node, and its last outcome."""

    node: str
    visits: int
    outcome: StageStatus
    retries: int = 0
    branches: list[str] = []
    failure: str = ""
    failure_count: int = 0


class Position(Record):
    """The line of the journal that a checkpoint belongs to."""

    seq: int
    offset: int
    prev: str


class Checkpoint(BaseModel):
    """The state of a run up to one line of its journal (attractor-spec 5.3).

    Only the keys of the specification and the stages are described; the others are internal.
    """

    model_config = ConfigDict(extra="allow")

    timestamp: datetime
    position: Position
    current_node: str
    completed_nodes: list[str] = []
    node_retries: dict[str, int] = {}
    context: dict[str, JsonValue] = {}
    logs: list[str] = []
    next_node: str = ""
    stages: list[StageCount] = []
    usage: Usage = Usage()
    run: dict[str, JsonValue]


class Order(Record):
    """An order of a person to a run: an answer, a pause, a cancellation, a message."""

    action: Action
    by: str
    why: str
    question: str
    value: str
    proof: str = ""


class StoredFiles(Record):
    """The files that a pipeline names, in base64."""

    files: dict[str, str]


class Event(Record):
    """An event of a run; its `type` decides what is in `data`."""

    seq: int = Field(ge=1)
    time: datetime
    run_id: str
    type: str
    node: str = ""
    visit: int = 0
    attempt: int = 0
    branch: str = ""
    data: dict[str, JsonValue]
    prev: str
    hash: str


class RuleRecord(Record):
    """The result of a rule of the gate; of a failed rule also its remedy and cause."""

    rule: str
    applies: bool
    passed: bool
    figure: str
    threshold: str
    words: str
    remedy: str = ""
    domain: Domain | None = None
    culprit: Culprit | None = None


class ReasonRecord(Record):
    """A failed rule."""

    rule: str
    words: str


class TroubleRecord(Record):
    """Trouble in a trial, without any text of a holdout."""

    culprit: Culprit
    reason: str


class CountedTrouble(TroubleRecord):
    """Trouble in trials, and how often it happened."""

    count: int


class ReplayRecord(Record):
    """A person's order to play cut trials again."""

    count: int
    by: str
    rationale: str


class SuiteSetupRecord(Record):
    """The result of the setup of a suite that was executed once for all trials."""

    tree: str = Field(description="the hash of what it left, or empty")
    failure: str = Field(description="the reason of its failure, or empty")
    missing: str = Field(description="the program that was not found, or empty")
    left_out: int = Field(description="special and unreadable files that trials did not get")
    starts: int = Field(description="more than 1 if the process died during the setup")


class VerdictCostRecord(Record):
    """The cost of all finished evaluations of a run, with the money of judge and reader."""

    trials: int
    seconds: float
    processor_seconds: float
    judge_usd: float
    judge_unpriced_tokens: int


class MeasuredRecord(Record):
    """Counts of what a suite noticed at its registration; they contain no names."""

    project: str
    seal: str
    attractor: str = Field(description="the version that measured")
    commit: str = Field(description="the commit on which it was measured; empty outside of Git")
    wrong: int = Field(description="wrong solutions that count")
    noticed: int = Field(description="wrong solutions that a holdout noticed")
    elsewhere: int = Field(description="of them, those that no holdout in `noticed_by` noticed")
    silent: int = Field(description="wrong solutions that say nothing, which do not count")
    changes: int = Field(description="changes that were left out of references")
    changes_noticed: int


class FindingRecord(Record):
    """A place in a change that is worth a look."""

    file: str
    line: int = Field(description="of a removed line, its number before the change")
    kind: ChangeFindingKind
    words: str


class ReadingRecord(Record):
    """The findings of the reader of a change, which decide nothing."""

    findings: list[FindingRecord]
    left_out: list[str] = Field(description="files, or parts, that the model did not read")
    dropped: int = Field(description="findings without a place in the change, or above the maximum")
    not_read: str = Field(description="the reason if the model failed, or empty")
    cost_usd: float
    tokens: int
    unpriced_tokens: int


class GateRecord(Record):
    """The verdict of the gate, without any text of a holdout."""

    go: bool
    reasons: list[ReasonRecord]
    rules: list[RuleRecord]
    played: int
    satisfied: int
    satisfaction: str = Field(description="an exact fraction, such as 2/3")
    lower_bound: float
    bound_means: str
    flaky: int
    troubles: list[CountedTrouble] = Field(default=[], description="also those before a retry")
    replays: list[ReplayRecord] = Field(default=[], description="absent without such an order")
    carried: list[str] = Field(default=[], description="paths of the project that trials got")
    setups: list[SuiteSetupRecord] = Field(
        default=[], description="absent without a setup of the suite that was executed once"
    )
    suite_notes: list[str] = Field(
        default=[],
        description="absent if a person registered the suite, and its trials proved it",
    )
    measured: MeasuredRecord | None = Field(
        default=None, description="null if the suite was not measured"
    )
    reading: ReadingRecord | None = Field(
        default=None, description="absent if no reader was asked about the change"
    )
    cost: VerdictCostRecord | None = Field(
        default=None, description="absent in reports of earlier versions"
    )


class Trial(Record):
    """The result of a trial, with the messages of the checks."""

    scenario: str
    trial: int
    satisfied: bool
    checks: list[CheckResult]
    duration_ms: int
    retries: int
    error: str
    culprit: Culprit | Literal[""]
    seed: int
    cost_usd: float
    tokens: int
    processor_ms: int = Field(default=0, description="absent if it was not measured")
    troubles: list[TroubleRecord] = Field(default=[], description="absent without trouble")
    no_result: NoResult | None = Field(default=None, description="absent with a result")
    stderr: list[StepOutput] = Field(
        default=[], description="of steps of a trial that is not satisfied, where they wrote any"
    )
    stdout: list[StepOutput] = Field(
        default=[], description="as stderr; of a request, the body of its response"
    )


class StoredTrial(Record):
    """A sealed result of a trial."""

    trial: Trial
    seal: str


class PublicTrial(Record):
    """The result of a trial in counts; `scenario` is an opaque name."""

    scenario: str
    trial: int
    satisfied: bool
    checks: int
    passed: int
    duration_ms: int
    retries: int
    is_error: bool
    culprit: Culprit | Literal[""]
    cost_usd: float
    tokens: int
    processor_ms: int = Field(default=0, description="absent if it was not measured")
    troubles: list[TroubleRecord] = Field(default=[], description="absent without trouble")
    no_result: NoResult | None = Field(default=None, description="absent with a result")
    seal: str


class SuiteLock(Record):
    """The sealed version of a suite: its files with their hashes."""

    suite: str
    version: int
    seal: str
    files: dict[str, str]
    proved_on: str = Field(
        default="", description="the commit on which the baselines were proved; absent without one"
    )
    edition: int = Field(
        default=1,
        description="the edition of the suite; absent in locks of earlier versions, whose "
        "patterns and paths keep their meaning",
    )


class TriggerRecord(Record):
    """The automation that started a run, and the occurrence for which it did."""

    automation: str
    kind: Literal["schedule", "http", "promotion", "ticket", "issue", "person"]
    occurrence: str


class Created(Record):
    """Data of `created`: a run began."""

    manifest: str
    pipeline: str
    project: str
    directory: str
    trigger: TriggerRecord | None = None
    in_project: bool = Field(False, description="the run works in the folder of the project")


class Carried(Record):
    """The paths of the project that trials got, and the hash of their contents."""

    paths: list[str]
    content: str
    have_changed: bool = Field(description="between the start and the end of the evaluation")


class EvaluationBegun(Record):
    """Data of `evaluation_begun`."""

    evaluation: int
    tree: str
    suite_seal: str
    promises: Promises
    protected_paths: list[str]
    carried: Carried | None = Field(default=None, description="absent if trials got no paths")
    of_tree: int = Field(
        default=1, description="the number of the evaluation among those of its tree and suite"
    )
    base: str = Field(
        default="", description="the tree before the change, if scenarios of the suite need it"
    )


class Evaluated(EvaluationBegun):
    """Data of `evaluated`: the results of all trials."""

    setup: SuiteSetupRecord | None = Field(
        default=None, description="absent without a setup of the suite that was executed once"
    )
    reading: ReadingRecord | None = Field(
        default=None, description="absent if the suite names no model of a judge"
    )
    trials: list[PublicTrial]
    journal_head: str


class Unfinished(Evaluated):
    """Data of `evaluation_unfinished`: some trials have no result."""


class TrialUnjudged(Record):
    """Data of `trial_unjudged`: the judge failed."""

    evaluation: int
    scenario: str
    trial: int
    kept: str = Field(description="the seal of the kept evidence")


class TrialOfEvaluation(Record):
    """The opaque name of a scenario, and the number of a trial."""

    scenario: str
    trial: int


class TrialsReplayed(Record):
    """Data of `trials_replayed`: a person ordered that cut trials are played again."""

    evaluation: int
    tree: str
    suite_seal: str
    trials: list[TrialOfEvaluation]
    by: str
    rationale: str


class TrialFailed(PublicTrial):
    """Data of `trial_failed`."""

    evaluation: int


class Ended(Record):
    """Data of `ended`: a run failed or was canceled."""

    status: StatusWord
    journal_head: str
    unsearched: str = Field(default="", description="why no leak was searched for")


class Leaked(Record):
    """Data of `leaked`: a holdout leaked in a run."""

    suite: str
    places: list[str]
    count: int


class PackageRecord(Record):
    """A package with which an app runs."""

    version: str
    files: str = Field(default="", description="the hash of its list of files, or empty")


class Released(Record):
    """Data of `released`: the result of a run became the running app."""

    project: str
    stage: str
    commit: str
    tree: str = Field(description="the hash of its files")
    sandbox: str
    packages: dict[str, PackageRecord]


class TaskRemoved(Record):
    """Data of `task_removed`: `gc` removed an old run of an actor."""

    actor: str
    dimension: str = Field(description="where it worked; empty if no suite can judge its files")
    promises: dict[str, bool]
    cost_usd: float


class _ByPerson(Record):
    pipeline: str
    by: str
    proof: Proof


class AttemptRecord(Record):
    """An attempt of a race."""

    run_id: str
    backend: str
    model: str
    provider: str


class RaceBegun(Record):
    """Data of `race_begun`: a race, before its first attempt."""

    race_id: str
    project: str
    by: str
    pipeline: str
    suite: str
    profile: str
    commit: str
    attempts: list[AttemptRecord]
    counted: int = Field(description="the attempts of all races with this suite from this tree")
    at_once: int
    request: dict[str, JsonValue] = Field(description="what all attempts are asked for")
    stop: Stop = Field(Stop.ALL, description="with `first_go`, the first go ends the race")
    pool: str = Field("", description="the pool of the fleet that executes the attempts, or empty")
    tree: str = Field("", description="the tree of the commit; absent in lines of earlier versions")


class AttemptResultRecord(Record):
    """The result of an attempt, as the ranking reads it."""

    run_id: str
    status: StatusWord | Literal["not begun"]
    tree: str
    verdict: str = Field(description="empty if no trial judged it")
    satisfied: int
    played: int
    bound: float
    cost_usd: float
    changed_lines: int
    changed_files: int


class RaceEnded(Record):
    """Data of `race_ended`: the results of all attempts, and their ranking."""

    race: str
    project: str
    by: str = Field("", description="the person who gave up other attempts, or who began the race")
    results: list[AttemptResultRecord]
    ranking: list[str] = Field(description="the trees, best first")
    winner: str = Field(description="a run, or empty")
    time_decided: bool = Field(
        default=False, description="the first go ended the race before others were judged"
    )


class MissionLanded(Record):
    """Data of `mission_landed`: the branch of a mission got the work of the run; no promotion."""

    mission: str
    project: str
    task: str
    branch: str
    tree: str
    before: str = Field(description="a commit")
    after: str = Field(description="a commit")


class ProposalApplied(Record):
    """Data of `proposal_applied`: a person applied a proposal of an agent; no promotion."""

    proposal: str
    project: str
    run: str = Field(description="the run that the proposal is about")
    branch: str
    before: str = Field(description="a commit")
    after: str = Field(description="a commit")
    files: list[str]
    by: str
    proof: str


class RaceOfDecision(Record):
    """The race of an approved attempt."""

    race: str
    rank: int | None
    lost: list[str]


class AnsweredFinding(FindingRecord):
    """A finding of the reader, and whether the person agreed with it."""

    is_agreed: bool


class Decided(_ByPerson):
    """Data of `decided`: an approval or a rejection, and all that it is about."""

    verdict: DecisionKind
    rationale: str
    tree: str
    result_tree: str
    commit: str
    base_commit: str
    registered: str
    pipeline_hash: str
    suite: str
    profile: str
    gate: GateRecord
    waived: list[str]
    retries: int
    evaluations: list[str]
    journal_head: str
    subject: str = Field(
        default="",
        description="that of the promoted commit; absent in decisions of earlier versions",
    )
    race: RaceOfDecision | None = None
    shown_s: float | None = None
    findings: list[AnsweredFinding] = Field(
        default=[], description="absent if the person answered no finding"
    )


class Waived(_ByPerson):
    """Data of `waived`."""

    scenario: str
    reason: str
    expires: datetime
    tree: str
    suite: str


class Amended(_ByPerson):
    """Data of `amended`."""

    decision: str
    rationale: str = ""
    note: str = ""
    defect: str = ""
    repaired_by: str = ""
    no_defect: str = ""


class Promoted(Record):
    """Data of `promoted`."""

    pipeline: str
    branch: str
    commit: str
    tag: str
    base: str
    decision: str
    rebased_from: str
    by: str
    pull_request: str = Field(default="", description="its address, if a forge merged it")
    unjudged_tree: str = Field(
        default="", description="the merged tree, if it was not judged: the target had moved"
    )


class Proposed(Record):
    """Data of `proposed`: a pull request of the result was opened or updated."""

    pipeline: str
    forge: str
    repository: str
    number: int
    url: str
    branch: str
    target: str
    base: str
    commit: str
    decision: str
    remarks: list[str] = Field(default=[], description="the ids of the remarks that it was given")
    by: str


class PullRequestRead(Record):
    """Data of `pull_request_read`: what others said about a pull request."""

    pipeline: str
    repository: str
    number: int
    failed: list[str] = Field(description="the names of the failed checks")
    remarks: list[str] = Field(description="the ids of the remarks of people with write access")
    ignored: list[str] = Field(description="the logins of people without write access")
    content: str = Field(description="the hash of pull_request.json")
    by: str


class ProposalEnded(Record):
    """Data of `proposal_ended`: a pull request that was no promotion."""

    pipeline: str
    repository: str
    number: int
    how: Literal["closed", "merged outside"]
    commit: str
    by: str


class RolledBack(Record):
    """Data of `rolled_back`."""

    pipeline: str
    branch: str
    commit: str
    revert: str
    by: str
    reason: str


class EndingRecord(Record):
    """The reason why no new run may use a version."""

    how: str
    when: datetime
    by: str
    reason: str


class VersionLine(Record):
    """Data about a version of a profile, suite or pipeline."""

    project: str
    kind: ResourceKind
    name: str
    version: int
    content: str
    registered: datetime
    by: str
    data: dict[str, JsonValue]
    ending: EndingRecord | None


class TokenRevoked(Record):
    """Data of `token_revoked`."""

    name: str
    digest: str
    by: str


class TokenCreated(TokenRevoked):
    """Data of `token_created`."""

    scope: Scope
    projects: list[str] = Field(
        default_factory=list[str], description="the ids of its projects; without it, all"
    )
    automation: str = Field(default="", description="the automation whose runs it starts")


class AutomationLine(Record):
    """Data of `automation_created` and `automation_removed`."""

    name: str
    project: str
    digest: str = Field(description="the hash of its record")
    by: str


class ProjectAdopted(Record):
    """Data of `project_adopted`."""

    project: str
    before: str = Field(description="the id until then, or empty")
    directory: str = Field(description="the runs folder")
    by: str


class ClockCorrected(Record):
    """Data of `clock_corrected`."""

    ahead: datetime = Field(description="the latest time ever recorded")
    by: str
    proof: Proof


class LedgerLine(Record):
    """A line of the ledger; its `kind` decides what is in `data`."""

    kind: LineKind
    run_id: str
    time: datetime
    data: dict[str, JsonValue]
    seq: int = Field(ge=1)
    prev: str
    hash: str
    seal: str


class NodeFile(Record):
    """A node of a specification; `kind` is also the name of its folder."""

    id: str = Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)?$")
    kind: str = Field(json_schema_extra={"enum": [ROOT, SECTION, *node_kinds()]})
    fields: dict[str, JsonValue]
    edges: dict[Relation, list[str]]
    provenance: Provenance


class ProposalFile(Record):
    """Morphs and tests, as the planner writes them."""

    morphs: list[JsonValue] = Field(min_length=1)
    tests: list[str]


class PlannedMorphRecord(Record):
    """A morph of a plan, with the additions of the rules."""

    id: str
    morph: JsonValue
    plate: str
    level: Level
    risk: Risk
    reads: list[str] = Field(description="nodes, and slots such as `name of triage`")
    writes: list[str]
    reversible: bool


class PlanFile(Record):
    """A plan; it never changes."""

    plan_id: str
    attempt: int = Field(ge=1)
    base: str = Field(description="the hash of the specification before the plan")
    result: str = Field(description="the hash of the specification after the plan")
    development: str = Field(description="the hash of the developmental specification")
    desires: list[UserDesire]
    morphs: list[PlannedMorphRecord]
    tests: list[str]
    hashes: dict[str, str] = Field(description="the hash of each node read or written")
    first: bool = Field(default=False, description="whether it is the first stage of an app")
    text: str = Field(default="", description="the hash of mutation.md without its title")


class StageFile(Record):
    """A stage of the lineage of an app; it never changes."""

    stage: str
    kind: StageKind
    spec_hash: str
    plan_hash: str = Field(description="empty for a roll-back")
    migration_hash: str
    parent: str = ""
    desires: list[str] = []
    returns_to: str = Field(default="", description="the stage that a roll-back restores")
    generated: str = Field(
        default="", description="the hash of `app/generated.json` in the tree that it restores"
    )
    plan: PlanFile | None = None
    day: str = Field(default="", description="the day of the plan commit")
    words: list[str] = Field(default=[], description="the changes in words for people")


class DeploymentLine(Record):
    """A state in the deployment of a plan or a roll-back; the last line is the current state."""

    state: Literal["deploying", "parked", "failed", "deployed", "dropped"]
    by: str = Field(default="", description="the person who began to deploy")
    run_id: str = ""
    waits_for: Literal["", "answer", "decision", "rejection", "run"] = ""


class GeneratedRecord(Record):
    """A generated file, with the nodes that it depends on."""

    nodes: list[str]
    hash: str
    part: FilePart


_LINES: Mapping[str, type[Record]] = {
    LineKind.CREATED: Created,
    LineKind.EVALUATION_BEGUN: EvaluationBegun,
    LineKind.EVALUATED: Evaluated,
    LineKind.TRIAL_FAILED: TrialFailed,
    LineKind.TRIAL_UNJUDGED: TrialUnjudged,
    LineKind.UNFINISHED: Unfinished,
    LineKind.TRIALS_REPLAYED: TrialsReplayed,
    LineKind.ENDED: Ended,
    LineKind.LEAKED: Leaked,
    LineKind.RACE_BEGUN: RaceBegun,
    LineKind.RACE_ENDED: RaceEnded,
    LineKind.MISSION_LANDED: MissionLanded,
    LineKind.PROPOSAL_APPLIED: ProposalApplied,
    LineKind.RELEASED: Released,
    LineKind.TASK_REMOVED: TaskRemoved,
    LineKind.DECIDED: Decided,
    LineKind.WAIVED: Waived,
    LineKind.AMENDED: Amended,
    LineKind.PROMOTED: Promoted,
    LineKind.ROLLED_BACK: RolledBack,
    LineKind.PROPOSED: Proposed,
    LineKind.PULL_REQUEST_READ: PullRequestRead,
    LineKind.PROPOSAL_ENDED: ProposalEnded,
    LineKind.PROFILE_REGISTERED: VersionLine,
    LineKind.SUITE_REGISTERED: VersionLine,
    LineKind.SUITE_MEASURED: MeasuredRecord,
    LineKind.PIPELINE_REGISTERED: VersionLine,
    LineKind.RETIRED: VersionLine,
    LineKind.BURNED: VersionLine,
    LineKind.TOKEN_CREATED: TokenCreated,
    LineKind.TOKEN_REVOKED: TokenRevoked,
    LineKind.AUTOMATION_CREATED: AutomationLine,
    LineKind.AUTOMATION_REMOVED: AutomationLine,
    LineKind.PROJECT_ADOPTED: ProjectAdopted,
    LineKind.CLOCK_CORRECTED: ClockCorrected,
}


def _event() -> Schema:
    kinds = {kind.__name__: _event_model(kind) for kind in get_args(EngineEvent)}
    return _with_data(Event, "type", kinds)


def _event_model(kind: type[object]) -> type[BaseModel]:
    """Return the data of an event as a model of pydantic, which cannot read the type Json."""
    members: dict[str, Any] = {
        one.name: (_readable(one.type), ... if _is_required(one) else None)
        for one in fields(cast("Any", kind))
    }
    return create_model(kind.__name__, __base__=Record, __doc__=kind.__doc__, **members)


def _is_required(field: Any) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _readable(type_: Any) -> Any:
    origin = get_origin(type_)
    if origin in (Union, UnionType):
        return Union[tuple(map(_readable, get_args(type_)))]  # noqa: UP007
    return {dict: dict[str, JsonValue], list: list[JsonValue]}.get(origin, type_)


def _with_data(envelope: type[BaseModel], key: str, kinds: Mapping[str, type[BaseModel]]) -> Schema:
    """Return the schema of a line whose `data` depends on the value of a key."""
    schema, definitions = schema_of(envelope), Schema()
    for name, model in kinds.items():
        inner = TypeAdapter(model).json_schema(schema_generator=_Generator)
        definitions |= inner.pop("$defs", {})
        definitions[f"data_{name}"] = inner
    cases = [
        {
            "if": {"properties": {key: {"const": str(name)}}},
            "then": {"properties": {"data": {"$ref": f"#/$defs/data_{name}"}}},
        }
        for name in kinds
    ]
    return {**schema, "$defs": {**schema.get("$defs", {}), **definitions}, "allOf": cases}


def _scenario() -> Schema:
    schema = schema_of(Scenario)
    kinds = {name: schema_of(kind) for name, kind in check_registry().items()}
    _choose(schema, schema["properties"]["checks"], kinds, base={})
    del schema["$defs"]["CheckSpec"]
    return schema


def _service() -> Schema:
    schema, route = schema_of(ServiceTable), schema_of(RouteTable)
    kinds = {name: schema_of(kind) for name, kind in kind_registry().items()}
    schema["properties"]["routes"] = {"type": "array", "minItems": 1}
    _choose(schema, schema["properties"]["routes"], kinds, base=route)
    schema["required"] = [*schema["required"], "routes"]
    rule, fault = schema["$defs"]["FaultRule"], schema_of(Fault)
    del rule["properties"]["fault"]
    # The table of a rule contains the keys of its fault; a delay is a kind of fault there.
    rule["properties"] = {**fault["properties"], **rule["properties"]}
    rule["properties"]["kind"] = {"enum": [*fault["$defs"]["FaultKind"]["enum"], "delay"]}
    rule["required"] = ["kind"]
    return schema


def _with_morphs(type_: type[Record], holder: str = "") -> Schema:
    """Return a schema with morphs, which have the parameters of their types."""
    schema = schema_of(type_)
    kinds = {name: schema_of(kind) for name, kind in morph_registry().items()}
    items = Schema()
    _choose(schema, items, kinds, base={}, key="type")
    if holder:
        schema["$defs"][holder]["properties"]["morph"] = items["items"]
    else:
        schema["properties"]["morphs"] |= items
    return schema


def _choose(
    schema: Schema,
    items: Schema,
    kinds: Mapping[str, Schema],
    *,
    base: Schema,
    key: str = "kind",
) -> None:
    """Restrict the items of a list to the keys of their kind, selected by the value of a key."""
    definitions = schema.setdefault("$defs", {})
    definitions |= base.get("$defs", {})
    for name, kind in kinds.items():
        definitions |= kind.pop("$defs", {})
        definitions[f"kind_{name}"] = {
            **kind,
            "properties": {
                **base.get("properties", {}),
                **kind.get("properties", {}),
                key: {"const": name},
            },
            "required": [
                key,
                *(one for one in base.get("required", []) if one != key),
                *kind.get("required", []),
            ],
        }
    items["items"] = {
        "required": [key],
        "properties": {key: {"enum": list(kinds)}},
        "allOf": [
            {
                "if": {"properties": {key: {"const": name}}},
                "then": {"$ref": f"#/$defs/kind_{name}"},
            }
            for name in kinds
        ],
    }


def _of(type_: object) -> Callable[[], Schema]:
    return lambda: schema_of(type_)


FORMATS: Mapping[str, Callable[[], Schema]] = {
    # Written by people and agents.
    "settings": _of(model_of(Settings)),
    "suite": _of(SuiteSettings),
    "requirements": _of(RequirementList),
    "scenario": _scenario,
    "profile": _of(model_of(Profile)),
    "agent": _of(AgentSettings),
    "development": _of(DevelopmentalSpec),
    "desires": _of(UserDesire | str | list[UserDesire | str]),
    "proposal": lambda: _with_morphs(ProposalFile),
    "pipeline-test": _of(PipelineTestFile),
    "outcomes": _of(Outcomes),
    "inputs": _of(Inputs),
    "twin-script": _of(Script),
    "service-twin": _service,
    "report": _of(Report),
    # Written by Attractor.
    "manifest": _of(Manifest),
    "run": _of(RecordedRun),
    "event": _event,
    "checkpoint": _of(Checkpoint),
    "status": _of(Status),
    "final": _of(Final),
    "stored-files": _of(StoredFiles),
    "order": _of(Order),
    "answers": _of(RecordedAnswer),
    "feedback": _of(Feedback),
    "pull-request": _of(PullRequestFeedback),
    "gate-report": _of(GateRecord),
    "ledger-line": lambda: _with_data(LedgerLine, "kind", _LINES),
    "stored-trial": _of(StoredTrial),
    "suite-lock": _of(SuiteLock),
    "provider-recording": _of(Recording),
    "service-recording": _of(RecordedExchange),
    "spec-node": _of(NodeFile),
    "spec-stage": lambda: _with_morphs(StageFile, "PlannedMorphRecord"),
    "generated": _of(dict[str, GeneratedRecord]),
    "growth-plan": lambda: _with_morphs(PlanFile, "PlannedMorphRecord"),
    "growth-simulation": _of(Simulation),
    "growth-build": _of(Build),
    "growth-deployment": _of(DeploymentLine),
    "release": _of(ReleaseRecord),
    "app-backup": _of(Backup),
    "app-feedback": _of(FeedbackEntry),
    "answered-draft": _of(AnsweredDraft),
    "spec-record": _of(SpecRecord),
    "growth-intake": _of(Intake),
    "app-recording": _of(Conditions),
    "app-traffic": _of(Exchange),
}
"""The schema of each format, in the order of the page."""


def write_schema(name: str) -> str:
    """Return the text of the schema of a format."""
    schema = {"$schema": DIALECT, "title": name, **FORMATS[name]()}
    return json.dumps(schema, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def write_schemas() -> None:
    """Write every schema, and remove the ones without a format."""
    FOLDER.mkdir(exist_ok=True)
    for name in FORMATS:
        (FOLDER / f"{name}.json").write_text(write_schema(name), "utf-8")
    for file in FOLDER.glob("*.json"):
        if file.stem not in FORMATS:
            file.unlink()


if __name__ == "__main__":
    write_schemas()
