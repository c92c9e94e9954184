"""Which project a run belongs to, and where it lies: nobody takes up another's run, or a copy.

A project is known by a random word in its runs folder, which moves along with it. What a run was
begun with stands in the ledger, so a run directory can't claim another.

What is known of a run without holding it, so that whoever only asks disturbs nobody.

What a run pins when it starts: the exact version of its suite and revision of its profile.

The decision on a run: in the ledger, which counts, and in the run's folder for its readers.

The two are compared before anything rests on them. A ledger and its head that were put back
together to an earlier day verify, but the run's own line shows that there was more.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical, VerificationError
from attractor.base.files import write_whole
from attractor.base.hash_chain import GENESIS, ChainHead
from attractor.base.journal import Journal, read_lines
from attractor.base.json import Json, canonical_json, content_hash, parse_json
from attractor.base.locks import FileLock
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.run_folder.layout import Manifest, RunDirectory, read_manifest
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.state.run_state import APPROVED, REJECTED, RunState
from attractor.engine.storage.json_files import Fields
from attractor.factory.errors import CopiedRun, DecisionsDiffer, OtherProject
from attractor.factory.ledger import Entry, Ledger
from attractor.factory.profiles import Profile, ProfileStore
from attractor.factory.suites import SuiteStore, SuiteVersion
from attractor.scenarios.suite_reader import SealedSuite

PROJECT_FILE = ".project"
ID_BYTES = 16
PATIENCE_S = 10.0


@dataclass(frozen=True)
class Project:
    """The project of this call: its runs folder, and the lock under which its word is made."""

    runs_dir: Path
    lock: Path
    randomness: Callable[[int], bytes]

    def word(self) -> str:
        """Return the project's word; nothing when no run was ever begun in it."""
        file = self.runs_dir / PROJECT_FILE
        return file.read_text("ascii").strip() if file.exists() else ""

    def make_word(self) -> str:
        """Return the project's word, making it for the first run."""
        with FileLock(self.lock).acquire(wait=PATIENCE_S, purpose="attractor: project"):
            if not self.word():
                _make_runs_folder(self.runs_dir)
                word = self.randomness(ID_BYTES).hex()
                write_whole(self.runs_dir / PROJECT_FILE, f"{word}\n")
        return self.word()

    def describe(self, root: Path) -> dict[str, Json]:
        """Return what the ledger keeps of where a new run belongs and lies."""
        return {"project": self.make_word(), "directory": str(root.resolve())}

    def require_own(self, root: Path, created: Entry) -> None:
        """Refuse a run of another project, and a copy of a run."""
        fields = Fields(created.data, "ledger: created")
        begun = Path(fields.text("directory"))
        if fields.text("project") != self.word():
            raise OtherProject(
                f"{root} is a run of another project",
                hint=f"go to the project it was begun in: it lay in {begun}",
            )
        root = root.resolve()
        if root.name != begun.name:
            raise CopiedRun(
                f"{root} is not called {begun.name}, as run {created.run_id} is",
                hint=f"take {begun}; if you renamed that, name it so again",
            )
        if root != begun and _holds(begun, created.run_id):
            raise CopiedRun(
                f"{root} is a copy: run {created.run_id} lies in {begun}",
                hint="take that one, or move it away when the copy is to go on",
            )


def _make_runs_folder(runs_dir: Path) -> None:
    """Make the folder, when every run so far lies elsewhere; it is none of git's business."""
    if not runs_dir.exists():
        runs_dir.mkdir(parents=True)
        write_whole(runs_dir / ".gitignore", "*\n")


def _holds(folder: Path, run_id: str) -> bool:
    directory = RunDirectory(folder)
    return directory.manifest.exists() and read_manifest(directory).run_id == run_id


@dataclass(frozen=True)
class RunFacts:
    """A run as it is at one moment."""

    directory: RunDirectory
    manifest: Manifest
    state: RunState
    head: ChainHead = GENESIS

    @property
    def run_id(self) -> str:
        """Which run it is."""
        return self.manifest.run_id

    @property
    def tree(self) -> str:
        """The tree it has come to; nothing before its walk began."""
        return self.state.progress.tree if self.state.progress else ""

    def manifest_hash(self) -> str:
        """Return the hash of the manifest as it lies there."""
        return content_hash(self.directory.manifest.read_bytes())


def facts_of(run: OpenRun) -> RunFacts:
    """Return what is known of a run that we hold."""
    return RunFacts(run.directory, run.manifest, run.state, run.events.head)


def read_facts(root: Path) -> RunFacts:
    """Read what is known of a run that somebody else may be holding."""
    directory = RunDirectory(root)
    found = open_journal(directory.events, directory.checkpoint)
    return RunFacts(directory, read_manifest(directory), found.state, found.head)


STRICT = Profile(name="strict")
"""What a run is judged by when it names no profile."""


@dataclass(frozen=True)
class Stores:
    """The suites and profiles of a state folder."""

    suites: SuiteStore
    profiles: ProfileStore

    def pin_suite(self, reference: str) -> str:
        """Return the exact version and hash that a suite's name stands for now."""
        return _pinned(self.suites.find(reference)) if reference else ""

    def pin_profile(self, reference: str) -> str:
        """Return the exact revision that a profile's name stands for now."""
        if not reference:
            return ""
        profile = self.profiles.find(reference)
        return f"{profile.name}@{profile.revision}"

    def suite(self, pinned: str) -> SealedSuite | None:
        """Open the suite that a run pinned; it must be what it was."""
        if not pinned:
            return None
        name, _, seal = pinned.partition("#")
        version = self.suites.find(name)
        if version.seal != seal:
            raise VerificationError(f"the suite {name} is not the one the run pinned")
        return self.suites.open(version)

    def profile(self, pinned: str) -> Profile:
        """Return the profile that a run pinned, else the strict one."""
        return self.profiles.find(pinned) if pinned else STRICT


def _pinned(version: SuiteVersion) -> str:
    return f"{version.name}@{version.version}#{version.seal}"


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
    if not decided and run.state.status in (APPROVED, REJECTED):
        raise DecisionsDiffer(f"{ledger.file} holds no decision, but the run is {run.state.status}")
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
