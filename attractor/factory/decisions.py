"""The decision on a run: in the ledger, which counts, and in the run's folder for its readers.

The two are compared before anything rests on them. A ledger and its head that were put back
together to an earlier day verify, but the run's own line shows that there was more.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from attractor.base.errors import NotCanonical
from attractor.base.journal import Journal, read_lines
from attractor.base.json import Json, canonical_json, parse_json
from attractor.engine.state.run_state import APPROVED, REJECTED
from attractor.factory.errors import DecisionsDiffer
from attractor.factory.ledger import Entry, Ledger
from attractor.factory.run_facts import RunFacts

DECIDED = "decided"
DECISIONS_FILE = "decisions.jsonl"


def decision_of(ledger: Ledger, run: RunFacts) -> Entry | None:
    """Return the decision on a run, when there is one, and make the run's folder agree with it.

    A line that a process died before writing is written now; any other difference is refused.
    """
    decided = [one for one in ledger.entries(run.run_id) if one.kind == DECIDED]
    file = run.directory.root / DECISIONS_FILE
    wanted, kept = [_line(one) for one in decided], _kept(file)
    if kept != wanted[: len(kept)]:
        raise DecisionsDiffer(f"{file} holds what {ledger.file} does not")
    if not decided and run.state.standing in (APPROVED, REJECTED):
        raise DecisionsDiffer(
            f"{ledger.file} holds no decision, but the run is {run.state.standing}"
        )
    for entry in decided[len(kept) :]:
        keep_in_run(run.directory.root, entry)
    return decided[0] if decided else None


def keep_in_run(root: Path, entry: Entry) -> None:
    """Keep a decision in the run's own folder too, for whoever reads only that."""
    with Journal.open(root / DECISIONS_FILE) as journal:
        journal.append(canonical_json(_line(entry)))


def _line(entry: Entry) -> dict[str, Json]:
    return {
        "run_id": entry.run_id,
        "time": entry.time,
        "data": dict(entry.data),
        "ledger": {"seq": entry.head.seq, "hash": entry.head.hash},
    }


def _kept(file: Path) -> Sequence[Mapping[str, Json] | Json]:
    if not file.exists():
        return []
    try:
        return [parse_json(line.content) for line in read_lines(file)]
    except NotCanonical as cause:
        raise DecisionsDiffer(f"{file} is {cause}") from cause
