"""Collects the facts of a run that a person sees before deciding."""

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.base.records import write_fields
from attractor.engine.outcome import Usage, usage_to_record
from attractor.engine.storage.json_files import Fields
from attractor.factory.candidate_run import CandidateRun
from attractor.factory.evaluation.evaluate import Evaluator
from attractor.factory.evaluation.gate import gate
from attractor.factory.gate_records import GateInput, GateReport
from attractor.factory.history.records import origin_of
from attractor.factory.ledger.ledger import LedgerEntry, LineKind
from attractor.interviewers.auto_approve import NAME as AUTO_APPROVE
from attractor.pipeline.project.project import Project
from attractor.pipeline.workspace.diffstat import Diffstat, read_diffstat
from attractor.records.about import about_of, given_of
from attractor.records.delivery import read_delivery
from attractor.records.lookup import used_by
from attractor.records.receipts import ReceiptEvidence, describe_providers, find_evidence
from attractor.records.timeline import Timeline, read_recorded
from attractor.scenarios.evaluation import count_trials
from attractor.workspaces.result_tree import BUILD_FOLDERS
from attractor.workspaces.run_store import STORES, read_record

MOST_EARLIER = 10


@dataclass(frozen=True)
class Count:
    """The satisfied and played trials of a scenario in one run."""

    run_id: str
    satisfied: int
    played: int

    def __str__(self) -> str:
        return f"{self.satisfied}/{self.played}"


@dataclass(frozen=True)
class ScenarioTrials:
    """The trials of a held-out scenario: of this run's tree, and of earlier runs, oldest first.

    `name` is opaque; `id` and `title` are words of a holdout, for the operator only. `passed` means
    that enough trials of this run's tree are satisfied.
    """

    name: str
    id: str
    title: str
    passed: bool
    now: Count
    earlier: tuple[Count, ...]
    waived_until: datetime | None = None

    def to_record(self, *, to_operator: bool) -> dict[str, Json]:
        """Return the JSON record, with words of the holdout for the operator."""
        words: dict[str, Json] = {"id": self.id, "title": self.title} if to_operator else {}
        return {
            "name": self.name,
            **words,
            "passed": self.passed,
            "satisfied": self.now.satisfied,
            "played": self.now.played,
            "earlier": [write_fields(one) for one in self.earlier],
            "waived_until": self.waived_until.isoformat() if self.waived_until else "",
        }


@dataclass(frozen=True)
class LeftOut:
    """Files that are not part of the judged result.

    `excluded` and `ignored` are patterns: of project files that the workspace lacked, and of files
    that snapshots leave out. `refused` are files that a snapshot could not contain.
    """

    excluded: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


@dataclass(frozen=True)
class Review:
    """The facts that a person sees before deciding on a run.

    `look` is the command that shows all changes. `assumed` are stages whose success was assumed,
    `auto_approved` counts the human gates that were approved automatically. `providers` says with
    which providers agents wrote and reviewed.
    """

    facts: CandidateRun
    judged: GateInput
    report: GateReport
    changes: Diffstat | None
    look: str
    scenarios: tuple[ScenarioTrials, ...]
    usage: Usage
    work_seconds: float
    assumed: tuple[str, ...]
    auto_approved: int
    left_out: LeftOut
    receipts: ReceiptEvidence = ReceiptEvidence()
    providers: str = ""

    def to_record(self, *, to_operator: bool) -> dict[str, Json]:
        """Return the JSON record, with words of holdouts for the operator only."""
        manifest = self.facts.manifest
        return {
            "run_id": self.facts.run_id,
            "status": str(self.facts.state.status),
            "goal": manifest.goal,
            "about": about_of(manifest),
            "given": dict(given_of(manifest)),
            "started": manifest.started.isoformat(),
            "changes": self.changes.to_record() if self.changes else None,
            "look": self.look,
            "gate": self.report.to_record(),
            "scenarios": [one.to_record(to_operator=to_operator) for one in self.scenarios],
            "usage": {
                **usage_to_record(self.usage),
                "judge_usd": self.judged.cost.judge.cost_usd,
                "judge_unpriced_tokens": self.judged.cost.judge.unpriced_tokens,
                "work_seconds": round(self.work_seconds, 3),
                "trial_seconds": round(self.judged.cost.seconds, 3),
            },
            "assumed": {"stages": list(self.assumed), "auto_approved_gates": self.auto_approved},
            "left_out": write_fields(self.left_out),
            **({"receipts": self.receipts.to_record()} if self.receipts else {}),
            **({"providers": self.providers} if self.providers else {}),
            "judged_by": {
                "pipeline": manifest.pipeline,
                "pipeline_hash": self.facts.pipeline_hash,
                "suite": manifest.suite,
                "profile": manifest.profile,
            },
        }


