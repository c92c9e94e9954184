"""Verifies all records of a state folder: ledger, tokens, journals, decisions and results."""

from collections.abc import Callable, Collection, Generator, Iterable, Sequence, Set
from contextlib import contextmanager
from dataclasses import field
from itertools import zip_longest
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, ChainBroken, ExitCode, Refused, VerificationError
from attractor.base.files import read_regular, walk_tree
from attractor.base.hash_chain import require_intact
from attractor.base.journal import read_lines, read_torn
from attractor.base.json import Json, content_hash
from attractor.base.records import write_fields
from attractor.engine.journal.checkpoint import open_journal, verify_journal
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.factory.errors import DecisionsDiffer
from attractor.factory.history.entries import line_words
from attractor.factory.history.records import DECISIONS_FILE, EvaluationPool
from attractor.factory.history.trials import TrialStore
from attractor.factory.ledger.ledger import COPIED, UNJUDGED_TREE, Ledger, LedgerEntry, LineKind
from attractor.factory.ledger.tokens import TokenStore
from attractor.factory.project import find_directory
from attractor.factory.register import UNBEGUN
from attractor.factory.resources.versions import differing_files, is_about_version
from attractor.records.lookup import list_folders
from attractor.records.summary import RunOverview, summarize, summarize_any

_RESTORE = "restore it from a backup"


@dataclass(frozen=True)
class Flaw:
    """A corrupt record: the run that it belongs to, if any, the problem and a remedy.

    A record that `is_foreign` is not corrupt: another version of Attractor wrote it.
    """

    run_id: str
    problem: str
    remedy: str
    is_foreign: bool = False


@dataclass
class AuditReport:
    """The numbers of verified records, and the flaws in the order of the ledger.

    `versions` are lines about versions of profiles, suites and pipelines. `removed` are undecided
    runs of the ledger whose directories do not exist any more. `unjudged` are merges into a branch
    that had moved: no trial was played on their trees. `releases` are running apps, which
    the caller verifies. Without the key of the
    ledger, `unchecked_seals` is the number of its seals, and results and tokens are not verified.
    """

    lines: int = 0
    runs: int = 0
    decisions: int = 0
    results: int = 0
    tokens: int = 0
    versions: int = 0
    releases: int = 0
    unchecked_seals: int = 0
    removed: list[str] = field(default_factory=list[str])
    unjudged: list[str] = field(default_factory=list[str])
    flaws: list[Flaw] = field(default_factory=list[Flaw])

    def to_record(self) -> dict[str, Json]:
        """Return the report as a JSON object."""
        return {"intact": not self.flaws, **write_fields(self, lines="ledger_lines")}


OnProgress = Callable[[int, int], None]
"""Type of a function that is called with the number of runs verified so far, and of all runs."""


def audit(
    state_dir: Path,
    runs_dir: Path,
    *,
    only: Path | None = None,
    head: str = "",
    on_progress: OnProgress = lambda done, of: None,
) -> AuditReport:
    """Verify the ledger, the tokens and all runs of a state folder, or only the run of a directory.

    Runs of the folder `runs_dir` that the ledger lacks are flaws, too. The ledger must contain the
    line with the hash `head`, if given.
    """
    report, ledger = AuditReport(), Ledger(state_dir)
    run_id = read_manifest(RunDirectory(only)).run_id if only else ""
    with _flaws_of(report, ""):
        check = ledger.verify()
        report.lines, report.unchecked_seals = check.head.seq, check.unchecked_seals
        require_intact(check, str(ledger.file))
        _require_line(ledger, head)
    if report.flaws:
        # The lines about the runs cannot be trusted.
        return report
    own: dict[str, list[LedgerEntry]] = {}
    versions: list[LedgerEntry] = []
    for entry in ledger.audited():
        versions += [entry] if is_about_version(entry) else []
        if entry.run_id and run_id in ("", entry.run_id):
            own.setdefault(entry.run_id, []).append(entry)
    results = None if report.unchecked_seals else TrialStore(state_dir / "results", ledger)
    if results:
        with _flaws_of(report, ""):
            report.tokens = len(TokenStore(state_dir).verified())
    if not run_id:
        _verify_versions(report, versions, state_dir)
    for number, (each, entries) in enumerate(own.items(), 1):
        report.unjudged += _unjudged(entries)
        with _flaws_of(report, each):
            if root := find_directory(entries, runs_dir):
                _verify_run(report, root, entries, results)
            else:
                _require_undecided(entries)
                report.removed.append(each)
        on_progress(number, len(own))
    _find_unknown(report, [only] if only else list_folders(runs_dir), own, ledger)
    return report


def _unjudged(entries: Iterable[LedgerEntry]) -> list[str]:
    """Return the merges of a run whose trees were not judged, in words."""
    return [
        f"{entry.run_id} {line_words(entry.kind, entry.data)}"
        for entry in entries
        if entry.kind == LineKind.PROMOTED and UNJUDGED_TREE in entry.data
    ]


def _require_line(ledger: Ledger, head: str) -> None:
    if head and all(entry.head.hash != head for entry in ledger.audited()):
        raise VerificationError(
            f"{ledger.file} lacks the line {head}: it is an older copy, or another ledger",
            hint="restore state folder and runs from their latest backup",
        )


