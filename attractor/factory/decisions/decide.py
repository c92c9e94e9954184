"""Records decisions of a person about a run: waivers, an approval or a rejection, amendments.

If the ledger grows after a check and before it is locked, the check is repeated.
A record is a line of the ledger with a copy in the run directory; a crash before the copy is
repaired when the decision is next read.
"""

import unicodedata
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NoGo, UnknownName, UsageError
from attractor.base.json import Json
from attractor.base.names import match_names
from attractor.base.records import write_fields
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.state.run_state import APPROVED, AWAITING_DECISION, REJECTED
from attractor.factory.candidate_run import before_a_decision, facts_of, lineage_of
from attractor.factory.errors import (
    AlreadyDecided,
    ClockSetBack,
    InvalidWaiver,
    NoDecision,
    NotDecidable,
    NotMarkable,
    RationaleTooShort,
)
from attractor.factory.evaluation.evaluate import Evaluator
from attractor.factory.evaluation.failed_scenarios import failed_scenarios
from attractor.factory.evaluation.gate import gate
from attractor.factory.gate_records import GateInput
from attractor.factory.history.records import copy_to_run, find_decision, marked_defects
from attractor.factory.history.trials import events_of
from attractor.factory.ledger.ledger import LONGEST_DELAY, Ledger, LedgerEntry, LineKind
from attractor.factory.races import Race, race_with, races_in, rank, results_of
from attractor.factory.register import GATE_EVALUATED
from attractor.records.delivery import BRANCH_WRITTEN
from attractor.records.lookup import reference_of
from attractor.records.request import how_to_be_judged, promoting_command
from attractor.records.summary import NOT_JUDGED
from attractor.workspaces.commits import subject_from

T = TypeVar("T")

SHORTEST_RATIONALE = 10
FEWEST_CHARACTERS = 4
"""The number of different letters and digits that a rationale needs at least."""
SHORTEST_NAME = 4
LONGEST_WAIVER = timedelta(days=14)
_HINT = "reject it, fix the problems in a new run, or waive failed scenarios"


class Proof(StrEnum):
    """The proofs of the identity of the person who decides."""

    TERMINAL = "terminal"
    TOKEN = "token"


class DecisionKind(StrEnum):
    """The kinds of decisions."""

    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Operator:
    """A person, and the proof of the person's identity."""

    name: str
    proof: Proof


@dataclass(frozen=True)
class Decision:
    """A decision, with the person who decides, and the rationale."""

    verdict: DecisionKind
    by: Operator
    rationale: str
    shown_s: float | None = None
    """The seconds since the person was first shown the page; None if nothing measured them."""
    answers: Mapping[int, bool] | None = None
    """Whether the person agrees with findings of the reader, by their numbers."""


@dataclass(frozen=True)
class Amendment:
    """Words for a decision: a better rationale, a note, or a mark on an approval.

    A `defect` says what went wrong with the approved result, which the commit `repaired_by`
    corrected; `no_defect` says why an earlier mark was wrong.
    """

    rationale: str = ""
    note: str = ""
    defect: str = ""
    repaired_by: str = ""
    no_defect: str = ""

    def to_record(self) -> dict[str, Json]:
        """Return the words that are given, or raise an error."""
        words = {name: one.strip() for name, one in vars(self).items() if one}
        if not words.keys() - {"repaired_by"}:
            raise UsageError(
                "missing amendment", hint="pass --reason, --note, --defect or --no-defect"
            )
        if self.repaired_by and not self.defect:
            raise UsageError("a commit without a defect", hint="pass --defect, too")
        if self.defect and self.no_defect:
            raise UsageError("a defect and its withdrawal", hint="pass one of them")
        for name in words.keys() - {"repaired_by"}:
            require_words(words[name])
        return {**words}


