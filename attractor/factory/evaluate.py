"""Evaluates a run: plays its suite on copies of its tree, seals the result, and asks the gate.

Evaluations as the ledger keeps them, pooled over every run that came to the same tree.

When an evaluation begins it gets a line, and another one when it is through. One that was given up
in between still counts with the trials that it finished: whoever starts another run on the same
tree does not get rid of a red one.

Says which changes of a candidate touch what judges, steers or builds the project.

Agents may change the product. What else a project has, its owner changes: the scenarios and records
it is judged by, the agents and settings of its factory, what its machines run by themselves, and
what git itself takes orders from.
"""

from collections.abc import Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import ChainBroken, VerificationError
from attractor.base.hash_chain import GENESIS
from attractor.base.json import Json, JsonObject
from attractor.base.toml import printable
from attractor.engine.journal.checkpoint import verify_journal
from attractor.engine.run_folder.layout import (
    NAMES,
    RunDirectory,
    promises_from_record,
    promises_to_record,
    read_manifest,
)
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.seams import Workspace
from attractor.engine.state.identifiers import TreeId
from attractor.engine.state.run_state import AWAITING_DECISION, EVALUATING, QUEUED
from attractor.engine.storage.json_files import Fields, write_document
from attractor.engine.truncation import shorten
from attractor.environments.environment import Promises
from attractor.environments.selection import EnvironmentChoice
from attractor.factory.errors import NotDecidable
from attractor.factory.gate import Evaluated, GateReport, Judged, gate
from attractor.factory.ledger import Entry, Ledger
from attractor.factory.run_index import DECIDED, Project, RunFacts, Stores, facts_of
from attractor.factory.trials import Results, Sitting, TrialLog, events_of
from attractor.pipeline.components.prepared_run import PreparedRun
from attractor.scenarios.evaluation import TrialResult, evaluate
from attractor.scenarios.suite_reader import SealedSuite
from attractor.workspaces.dimension import Dimension
from attractor.workspaces.git.gitignore import IgnoreRules
from attractor.workspaces.git.reserved_names import is_modules, offending_attributes

BEGUN = "evaluation_begun"
EVALUATED = "evaluated"


@dataclass(frozen=True)
class Begun:
    """An evaluation that begins: whose, by which suite, what is guarded, and what it touched."""

    sitting: Sitting
    suite_seal: str
    promises: Promises
    protected_paths: tuple[str, ...] = ()

    def to_record(self) -> dict[str, Json]:
        """Return it as the ledger keeps it."""
        return {
            "evaluation": self.sitting.number,
            "tree": self.sitting.tree,
            "suite_seal": self.suite_seal,
            "promises": promises_to_record(self.promises),
            "protected_paths": list(self.protected_paths),
        }


def evaluated_to_record(begun: Begun, told: Sequence[JsonObject], head: str) -> dict[str, Json]:
    """Return an evaluation that is through: what pins every trial, and the head of the journal."""
    return {
        **begun.to_record(),
        "trials": [dict(one) for one in told],
        "journal_head": head,
    }


@dataclass(frozen=True)
class Pool:
    """What the ledger knows of evaluations, with the results that they rest on."""

    entries: Sequence[Entry]
    results: Results

    def finished(self, run_id: str) -> list[Entry]:
        """Return the lines of a run's evaluations that are through, oldest first."""
        return [one for one in self.entries if one.kind == EVALUATED and one.run_id == run_id]

    def has_begun(self, sitting: Sitting) -> bool:
        """Tell whether an evaluation has its first line already."""
        return any(one.kind == BEGUN and _sitting(one) == sitting for one in self.entries)

    def of_run(self, run_id: str) -> list[Evaluated]:
        """Return the evaluations of a run that are through."""
        return [self._read(one) for one in self.finished(run_id)]

    def of_others(self, run_id: str, tree: str, suite_seal: str) -> list[Evaluated]:
        """Return what other runs found out about the same tree by the same suite."""
        of_tree = [
            one
            for one in self.entries
            if one.kind in (BEGUN, EVALUATED)
            and one.run_id != run_id
            and (one.data["tree"], one.data["suite_seal"]) == (tree, suite_seal)
        ]
        through = {_sitting(one) for one in of_tree if one.kind == EVALUATED}
        return [
            self._read(one)
            for one in of_tree
            if one.kind == EVALUATED or _sitting(one) not in through
        ]

    def _read(self, entry: Entry) -> Evaluated:
        fields, sitting = _fields(entry), _sitting(entry)
        if entry.kind == EVALUATED:
            results = [self.results.pinned(sitting, one) for one in _trials(fields)]
        else:
            results = self.results.all_of(sitting)
        return Evaluated(
            tree=sitting.tree,
            suite_seal=fields.text("suite_seal"),
            promises=promises_from_record(fields.inner("promises")),
            results=tuple(results),
            is_through=entry.kind == EVALUATED,
            protected_paths=_protected(fields),
        )


