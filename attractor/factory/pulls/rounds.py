"""Rounds of pull requests in the ledger: each is a run whose result was pushed to one.

A round is no promotion: it has its own evaluation and decision. A pull request ends for all of its
rounds at once.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused
from attractor.engine.run_folder.layout import Manifest
from attractor.engine.storage.json_files import read_known
from attractor.factory.errors import RoundsUsedUp
from attractor.factory.ledger.ledger import UNJUDGED_TREE, Ledger, LedgerEntry, LineKind
from attractor.factory.open_project import OpenProject
from attractor.factory.project import created_runs
from attractor.factory.pulls.forge import same_repository
from attractor.records.request import improved_run

MERGED = "merged"
"""The end of a pull request that brought the approved changes."""

MERGED_OUTSIDE = "merged outside"
"""The end of one that was merged on the forge with other changes: that is no promotion."""

_OPEN = "open"


@dataclass(frozen=True)
class Round:
    """A pushed result: the run, its pull request and its commit."""

    run_id: str
    forge: str
    repository: str
    number: int
    url: str
    branch: str
    target: str
    base: str
    commit: str

    @property
    def pull(self) -> tuple[str, int]:
        """The repository and the number of the pull request, equal for all of its rounds."""
        return self.repository.casefold(), self.number

    def is_of(self, repository: str, number: int) -> bool:
        """Return whether the round belongs to a pull request."""
        return same_repository(self.repository, repository) and self.number == number


def rounds_in(entries: Iterable[LedgerEntry]) -> list[Round]:
    """Return the rounds of all pull requests, oldest first; of a run, the last line counts."""
    found: dict[str, Round] = {}
    for entry in entries:
        if entry.kind == LineKind.PROPOSED:
            found.pop(entry.run_id, None)
            found[entry.run_id] = read_known(Round, {**entry.data, "run_id": entry.run_id})
    return [*found.values()]


def earlier_round(manifest: Manifest, rounds: Iterable[Round]) -> Round | None:
    """Return the round that a run continues: by its feedback, or rebased."""
    before = {round_.run_id: round_ for round_ in rounds}
    for run_id in (manifest.run_id, improved_run(manifest), manifest.rebased_from):
        if run_id in before:
            return before[run_id]
    return None


def endings_in(entries: Iterable[LedgerEntry]) -> Mapping[str, str]:
    """Return how the pull requests of runs ended last, by run id; open ones are left out."""
    found: dict[str, str] = {}
    for entry in entries:
        if entry.kind == LineKind.PROPOSED:
            found.pop(entry.run_id, None)
        elif entry.kind == LineKind.PROPOSAL_ENDED:
            found[entry.run_id] = str(entry.data["how"])
        elif entry.kind == LineKind.PROMOTED and entry.data.get("pull_request"):
            found[entry.run_id] = MERGED
    return found


@dataclass(frozen=True)
class RecordedPull:
    """The pull request of a run: `open`, `merged`, `merged outside` or `closed`."""

    url: str
    number: int
    state: str

    @property
    def is_open(self) -> bool:
        """Return whether it has not ended."""
        return self.state == _OPEN

    def __str__(self) -> str:
        return f"{self.url}, {self.state}"


def find_pull(run_id: str, ledger: Ledger) -> RecordedPull | None:
    """Return the pull request of a run, or None; it ends for all of its rounds at once."""
    for own in rounds_in(ledger.entries(run_id)):
        latest = rounds_in(ledger.mentioning(own.url))[-1].run_id
        state = endings_in(ledger.entries(latest)).get(latest, _OPEN)
        return RecordedPull(own.url, own.number, state)
    return None


def has_open_pull(run_id: str, entries: Sequence[LedgerEntry]) -> bool:
    """Return whether a run was proposed, and its pull request has not ended."""
    return bool(rounds_in(entries)) and run_id not in endings_in(entries)


def unjudged_in(entries: Iterable[LedgerEntry]) -> Mapping[str, str]:
    """Return the branches with a merge of a run whose merged tree was not judged, by run id."""
    merges = (merge for merge in entries if merge.kind == LineKind.PROMOTED)
    return {
        merge.run_id: str(merge.data["branch"]) for merge in merges if UNJUDGED_TREE in merge.data
    }


def require_round_left(own: Round, rounds: Iterable[Round], most: int) -> int:
    """Return the number of rounds so far; refuse one more than the settings allow."""
    count = sum(round_.is_of(own.repository, own.number) for round_ in rounds)
    if count >= most:
        raise RoundsUsedUp(
            f"{own.url} had {number_of(count, 'round')} of at most {most}",
            hint="continue by hand, or raise pull_request.max_rounds",
        )
    return count


def require_latest_round(own: Round, rounds: Sequence[Round], command: str) -> None:
    """Refuse a command about an earlier round of a pull request."""
    last = [one for one in rounds if one.pull == own.pull][-1]
    if last.run_id != own.run_id:
        raise Refused(
            f"{last.run_id} is a later round of {own.url}", hint=f"{command} {last.run_id}"
        )


@dataclass(frozen=True)
class ListedRound:
    """The latest round of a pull request, and how it ended; open ones have no ending.

    It `is_unjudged` if its merged tree was not judged.
    """

    round: Round
    ending: str
    rounds: int
    is_unjudged: bool = False


def list_rounds(opened: OpenProject) -> list[ListedRound]:
    """Return the latest rounds of the project's pull requests, oldest pull request first."""
    entries = list(opened.ledger.entries())
    ours = created_runs(entries, opened.identity.project_id())
    endings = endings_in(entries)
    found = [one for one in rounds_in(entries) if one.run_id in ours]
    latest = {one.pull: one for one in found}
    counts = Counter(one.pull for one in found)
    unjudged = unjudged_in(entries)
    return [
        ListedRound(
            one,
            endings.get(one.run_id, ""),
            counts[one.pull],
            is_unjudged=one.run_id in unjudged,
        )
        for one in latest.values()
    ]