def require_decidable(
    run: OpenRun,
    evaluator: Evaluator,
    verdict: DecisionKind,
    rationale: str,
    *,
    by: str,
    answers: Mapping[int, bool] | None = None,
) -> GateInput:
    """Evaluate the gate again; refuse a decision that could not be recorded."""
    # This also verifies the records that are used below.
    judged = evaluator.judged(facts_of(run))
    if judged.suite is None:
        # With a suite, the gate reads and verifies all lines.
        evaluator.ledger.require_intact()
    require_words(rationale)
    _require_undecided(run, evaluator)
    if verdict is DecisionKind.APPROVED:
        _require_ended_race(run, evaluator)
        require_go(run, judged, "approval", by=by, hint=_HINT)
    _require_answers(judged, verdict, answers or {})
    return judged


def answers_of(agree: Collection[int], dismiss: Collection[int]) -> Mapping[int, bool]:
    """Return the answers to findings by the numbers of those agreed with and those dismissed."""
    if both := set(agree) & set(dismiss):
        raise UsageError(f"two answers to finding {min(both)}", hint="give one of them")
    return {**dict.fromkeys(agree, True), **dict.fromkeys(dismiss, False)}


def _require_answers(judged: GateInput, verdict: DecisionKind, answers: Mapping[int, bool]) -> None:
    """Refuse answers to unknown findings, and an approval without those that a profile demands."""
    known = range(1, 1 + len(judged.reading.findings if judged.reading else ()))
    if unknown := sorted(answers.keys() - set(known)):
        raise UsageError(
            f"no finding {unknown[0]} of the reader", hint="attractor gate lists the findings"
        )
    is_demanded = judged.profile.policy.findings == "answer" and verdict is DecisionKind.APPROVED
    if is_demanded and (missing := sorted(set(known) - answers.keys())):
        raise NotDecidable(
            f"no answer to finding {', '.join(map(str, missing))} of the reader of the change",
            hint=f"for each one, pass --agree or --dismiss: --dismiss {missing[0]}",
        )


def _own_race(run: OpenRun, evaluator: Evaluator) -> Race | None:
    """Return the race of which a run, or one that it continues, is an attempt.

    The race that counts for the bound may be another one, with an equal tree.
    """
    begun = evaluator.ledger.mentioning(LineKind.RACE_BEGUN.value)
    return race_with(races_in(begun), lineage_of(facts_of(run)))


def _require_ended_race(run: OpenRun, evaluator: Evaluator) -> None:
    """Refuse to approve an attempt of a race before all its attempts are ranked."""
    race = _own_race(run, evaluator)
    if race and results_of(evaluator.ledger, race.race_id) is None:
        raise NotDecidable(
            f"{run.manifest.run_id} is an attempt of race {race.race_id}, which has not ended",
            hint=f"continue it: attractor race resume {race.race_id}; or give up attempts that "
            f"have not begun: attractor race end {race.race_id}",
        )


def decide(run: OpenRun, evaluator: Evaluator, decision: Decision) -> LedgerEntry:
    """Record a decision; an approval requires that the gate says go, evaluated again."""
    _require_proof(run, decision.by)

    def check() -> GateInput:
        verdict, rationale = decision.verdict, decision.rationale
        by, answers = decision.by.name, decision.answers
        return require_decidable(run, evaluator, verdict, rationale, by=by, answers=answers)

    with _checked(evaluator, "attractor decide", check) as judged:
        data = _decision(run, evaluator, decision, judged)
        entry = _append(run, evaluator, LineKind.DECIDED, decision.by, data)
        _set_status(run, entry)
    return entry