async def review(facts: CandidateRun, evaluator: Evaluator, project: Project) -> Review:
    """Collect the facts for a decision on a run; all records are verified first."""
    judged = evaluator.judged(facts)
    state = facts.state
    changes = await read_diffstat(project, facts.run_id, facts.tree)
    timeline = read_recorded(facts.directory.root)
    return Review(
        facts=facts,
        judged=judged,
        report=gate(judged),
        changes=changes,
        look=_look(facts),
        scenarios=tuple(_scenarios(facts, judged, evaluator)),
        usage=used_by(facts.directory, state),
        work_seconds=state.progress.seconds if state.progress else 0.0,
        assumed=tuple(dict.fromkeys(state.progress.assumed)) if state.progress else (),
        auto_approved=state.answer_counts.get(AUTO_APPROVE, 0),
        left_out=_left_out(project, facts.run_id, timeline.not_kept),
        receipts=evidence_of(facts, changes, timeline),
        providers=describe_providers(timeline),
    )


def evidence_of(
    facts: CandidateRun, changes: Diffstat | None, timeline: Timeline | None = None
) -> ReceiptEvidence:
    """Return the receipts of a run, and the changed files on which they depend."""
    root = facts.directory.root
    paths = [one.path for one in changes.files] if changes else []
    return find_evidence(root, timeline or read_recorded(root), facts.tree, paths)


def _look(facts: CandidateRun) -> str:
    """Return the command that shows all changes of a run."""
    delivery = read_delivery(facts.directory)
    if delivery.branch:
        return f"git diff {facts.manifest.base.commit[:12]}..{shlex.quote(delivery.branch)}"
    return f"less {shlex.quote(str(delivery.patch.place))}" if delivery.patch else ""


def _left_out(project: Project, run_id: str, not_kept: Sequence[str]) -> LeftOut:
    # The workspace may be removed already.
    record = read_record(project.machine.state_dir / STORES / run_id)
    refused = tuple(not_kept)
    if record is None:
        return LeftOut(refused=refused)
    builds = [f"{name}/ beside {' or '.join(files)}" for name, files in BUILD_FOLDERS.items()]
    ignored = (*record.ignored, *record.leave_out, *(builds if record.leaves_out_builds else []))
    return LeftOut(record.excluded, ignored, refused)


def _scenarios(
    facts: CandidateRun, judged: GateInput, evaluator: Evaluator
) -> Iterable[ScenarioTrials]:
    holdouts = judged.suite.of_split("holdout") if judged.suite else ()
    if not holdouts:
        return
    earlier = _earlier(facts, list(evaluator.ledger.entries()))
    waived = {one.scenario: one.expires for one in judged.waivers}
    for scenario, tally in zip(
        holdouts, count_trials(holdouts, judged.counting_results()), strict=True
    ):
        name = evaluator.results.opaque_name(scenario.id)
        yield ScenarioTrials(
            name,
            scenario.id,
            scenario.title,
            tally.passed,
            Count(facts.run_id, tally.satisfied, tally.played),
            tuple(
                Count(run_id, satisfied[name], played[name])
                for run_id, (satisfied, played) in earlier.items()
                if played[name]
            )[-MOST_EARLIER:],
            waived.get(scenario.id),
        )


_Counts = tuple[Counter[str], Counter[str]]


def _earlier(facts: CandidateRun, entries: Sequence[LedgerEntry]) -> Mapping[str, _Counts]:
    """Return the satisfied and played trials by scenario of earlier runs of the pipeline.

    Only runs of the same project count: a scenario of another project may have the same name.
    """
    created = {one.run_id: one for one in entries if one.kind == LineKind.CREATED}
    found: dict[str, _Counts] = {}
    if facts.run_id not in created:
        return found
    own = created[facts.run_id]
    earlier = {
        run_id
        for run_id, one in created.items()
        if one.head.seq < own.head.seq and origin_of(one) == origin_of(own)
    }
    for entry in entries:
        if entry.kind != LineKind.EVALUATED or entry.run_id not in earlier:
            continue
        satisfied, played = found.setdefault(entry.run_id, (Counter(), Counter()))
        for trial in Fields(entry.data, "ledger: evaluated").inners("trials"):
            name = trial.text("scenario")
            played[name] += 1
            satisfied[name] += trial.flag("satisfied")
    return found