def _find_unknown(
    report: AuditReport, roots: Iterable[Path], known: Collection[str], ledger: Ledger
) -> None:
    """Report runs that began, but that the ledger lacks."""
    for root in roots:
        if root.name in known:
            continue
        summary = summarize_any(root)
        is_begun = summary.status not in {one.word.value for one in UNBEGUN}
        if is_begun and summary.run_id not in known:
            problem = f"unknown run {root}: {ledger.file} lacks it"
            remedy = "restore the ledger from a backup, or set state_dir to the run's state folder"
            report.flaws.append(Flaw(summary.run_id, problem, remedy))


def _verify_versions(report: AuditReport, entries: Sequence[LedgerEntry], state_dir: Path) -> None:
    """Compare the files of profiles, suites and pipelines with the ledger."""
    report.versions = len(entries)
    with _flaws_of(report, ""):
        for file in differing_files(entries, state_dir):
            problem = f"{file} is missing or differs from the ledger"
            report.flaws.append(Flaw("", problem, _RESTORE))


def _require_undecided(entries: Sequence[LedgerEntry]) -> None:
    """Refuse the missing directory of a decided run."""
    if any(entry.kind == LineKind.DECIDED for entry in entries):
        place = next(entry.data["directory"] for entry in entries if entry.kind == LineKind.CREATED)
        message = f"the directory of a decided run is missing: {place}"
        raise VerificationError(message, hint=_RESTORE)


def _verify_run(
    report: AuditReport, root: Path, entries: Sequence[LedgerEntry], results: TrialStore | None
) -> None:
    """Verify the records of a run, up to the first flaw."""
    report.runs += 1
    directory = RunDirectory(root)
    for entry in entries:
        if entry.kind == LineKind.CREATED and entry.data["manifest"] != content_hash(
            _read(directory.manifest)
        ):
            raise VerificationError(f"{directory.manifest} was changed", hint=_RESTORE)
    heads = {str(entry.data["journal_head"]) for entry in entries if "journal_head" in entry.data}
    if verify_journal(directory.events, heads=heads):
        raise ChainBroken(
            f"{directory.events}: line {_count(directory.events) + 1} is missing, or earlier lines "
            "were replaced: the journal lacks lines whose hashes are in the ledger",
            hint=_RESTORE,
        )
    for child in sorted(one.path for one in walk_tree(root) if one.name == directory.events.name):
        if Path(child).match("children/*/*"):
            verify_journal(root / child)
    summary = summarize(root)
    _require_readable(summary, directory)
    _require_end(summary, directory, {entry.kind for entry in entries})
    report.decisions += _verify_decisions(root, entries)
    if results:
        pool = EvaluationPool(entries, results)
        report.results += sum(len(one.results) for one in pool.all_of_run(entries[0].run_id))


def _require_readable(summary: RunOverview, directory: RunDirectory) -> None:
    """Refuse a run that is corrupt, or that another version wrote."""
    if summary.trouble_code is ExitCode.BROKEN:
        raise VerificationError(summary.trouble, hint=_RESTORE)
    if summary.trouble_code is ExitCode.REFUSED:
        # Reading the journal again gives the error with its own remedy.
        open_journal(directory.events, directory.checkpoint)


def _require_end(summary: RunOverview, directory: RunDirectory, kinds: Set[str]) -> None:
    """Refuse a journal that was cut before the end, or the promotion, that the ledger records."""
    is_ended = bool({LineKind.DECIDED, LineKind.ENDED} & kinds)
    is_cut = is_ended and (not summary.is_final or read_torn(directory.events) is not None)
    if LineKind.PROMOTED in kinds and LineKind.ROLLED_BACK not in kinds:
        is_cut |= not summary.promoted_to
    if is_cut and not summary.is_live:
        raise ChainBroken(
            f"{directory.events}: line {_count(directory.events) + 1} is missing: the journal "
            "lacks the end that the ledger records",
            hint=f"{_RESTORE}; if a process died while it recorded the end, resume the run",
        )


def _verify_decisions(root: Path, entries: Sequence[LedgerEntry]) -> int:
    """Compare the copies of the lines about a decision with the ledger."""
    file = root / DECISIONS_FILE
    wanted = [entry.line.encode() for entry in entries if entry.kind in COPIED]
    kept = [one.content for one in read_lines(file)] if file.exists() else []
    torn = read_torn(file) if file.exists() else None
    for number, (line, copy) in enumerate(zip_longest(wanted, kept), 1):
        if line != copy:
            raise DecisionsDiffer(f"{file}: line {number} differs from the ledger")
    if torn:
        raise DecisionsDiffer(f"{file}: line {len(kept) + 1} is incomplete")
    return len(wanted)


def _count(journal: Path) -> int:
    return sum(1 for _ in read_lines(journal)) if journal.exists() else 0


def _read(file: Path) -> bytes:
    try:
        return read_regular(file)
    except OSError as cause:
        raise VerificationError(f"{file} is missing or unreadable", hint=_RESTORE) from cause


@contextmanager
def _flaws_of(report: AuditReport, run_id: str) -> Generator[None]:
    """Add the error of a block to the report."""
    try:
        yield
    except AttractorError as fault:
        is_foreign = isinstance(fault, Refused)
        report.flaws.append(Flaw(run_id, fault.message, fault.hint, is_foreign=is_foreign))