def waive(
    run: OpenRun,
    evaluator: Evaluator,
    scenario: str,
    *,
    by: Operator,
    reason: str,
    expires_in: timedelta,
) -> LedgerEntry:
    """Record that a failed scenario, named by id or opaque name, does not stop an approval.

    The waiver ends after a time, and counts for this run only.
    """
    _require_proof(run, by)

    def check() -> str:
        judged = evaluator.judged(facts_of(run))
        require_words(reason)
        _require_undecided(run, evaluator)
        if not timedelta(0) < expires_in <= LONGEST_WAIVER:
            raise InvalidWaiver(
                "invalid duration of a waiver", hint="write a duration of at most 14 days: 7d"
            )
        return _waivable(judged, evaluator, scenario)

    with _checked(evaluator, "attractor decide --waive", check) as waived:
        data: dict[str, Json] = {
            "scenario": waived,
            "reason": reason.strip(),
            "expires": (run.clock.now() + expires_in).isoformat(),
            "tree": run.progress.tree,
            "suite": run.manifest.suite,
        }
        entry = _append(run, evaluator, LineKind.WAIVED, by, data)
        names = ("scenario", "reason", "expires", "by", "proof")
        run.emit("ScenarioWaived", {one: entry.data[one] for one in names}, sync=True)
    return entry


def amend(run: OpenRun, evaluator: Evaluator, amendment: Amendment, *, by: Operator) -> LedgerEntry:
    """Add words to a decision; they cannot change the verdict."""
    _require_proof(run, by)
    words = amendment.to_record()

    def check() -> LedgerEntry:
        evaluator.judged(facts_of(run))
        decision = find_decision(evaluator.ledger, facts_of(run))
        if decision is None:
            raise NoDecision(f"no decision on {run.manifest.run_id}")
        _require_markable(run, evaluator, amendment, decision)
        return decision

    with _checked(evaluator, "attractor amend", check) as decision:
        data: dict[str, Json] = {"decision": decision.head.hash, **words}
        entry = _append(run, evaluator, LineKind.AMENDED, by, data)
        data = {name: one for name, one in entry.data.items() if name != "pipeline"}
        run.emit("DecisionAmended", data, sync=True)
    return entry


def _require_markable(
    run: OpenRun, evaluator: Evaluator, amendment: Amendment, decision: LedgerEntry
) -> None:
    """Refuse a mark on a run that is not approved, a second one, and the withdrawal of none."""
    run_id, verdict = run.manifest.run_id, decision.data["verdict"]
    name = reference_of(run.directory.root, evaluator.opened.project.runs_dir)
    if not (amendment.defect or amendment.no_defect):
        return
    if verdict != DecisionKind.APPROVED:
        raise NotMarkable(f"{run_id} is {verdict}", hint="mark the run that was approved")
    marked = marked_defects(evaluator.ledger.entries(run_id))
    if amendment.defect and marked:
        raise NotMarkable(
            f"{run_id} is marked already: {marked[run_id]}",
            hint=f"to withdraw the mark: attractor amend {name} --no-defect",
        )
    if amendment.no_defect and not marked:
        raise NotMarkable(
            f"{run_id} is not marked", hint=f"to mark it: attractor amend {name} --defect"
        )


def settle_decision(run: OpenRun, ledger: Ledger) -> None:
    """Complete a decision whose process died before it changed the status of the run."""
    entry = find_decision(ledger, facts_of(run))
    if entry and run.state.status == AWAITING_DECISION:
        _set_status(run, entry)


@contextmanager
def _checked(evaluator: Evaluator, purpose: str, check: Callable[[], T]) -> Generator[T]:
    """Check, and lock the ledger; check again if lines were added before the lock.

    Checking a long ledger takes seconds, in which other runs should not wait for the lock.
    """
    head = evaluator.ledger.head()
    checked = check()
    with evaluator.ledger.locked(purpose):
        yield checked if evaluator.ledger.head() == head else check()


def _append(
    run: OpenRun, evaluator: Evaluator, kind: str, by: Operator, data: dict[str, Json]
) -> LedgerEntry:
    """Write a line about a run to the ledger and to the run directory."""
    manifest, now = run.manifest, run.clock.now()
    ahead = evaluator.ledger.latest_ahead()
    # A run from before a correction of the clock may be dated ahead.
    earliest = run.last_activity if ahead is None or run.last_activity > ahead else now
    if now < earliest - LONGEST_DELAY:
        raise ClockSetBack(f"the clock is earlier than the last event of {manifest.run_id}")
    record: dict[str, Json] = {
        "pipeline": manifest.pipeline,
        "by": by.name,
        "proof": by.proof.value,
    }
    record = run.redactor.members({**record, **data})
    entry = evaluator.ledger.append(
        kind, manifest.run_id, record, now=now, once=kind == LineKind.DECIDED
    )
    if entry is None:
        raise AlreadyDecided(f"{manifest.run_id} is already decided")
    copy_to_run(run.directory.root, entry)
    return entry


