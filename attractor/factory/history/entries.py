"""The lines of the ledger in words; lists the decisions and promotions of a project."""

from collections.abc import Callable, Mapping
from datetime import datetime

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
from attractor.engine.storage.json_files import Fields
from attractor.factory.history.records import UNSEARCHED
from attractor.factory.ledger.ledger import UNJUDGED_TREE, Ledger, LedgerEntry, LineKind
from attractor.factory.project import created_runs
from attractor.factory.resources.suite_figures import SuiteFigures

SHOWN_HASH = 12

UNJUDGED = "the merged tree was not judged, because the target had moved"


@dataclass(frozen=True)
class HistoryEntry:
    """A line of the ledger about a decision or a promotion; `pipeline` is a name."""

    kind: str
    run_id: str
    time: datetime
    pipeline: str
    by: str
    words: str
    entry: LedgerEntry

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record: the data of the line, with its position in the ledger."""
        head = self.entry.head
        return {
            "kind": self.kind,
            "run_id": self.run_id,
            "time": self.entry.time,
            **self.entry.data,
            "ledger": {"seq": head.seq, "hash": head.hash},
        }


def read_history(
    ledger: Ledger,
    project_id: str,
    *,
    run_id: str = "",
    pipeline: str = "",
    since: datetime | None = None,
) -> list[HistoryEntry]:
    """Return the history of a project or run, oldest first; its lines are verified first."""
    found: list[HistoryEntry] = []
    entries = list(ledger.entries(run_id))
    ours = created_runs(entries, project_id)
    for entry in entries:
        if entry.kind not in _LISTED or entry.run_id not in ours:
            continue
        fields = Fields(entry.data, f"ledger: {entry.kind}")
        name = fields.text("pipeline")
        if pipeline in ("", name) and (since is None or entry.when >= since):
            words, by = line_words(entry.kind, entry.data), fields.text("by")
            found.append(HistoryEntry(entry.kind, entry.run_id, entry.when, name, by, words, entry))
    return found


def _decided(fields: Fields) -> str:
    return f"{fields.text('verdict')}: {fields.text('rationale')}"


def _waived(fields: Fields) -> str:
    until = fields.time("expires").astimezone().isoformat(sep=" ", timespec="minutes")
    return f"scenario {fields.text('scenario')} until {until}: {fields.text('reason')}"


def _amended(fields: Fields) -> str:
    words = [f"{label}{fields.text(name)}" for name, label in _AMENDED.items() if fields.has(name)]
    return "; ".join(words)


_AMENDED = {
    "rationale": "",
    "note": "",
    "defect": "defect: ",
    "repaired_by": "repaired by ",
    "no_defect": "no defect: ",
}


def _promoted(fields: Fields) -> str:
    unjudged = f"; {UNJUDGED}" if fields.has(UNJUDGED_TREE) else ""
    return f"to {fields.text('branch')} as {fields.text('commit')[:SHOWN_HASH]}{unjudged}"


def _proposed(fields: Fields) -> str:
    commit = fields.text("commit")[:SHOWN_HASH]
    return f"to {fields.text('target')} as {commit} in {fields.text('url')}"


def _pull_request_read(fields: Fields) -> str:
    failed, remarks = len(fields.items("failed")), len(fields.items("remarks"))
    return f"{number_of(failed, 'failed check')}, {number_of(remarks, 'remark')}"


def _proposal_ended(fields: Fields) -> str:
    return f"pull request {fields.number('number')} of {fields.text('repository')}: " + (
        fields.text("how")
    )


def _rolled_back(fields: Fields) -> str:
    revert = fields.text("revert")[:SHOWN_HASH]
    return f"from {fields.text('branch')} by {revert}: {fields.text('reason')}"


def _created(fields: Fields) -> str:
    return f"pipeline {fields.text('pipeline').partition('#')[0]}"


def _begun(fields: Fields) -> str:
    return f"evaluation {fields.number('evaluation')}"


def _trial_failed(fields: Fields) -> str:
    return f"scenario {fields.text('scenario')} in evaluation {fields.number('evaluation')}"


def _evaluated(fields: Fields) -> str:
    trials = fields.inners("trials")
    satisfied = sum(trial.flag("satisfied") for trial in trials)
    missing = sum(trial.has("no_result") for trial in trials)
    rest = f", {missing} without a result" if missing else ""
    return f"{_begun(fields)}: {satisfied} of {len(trials)} trials satisfied{rest}"


def _replayed(fields: Fields) -> str:
    trials = number_of(len(fields.items("trials")), "cut trial")
    return f"{trials} of {_begun(fields)} played again: {fields.text('rationale')}"


def _leaked(fields: Fields) -> str:
    suite = fields.text("suite").partition("#")[0]
    return f"suite {suite}, in {number_of(fields.number('count'), 'file')}"


def _ended(fields: Fields) -> str:
    unsearched = fields.has(UNSEARCHED)
    words = f", not searched for holdouts: {fields.text(UNSEARCHED)}" if unsearched else ""
    return f"{fields.text('status')}{words}"


def _version(fields: Fields) -> str:
    name = f"{fields.text('kind')} {fields.text('name')}@{fields.number('version')}"
    if not fields.has("ending"):
        return name
    ending = fields.inner("ending")
    return f"{name} {ending.text('how')}: {ending.text('reason')}"


def _measured(fields: Fields) -> str:
    return f"suite {fields.text('seal')[:12]}: {fields.whole(SuiteFigures)}"


def _race_begun(fields: Fields) -> str:
    attempts = number_of(len(fields.items("attempts")), "attempt")
    commit = fields.text("commit")[:SHOWN_HASH]
    return f"{attempts} from {commit}, {fields.number('counted')} counted"


def _race_ended(fields: Fields) -> str:
    winner = fields.text("winner")
    return f"{fields.text('race')}: {f'won by {winner}' if winner else 'no attempt has a go'}"


def _mission_landed(fields: Fields) -> str:
    after = fields.text("after")[:SHOWN_HASH]
    return f"{fields.text('task')} of the mission {fields.text('mission')} at {after}"


def _proposal_applied(fields: Fields) -> str:
    after = fields.text("after")[:SHOWN_HASH]
    return f"{fields.text('proposal')} to {fields.text('branch')} as {after}"


def _released(fields: Fields) -> str:
    return f"{fields.text('stage')} runs, sandbox: {fields.text('sandbox')}"


def _task_removed(fields: Fields) -> str:
    return f"of the actor {fields.text('actor')}"


def _token(fields: Fields) -> str:
    scope = f" with the scope {fields.text('scope')}" if fields.has("scope") else ""
    return f"{fields.text('name')}{scope}"


def _automation(fields: Fields) -> str:
    return fields.text("name")


def _adopted(fields: Fields) -> str:
    return f"in {fields.text('directory')}"


def _corrected(fields: Fields) -> str:
    return f"records up to {fields.text('ahead')} were dated ahead"


_LISTED: Mapping[str, Callable[[Fields], str]] = {
    LineKind.DECIDED: _decided,
    LineKind.WAIVED: _waived,
    LineKind.AMENDED: _amended,
    LineKind.PROMOTED: _promoted,
    LineKind.ROLLED_BACK: _rolled_back,
    LineKind.TRIALS_REPLAYED: _replayed,
    LineKind.PROPOSED: _proposed,
    LineKind.PROPOSAL_ENDED: _proposal_ended,
}
_WORDS: Mapping[str, Callable[[Fields], str]] = {
    **_LISTED,
    LineKind.CREATED: _created,
    LineKind.PULL_REQUEST_READ: _pull_request_read,
    LineKind.EVALUATION_BEGUN: _begun,
    LineKind.TRIAL_FAILED: _trial_failed,
    LineKind.TRIAL_UNJUDGED: _trial_failed,
    LineKind.UNFINISHED: _evaluated,
    LineKind.EVALUATED: _evaluated,
    LineKind.ENDED: _ended,
    LineKind.LEAKED: _leaked,
    LineKind.RACE_BEGUN: _race_begun,
    LineKind.RACE_ENDED: _race_ended,
    LineKind.MISSION_LANDED: _mission_landed,
    LineKind.PROPOSAL_APPLIED: _proposal_applied,
    LineKind.RELEASED: _released,
    LineKind.TASK_REMOVED: _task_removed,
    LineKind.PROFILE_REGISTERED: _version,
    LineKind.SUITE_REGISTERED: _version,
    LineKind.PIPELINE_REGISTERED: _version,
    LineKind.SUITE_MEASURED: _measured,
    LineKind.RETIRED: _version,
    LineKind.BURNED: _version,
    LineKind.TOKEN_CREATED: _token,
    LineKind.TOKEN_REVOKED: _token,
    LineKind.AUTOMATION_CREATED: _automation,
    LineKind.AUTOMATION_REMOVED: _automation,
    LineKind.PROJECT_ADOPTED: _adopted,
    LineKind.CLOCK_CORRECTED: _corrected,
}


def line_words(kind: str, data: JsonObject) -> str:
    """Return the data of a line of the ledger in words."""
    return _WORDS[kind](Fields(data, f"ledger: {kind}"))


def line_author(kind: str, data: JsonObject) -> str:
    """Return the person of a line, or the run; empty for a line without one."""
    fields = Fields(data, f"ledger: {kind}")
    if fields.has("ending"):
        fields = fields.inner("ending")
    return fields.text("by") if fields.has("by") else ""
