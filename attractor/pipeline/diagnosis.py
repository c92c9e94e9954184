"""Says of a run why it ended or stands as it does, what it took, and what to do; asks no model."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.json import Json
from attractor.engine.outcome import Usage
from attractor.engine.routing.retry import Loop, find_loops
from attractor.engine.run_folder.layout import read_files
from attractor.engine.run_folder.open_run import is_held
from attractor.engine.state.checkpoint import open_journal
from attractor.engine.state.progress import InFlight
from attractor.engine.state.run_state import RunState, outcome_of
from attractor.language.diagnostics import Diagnostic
from attractor.language.preparation.prepare import KnownFiles, Prepared, prepare
from attractor.language.source.parse import decode
from attractor.pipeline.case import Case, Finding
from attractor.pipeline.history import Note
from attractor.pipeline.reading_history import read_history
from attractor.pipeline.run_records import RunRecord, read_run
from attractor.pipeline.situations import explain
from attractor.pipeline.stage_totals import StageTotal, add_up
from attractor.pipeline.used import used_by

TAKEN_FOR_GRANTED = frozenset(
    {"undeclared_node", "unknown_attribute", "context_key_written", "type_known", "shape_known"}
)
"""The rules that tell of what a pipeline does not say and a run goes by all the same."""


@dataclass(frozen=True)
class Diagnosis:
    """What can be said of a run from its records alone.

    `seconds` is what its stages took, `wall` from the first to the last event, `waited` for people.
    """

    case: Case
    finding: Finding
    stages: Sequence[StageTotal]
    loops: Sequence[tuple[Loop, int]]
    assumed: Sequence[str]
    interruptions: Sequence[Note]
    not_kept: Sequence[str]
    usage: Usage
    seconds: float
    wall: float
    waited: float

    @property
    def outcome(self) -> str:
        """How the walk ended, if it did."""
        outcome = outcome_of(self.case.state)
        return outcome.value if outcome else ""

    def to_record(self) -> dict[str, Json]:
        """Return it for a program."""
        manifest, standing = self.case.run.manifest, self.case.state.standing
        finding = self.finding
        return {
            "run_id": manifest.run_id,
            "directory": str(self.case.run.directory.root),
            "pipeline": manifest.pipeline,
            "parent": manifest.parent,
            "forked_at": manifest.forked_at,
            "status": standing.status.value,
            "phase": standing.phase.value,
            "live": self.case.is_live,
            "outcome": self.outcome,
            "verdict": finding.verdict,
            "causes": list(finding.causes),
            "remedies": [{"what": one.what, "command": one.command} for one in finding.remedies],
            "stages": [one.to_record() for one in self.stages],
            "loops": [{"nodes": list(loop), "times": times} for loop, times in self.loops],
            "failures": [
                {
                    "node": one.node,
                    "visit": one.visit,
                    "attempt": one.attempt,
                    "error": one.error,
                    "tried_again": one.will_retry,
                }
                for one in self.case.history.failures
            ],
            "assumed": list(self.assumed),
            "interruptions": [
                {"time": one.time.isoformat(), "what": one.words} for one in self.interruptions
            ],
            "not_kept": list(self.not_kept),
            "seconds": round(self.seconds, 3),
            "wall_seconds": round(self.wall, 3),
            "waited_seconds": round(self.waited, 3),
            "cost_usd": round(self.usage.cost_usd, 6),
            "input_tokens": self.usage.input_tokens,
            "output_tokens": self.usage.output_tokens,
        }


def diagnose(root: Path, *, reference: str, now: datetime) -> Diagnosis:
    """Diagnose the run in a directory, which somebody may be at work on."""
    run = read_run(root)
    # In this order: what is not held any more has written all it had to say.
    is_live = is_held(run.directory.lock)
    found = open_journal(run.directory.events, run.directory.checkpoint)
    state = found.state if is_live else found.at_rest
    history = read_history(run)
    prepared = _prepared(run)
    graph = prepared.graph if prepared else None
    case = Case(run, state, history, reference, is_live, now, graph)
    wall = (history.last - history.first).total_seconds() if history.first and history.last else 0
    return Diagnosis(
        case=case,
        finding=explain(case),
        stages=add_up(history.visits, _flights(state), now),
        loops=sorted(find_loops(history.path()).items(), key=lambda one: -one[1]),
        assumed=[*history.assumed, *_undeclared(prepared.diagnostics if prepared else ())],
        interruptions=history.interruptions,
        not_kept=history.not_kept,
        usage=used_by(run.directory, state),
        seconds=state.seconds(now),
        wall=wall,
        waited=history.waited,
    )


def _flights(state: RunState) -> Sequence[InFlight]:
    return [one.in_flight for one in state.strands.values() if one.in_flight]


def _prepared(run: RunRecord) -> Prepared | None:
    """Read the pipeline as the run has it; what cannot be read any more says less, that is all."""
    file = run.directory.graph
    try:
        text = decode(file.read_bytes(), file=str(file))
        return prepare(text, file=str(file), files=KnownFiles(read_files(run.directory)))
    except (OSError, AttractorError):
        return None


def _undeclared(diagnostics: Sequence[Diagnostic]) -> Iterator[str]:
    for one in diagnostics:
        if one.rule in TAKEN_FOR_GRANTED:
            yield f"{one.rule}: {one.message}"