def _require_proof(run: OpenRun, by: Operator) -> None:
    """Refuse a terminal if tools ran without a sandbox: an agent could have opened it."""
    if by.proof is not Proof.TOKEN and not run.manifest.promises.guards_holdouts:
        raise UsageError(
            "cannot prove who decides: the run had no verified sandbox",
            hint="use a token: attractor token create",
        )


def require_words(words: str) -> None:
    """Refuse a reason that is too short, invisible or repeats a few characters."""
    shown = "".join(
        character for character in unicodedata.normalize("NFKC", words) if _is_visible(character)
    )
    if len(shown.strip()) < SHORTEST_RATIONALE:
        raise RationaleTooShort()
    if (
        len({character for character in shown.casefold() if character.isalnum()})
        < FEWEST_CHARACTERS
    ):
        raise RationaleTooShort("the reason repeats a few characters")


def _is_visible(character: str) -> bool:
    # Braille blank and the fillers of Hangul are letters or symbols without a shape.
    return unicodedata.category(character)[0] != "C" and character not in "\u2800\u115f\u1160"


def _require_undecided(run: OpenRun, evaluator: Evaluator) -> None:
    """Refuse a second decision, and a decision on a run that does not wait for one."""
    entry = find_decision(evaluator.ledger, facts_of(run))
    status = run.state.status
    name = reference_of(run.directory.root, evaluator.opened.project.runs_dir)
    if entry is not None:
        verdict = entry.data["verdict"]
        is_approved = verdict == DecisionKind.APPROVED
        promote = promoting_command(run.manifest, name)
        then = f"next: {promote}" if is_approved else "start a new run"
        raise AlreadyDecided(
            f"{run.manifest.run_id} is already {verdict}",
            hint=f"to add a note: attractor amend {name}; {then}",
        )
    if status != AWAITING_DECISION:
        raise NotDecidable(
            f"{run.manifest.run_id} is {status}, not waiting for a decision",
            hint=before_a_decision(status, name),
        )


def require_go(run: OpenRun, judged: GateInput, refused_as: str, *, by: str, hint: str) -> None:
    """If the gate says no-go, record in the journal what is refused, and refuse it."""
    report = gate(judged)
    if report.go:
        return
    refused: dict[str, Json] = {"refused": refused_as, "by": by, **report.to_record()}
    run.emit(GATE_EVALUATED, refused, sync=True)
    if report.verdict == NOT_JUDGED:
        raise NoGo(
            report.verdict, hint=f"{how_to_be_judged(run.manifest)}, or merge the result by hand"
        )
    words = "; ".join(f"{one.rule}: {one.words}" for one in report.reasons)
    raise NoGo(f"the gate says no-go: {words}", hint=hint)


def _waivable(judged: GateInput, evaluator: Evaluator, name: str) -> str:
    """Return the opaque name of a failed scenario.

    The scenario is named by its id, its opaque name, or a unique beginning of the opaque name.
    """
    holdouts = judged.suite.of_split("holdout") if judged.suite else ()
    names = {one.id: evaluator.results.opaque_name(one.id) for one in holdouts}
    begun = match_names(name, names, lambda one: [names[one]])
    is_unique = len(begun) == 1 and len(name) >= SHORTEST_NAME
    id_ = name if name in names else begun[0] if is_unique else None
    if id_ is None:
        # Not the ids, which are words of holdouts.
        raise UnknownName("held-out scenario", name, names.values())
    if id_ not in {one.scenario for one in failed_scenarios(judged)}:
        raise InvalidWaiver(f"{name} did not fail", hint="waive failed scenarios only")
    if judged.suite and id_ in judged.suite.musts:
        raise InvalidWaiver(
            f"{name} must pass, so it cannot be waived", hint="fix the candidate in a new run"
        )
    return names[id_]