def _sitting(entry: Entry) -> Sitting:
    fields = _fields(entry)
    return Sitting(entry.run_id, fields.number("evaluation"), fields.text("tree"))


def _protected(fields: Fields) -> tuple[str, ...]:
    # Lines from before there was the rule do not have it.
    return fields.texts("protected_paths") if "protected_paths" in fields.all() else ()


def _fields(entry: Entry) -> Fields:
    return Fields(entry.data, f"ledger: {entry.kind}")


def _trials(fields: Fields) -> list[JsonObject]:
    trials = [one for one in fields.items("trials") if isinstance(one, dict)]
    if len(trials) != len(fields.items("trials")):
        raise VerificationError("ledger: a trial is not one", hint="bring it back from a copy")
    return list[JsonObject](trials)


PROTECTED = (
    "/scenarios",
    "/runs",
    "/agents",
    "/attractor.toml",
    # What machines run by themselves when a branch is pushed.
    "/.github/workflows",
    "/.github/actions",
    "/.gitea/workflows",
    "/.forgejo/workflows",
    "/.gitlab-ci.y*ml",
    "/.gitlab/ci",
    "/.ci",
    "/.circleci",
    "/.buildkite",
    "/.woodpecker*",
    "/.travis.y*ml",
    "/.drone.y*ml",
    "/.cirrus.y*ml",
    "/.appveyor.y*ml",
    "/appveyor.y*ml",
    "/azure-pipelines.y*ml",
    "/bitbucket-pipelines.y*ml",
    "/Jenkinsfile",
)
"""The paths that no candidate may change, in the words of a `.gitignore`; case does not count."""

MOST = 50
LONGEST = 200


