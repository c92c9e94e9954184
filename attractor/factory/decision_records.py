"""The decision on a run: in the ledger, which is decisive, and copied to the run directory.

Both are compared before use. A ledger that was restored from an old backup verifies, but the copy
in the run directory shows the missing line.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from attractor.base.errors import NotCanonical
from attractor.base.journal import Journal, read_lines
from attractor.base.json import Json, canonical_json, parse_json
from attractor.engine.state.run_state import APPROVED, REJECTED
from attractor.factory.errors import DecisionsDiffer
from attractor.factory.ledger import Ledger, LedgerEntry
from attractor.factory.run_facts import RunFacts

DECIDED = "decided"
DECISIONS_FILE = "decisions.jsonl"


def find_decision(ledger: Ledger, run: RunFacts) -> LedgerEntry | None:
    """Return the decision on a run, if any, and complete its copy in the run directory.

    Any other difference between ledger and copy is refused.
    """
    decided = [one for one in ledger.entries(run.run_id) if one.kind == DECIDED]
    file = run.directory.root / DECISIONS_FILE
    wanted, kept = [_line(one) for one in decided], _kept(file)
    if kept != wanted[: len(kept)]:
        raise DecisionsDiffer(f"{file} contains lines that {ledger.file} lacks")
    if not decided and run.state.status in (APPROVED, REJECTED):
        raise DecisionsDiffer(
            f"{ledger.file} lacks the decision of a run that is {run.state.status}"
        )
    for entry in decided[len(kept) :]:
        copy_to_run(run.directory.root, entry)
    return decided[0] if decided else None


def copy_to_run(root: Path, entry: LedgerEntry) -> None:
    """Copy a decision to the run directory."""
    with Journal.open(root / DECISIONS_FILE) as journal:
        journal.append(canonical_json(_line(entry)))


def _line(entry: LedgerEntry) -> dict[str, Json]:
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
        raise DecisionsDiffer(f"corrupt file {file}: {cause}") from cause