def _decision(
    run: OpenRun, evaluator: Evaluator, decision: Decision, judged: GateInput
) -> dict[str, Json]:
    """Return the data of a decision, with the hashes of all that it is about."""
    manifest, pipeline_hash = run.manifest, facts_of(run).pipeline_hash
    pipelines = evaluator.opened.pipelines.versions
    waived = [one.scenario for one in judged.waivers if one.expires > judged.now]
    # A run outside of a Git repository has neither commit nor result tree.
    written = [one.data for one in events_of(run.directory.events, (BRANCH_WRITTEN,))]
    findings = judged.reading.findings if judged.reading else ()
    answered: list[Json] = [
        {**write_fields(findings[number - 1]), "is_agreed": agreed}
        for number, agreed in sorted((decision.answers or {}).items())
    ]
    return {
        "verdict": decision.verdict.value,
        "rationale": decision.rationale.strip(),
        "tree": run.progress.tree,
        "result_tree": written[-1]["tree"] if written else "",
        "commit": written[-1]["commit"] if written else "",
        "subject": subject_from((manifest.goal, manifest.pipeline, manifest.run_id)),
        "base_commit": manifest.base.commit,
        "registered": pipelines.with_content(manifest.pipeline, pipeline_hash).pinned,
        "pipeline_hash": pipeline_hash,
        "suite": manifest.suite,
        "profile": manifest.profile,
        "gate": gate(judged).to_record(),
        "waived": [evaluator.results.opaque_name(one) for one in dict.fromkeys(waived)],
        "retries": sum(one.retries for one in run.progress.stages.values()),
        "evaluations": _evaluations(run, evaluator, judged),
        "journal_head": run.events.head.hash,
        **_race_record(run, evaluator, decision),
        **({} if decision.shown_s is None else {"shown_s": round(decision.shown_s, 1)}),
        **({"findings": answered} if answered else {}),
    }


def _evaluations(run: OpenRun, evaluator: Evaluator, judged: GateInput) -> list[Json]:
    """Return the lines of the finished evaluations of a run, and of others of its tree that count.

    An unchanged rebased run plays no trial: those of the earlier run count.
    """
    others = {one.run_id for one in judged.of_tree()}
    pinned = (judged.tree, judged.suite_seal)
    return [
        one.head.hash
        for one in evaluator.ledger.entries()
        if one.kind == LineKind.EVALUATED
        if one.run_id == run.manifest.run_id
        or (one.run_id in others and (one.data["tree"], one.data["suite_seal"]) == pinned)
    ]


def _race_record(run: OpenRun, evaluator: Evaluator, decision: Decision) -> dict[str, Json]:
    """Return the race of an approved attempt: its rank there, and the attempts that lost to it."""
    race = _own_race(run, evaluator)
    if race is None or decision.verdict is not DecisionKind.APPROVED:
        return {}
    own = lineage_of(facts_of(run))
    ranked = rank(results_of(evaluator.ledger, race.race_id) or ())
    ranks = (place for place, one in enumerate(ranked, 1) if not set(own).isdisjoint(one.run_ids))
    lost: list[Json] = [one for one in race.run_ids if one not in own]
    return {"race": {"race": race.race_id, "rank": next(ranks, None), "lost": lost}}


def _set_status(run: OpenRun, entry: LedgerEntry) -> None:
    verdict = str(entry.data["verdict"])
    data = {one: entry.data[one] for one in ("verdict", "by", "proof", "rationale")}
    run.emit("DecisionRecorded", {**data, "ledger_seq": entry.head.seq}, sync=True)
    status = APPROVED if verdict == DecisionKind.APPROVED else REJECTED
    run.change_status(status, str(entry.data["rationale"]))