async def protected_changes(
    workspace: Workspace, tree: TreeId, *, more: Sequence[str] = (), allowed: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return what is protected of that in which a tree differs from what its run began with."""
    base = workspace.base.candidate
    offending: Sequence[str] = ()
    if isinstance(workspace, Dimension):
        offending = await offending_attributes(workspace.store, base, tree)
    changed = await workspace.changed(base, tree)
    return protected_paths(changed, offending=offending, more=more, allowed=allowed)


def protected_paths(
    changed: Sequence[str],
    *,
    offending: Sequence[str] = (),
    more: Sequence[str] = (),
    allowed: Sequence[str] = (),
) -> tuple[str, ...]:
    """Return the changed paths that are protected, as they can be shown; of very many the first.

    `offending` are those that git itself would refuse. More paths can be protected, and some of
    them allowed by name, but never one that tells git where to fetch submodules from.
    """
    lines = [*PROTECTED, *more, *(f"!{one}" for one in allowed)]
    rules = IgnoreRules({}, [line.casefold() for line in lines])
    found = {path for path in changed if _is_protected(path, rules)} | set(offending)
    shown = {shorten(printable(_without_scenario(path)), LONGEST) for path in found}
    return tuple(sorted(shown)[:MOST])


def _without_scenario(path: str) -> str:
    # Where agents work in place, the rest would be the name of a holdout.
    folder, slash, _ = path.partition("/")
    return folder + slash if folder.casefold() == "scenarios" else path


def _is_protected(path: str, rules: IgnoreRules) -> bool:
    # On some systems another case is the same file.
    name = path.casefold().encode("utf-8", "surrogateescape")
    return rules.hides(name) or any(map(is_modules, name.split(b"/")))


GATE_EVALUATED = "GateEvaluated"
REQUESTED = "EvaluationRequested"
CREATED = "created"
GUARDED = "StagesGuarded"
MOST_EVALUATIONS = 2


@dataclass(frozen=True)
class Evaluator:
    """Evaluates runs that ended well; built once for a call in a project."""

    stores: Stores
    ledger: Ledger
    results: Results
    project: Project
    trials: Path

    def begin(self, run: OpenRun, place: EnvironmentChoice) -> None:
        """Seal what a new run was made from, and note what guards its stages from here on."""
        facts = facts_of(run)
        if run.state.status == QUEUED:
            made = {
                "manifest": facts.manifest_hash(),
                **self.project.describe(run.directory.root),
            }
            self.ledger.append(CREATED, facts.run_id, made, now=run.clock.now(), once=True)
        self._require_manifest(facts, list(self.ledger.entries(facts.run_id)))
        run.emit(GUARDED, {"kind": place.kind, **promises_to_record(place.promises)}, sync=True)

    async def finish(self, run: OpenRun, prepared: PreparedRun) -> None:
        """Evaluate a run, ask the gate, and leave the run to a person's decision."""
        sealed = self.stores.suite(run.manifest.suite)
        if sealed is not None:
            await self._evaluate(run, prepared, sealed)
        report = gate(self.judged(facts_of(run)))
        self._write(run, _number(run), report)
        run.change_status(AWAITING_DECISION, f"gate: {'go' if report.go else 'no-go'}")

    def request_again(self, run: OpenRun, by: str) -> None:
        """Note that a person wants the tree evaluated once more; the first time still counts."""
        run_id = run.manifest.run_id
        if run.state.status != AWAITING_DECISION:
            raise NotDecidable(
                f"{run_id} is {run.state.status}; it can't be evaluated now",
                hint="a run is evaluated when its walk ended well, and again before it is decided",
            )
        if not run.manifest.suite:
            raise NotDecidable(
                f"{run_id} has no suite to be evaluated by", hint="start a run with --suite"
            )
        if _times(self.judged(facts_of(run))) >= MOST_EVALUATIONS:
            raise NotDecidable(
                f"the tree of {run_id} was evaluated {MOST_EVALUATIONS} times already",
                hint="more tries would only find the luck in it; decide, or start a new run",
            )
        run.emit(REQUESTED, {"by": by}, sync=True)
        run.change_status(EVALUATING, f"evaluated once more for {by}")

    def judged(self, run: RunFacts) -> Judged:
        """Return what the gate judges a run by, read afresh from the sealed records.

        The run's journal is verified from its first line, so that whoever judges has verified.
        """
        sealed = self.stores.suite(run.manifest.suite)
        entries = list(self.ledger.entries())
        own = [one for one in entries if one.run_id == run.run_id]
        pool = Pool(entries, self.results)
        self._require_manifest(run, own)
        _require_journal(run, own)
        seal = sealed.seal if sealed else ""
        return Judged(
            tree=run.tree,
            suite=sealed.suite if sealed else None,
            suite_seal=seal,
            evaluations=tuple(pool.of_run(run.run_id)),
            profile=self.stores.profile(run.manifest.profile),
            of_others=tuple(pool.of_others(run.run_id, run.tree, seal)),
        )

    def require_own(self, root: Path) -> None:
        """Refuse a run of another project, and a copy of a run, before anybody takes it up."""
        run_id = read_manifest(RunDirectory(root)).run_id
        for entry in self.ledger.entries(run_id):
            if entry.kind == CREATED:
                self.project.require_own(root, entry)

    def _require_manifest(self, run: RunFacts, own: Sequence[Entry]) -> None:
        """Refuse a manifest other than the one the run began with: it pins what judges the run."""
        made = [one for one in own if one.kind == CREATED]
        if not made and run.state.status == QUEUED:
            return
        if not made:
            self.ledger.require_there()
            raise VerificationError(
                f"{self.ledger.file} does not know the run {run.run_id}",
                hint="name the state folder the run was begun with, or bring it back from a copy",
            )
        if made[0].data["manifest"] != run.manifest_hash():
            raise VerificationError(
                f"{run.directory.manifest} is not what the run began with",
                hint="bring it back from a copy, or start a new run",
            )

    async def _evaluate(self, run: OpenRun, prepared: PreparedRun, sealed: SealedSuite) -> None:
        sitting = Sitting(run.manifest.run_id, _number(run), run.progress.tree)
        judged = self.judged(facts_of(run))
        if len(judged.evaluations) >= sitting.number:
            # The line was sealed, and the process died before the run's status was set.
            return
        log = TrialLog(run, sitting, self.results)
        protected = await protected_changes(prepared.workspace, sitting.tree)
        begun = Begun(sitting, sealed.seal, _kept_promises(run, prepared), protected)
        results = await self._play(run, prepared, sealed, judged, log, begun)
        told = [self.results.told(sitting, one) for one in results]
        record = evaluated_to_record(begun, told, run.events.head.hash)
        self.ledger.append(EVALUATED, run.manifest.run_id, record, now=run.clock.now())

    async def _play(
        self,
        run: OpenRun,
        prepared: PreparedRun,
        sealed: SealedSuite,
        judged: Judged,
        log: TrialLog,
        begun: Begun,
    ) -> list[TrialResult]:
        """Play what is missing; nothing, when this tree had its tries in other runs."""
        suite = sealed.suite
        earlier = log.earlier(suite)
        if _times(judged) >= MOST_EVALUATIONS and not earlier.has_begun:
            prepared.host.tell(f"This tree was evaluated {MOST_EVALUATIONS} times; that counts.")
            return []
        if not Pool(list(self.ledger.entries()), self.results).has_begun(log.sitting):
            self.ledger.append(BEGUN, run.manifest.run_id, begun.to_record(), now=run.clock.now())
        # Imported here: few callers need it.
        from attractor.factory.trial_player import TrialPlayer

        return await evaluate(
            suite.of_split("holdout"),
            TrialPlayer(run, prepared, suite, self.trials).play,
            log,
            trials=suite.settings.trials.n,
            infra_retries=suite.settings.trials.infra_retries,
            earlier=earlier,
        )

    def _write(self, run: OpenRun, number: int, report: GateReport) -> None:
        folder = run.directory.root / "evaluation" / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        write_document(folder / "report.json", run.redactor.members(report.to_record()))
        run.emit(GATE_EVALUATED, {"evaluation": number, **report.to_record()}, sync=True)


def _number(run: OpenRun) -> int:
    """Return which of its evaluations a run is at, counted from 1."""
    return 1 + sum(1 for _ in events_of(run.directory.events, (REQUESTED,)))


def _times(judged: Judged) -> int:
    """Return how often this tree was tried, by whichever run, where it counts for it."""
    tried = (*judged.evaluations, *judged.of_others)
    return sum(one.is_through and bool(one.results) and judged.trusts(one) for one in tried)


def _kept_promises(run: OpenRun, prepared: PreparedRun) -> Promises:
    """Return what was guarded both while agents worked and while the candidate was tried."""
    if not prepared.request.workspace.is_apart:
        return Promises()
    kept = [
        promises_to_record(run.manifest.promises),
        promises_to_record(prepared.sandbox.promises),
    ]
    kept += [dict(one.data) for one in events_of(run.directory.events, (GUARDED,))]
    return Promises(**{name: all(one.get(name) is True for one in kept) for name in NAMES})


def _require_journal(run: RunFacts, own: Sequence[Entry]) -> None:
    """Refuse a journal with a bad line, or one that lost what a sealed line rests on."""
    journal = run.directory.events
    sealed = {str(one.data["journal_head"]) for one in own if one.kind in (EVALUATED, DECIDED)}
    # What we know of the run came from this very journal.
    known = {run.head.hash} if run.head != GENESIS else set[str]()
    if verify_journal(journal, heads=sealed | known):
        raise ChainBroken(
            f"{journal} lacks lines that a sealed evaluation or decision rests on",
            hint="bring it back from a copy",
        )
