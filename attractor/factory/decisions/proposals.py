"""Pull requests of approved results: their content, their rounds, and what others said about them.

A proposal is no promotion. Each round of a pull request is a run of its own, with its own
evaluation and decision; what checks and people said about one round is the feedback for the next.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from attractor.base.amounts import format_cost, number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical, Refused, VerificationError
from attractor.base.fenced import DATA_ONLY, fenced
from attractor.base.files import read_regular
from attractor.base.json import Json, canonical_json, content_hash, parse_json
from attractor.base.records import read_record, write_record
from attractor.engine.outcome import format_usage_cost
from attractor.engine.prompts.preamble import LONGEST_FEEDBACK
from attractor.engine.run_folder.layout import Manifest
from attractor.engine.storage.json_files import Fields, read_known
from attractor.engine.truncation import one_line
from attractor.factory.decisions.review import Review
from attractor.factory.errors import RoundsUsedUp
from attractor.factory.forge import ForgeCheck, ForgeRemark, end_of, same_repository
from attractor.factory.gate_records import BOUND_SENTENCE, RuleResult
from attractor.factory.history.entries import UNJUDGED_TREE
from attractor.factory.ledger.ledger import Ledger, LedgerEntry, LineKind
from attractor.language.source.text import visible
from attractor.records.about import PULL_ROUND
from attractor.records.request import improved_run

MERGED = "merged"
"""The end of a pull request that brought the approved changes."""

PULL_REQUEST_FILE = "pull_request.json"
"""The file of a run with the failed checks and the remarks about its pull request."""

LONGEST_LOG = 2_000
LONGEST_REMARK = 1_000
MOST = 20
"""The maximum number of checks, and of remarks, that become feedback."""

_OPEN = "open"
_LONGEST_TITLE = 120
_REMARK_IDS = "internal.remark_ids"
"""The ids of the remarks that a round was given; no preamble shows this key."""

_LONGEST_NAME = 200
_NOTE, _MARK = 140, 10
"""The room for the sentence about what is left out, and for the mark of a log that is cut."""

_LEAD = f"Checks and people said this about the pull request of the earlier round. {DATA_ONLY}"


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
class Proposal:
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


def find_proposal(run_id: str, ledger: Ledger) -> Proposal | None:
    """Return the pull request of a run, or None; it ends for all of its rounds at once."""
    for own in rounds_in(ledger.entries(run_id)):
        latest = rounds_in(ledger.mentioning(own.url))[-1].run_id
        state = endings_in(ledger.entries(latest)).get(latest, _OPEN)
        return Proposal(own.url, own.number, state)
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


@dataclass(frozen=True)
class PullRequestFeedback:
    """The failed checks and the remarks of people with write access, without secrets.

    `ignored` are the logins of people without write access, whose remarks no agent sees.
    """

    repository: str
    number: int
    checks: Sequence[ForgeCheck] = ()
    remarks: Sequence[ForgeRemark] = ()
    ignored: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.checks or self.remarks)

    def to_text(self) -> str:
        """Return the content of the file."""
        return canonical_json(write_record(self))

    def to_line(self) -> dict[str, Json]:
        """Return the data of the ledger line: no words of others but names."""
        return {
            "repository": self.repository,
            "number": self.number,
            "failed": [one_line(check.name, _LONGEST_NAME) for check in self.checks],
            "remarks": [remark.id for remark in self.remarks],
            "ignored": list(self.ignored),
            "content": content_hash(self.to_text().encode()),
        }

    def to_context(self, marker: str) -> dict[str, Json]:
        """Return the values for the context of the next round, fenced by the marker.

        Remarks come first. Logs share the rest of the length that a preamble shows whole.
        """
        remarks, checks = self.remarks[-MOST:], self.checks[:MOST]
        data = {f"remark {number}": _said(remark) for number, remark in enumerate(remarks, 1)}
        names = {
            f"failed check {number}": one_line(check.name, _LONGEST_NAME)
            for number, check in enumerate(checks, 1)
        }
        room = LONGEST_FEEDBACK - len(f"{_LEAD}{fenced(data | names, marker)}") - _NOTE
        longest = room // max(len(checks), 1) - _MARK
        logs = [end_of(check.log, longest) for check in checks]
        for (key, name), log in zip(names.items(), logs, strict=True):
            data[key] = f"{name}\n{log}".strip()
        cut = sum(len(check.log) > longest for check in checks)
        earlier, further = len(self.remarks) - len(remarks), len(self.checks) - len(checks)
        left_out = [
            *([number_of(earlier, "earlier remark")] if earlier else ()),
            *([number_of(further, "further failed check")] if further else ()),
            *([f"the beginning of {number_of(cut, 'log')}"] if cut else ()),
        ]
        note = f" Left out, for lack of room: {', '.join(left_out)}." if left_out else ""
        return {
            "feedback.failed_checks": len(self.checks),
            "feedback.remarks": len(self.remarks),
            "feedback.pull_request": f"{_LEAD}{note}\n\n{fenced(data, marker)}",
        }


def _said(remark: ForgeRemark) -> str:
    about = f" about {one_line(remark.place, _LONGEST_NAME)}" if remark.place else ""
    return f"{one_line(remark.author, _LONGEST_NAME)}{about}:\n{remark.text}"


def collect_feedback(
    own: Round,
    checks: Sequence[ForgeCheck],
    remarks: Sequence[ForgeRemark],
    writers: Mapping[str, bool],
    entries: Iterable[LedgerEntry],
) -> PullRequestFeedback:
    """Return what is new for the next round: no remark that a proposed round already got."""
    known = {
        name
        for entry in entries
        if entry.kind == LineKind.PROPOSED and "remarks" in entry.data
        if own.is_of(str(entry.data["repository"]), int(str(entry.data["number"])))
        for name in Fields(entry.data, entry.kind).texts("remarks")
    }
    new = [remark for remark in remarks if remark.id not in known]
    return PullRequestFeedback(
        own.repository,
        own.number,
        checks=tuple(checks),
        remarks=tuple(remark for remark in new if writers.get(remark.author)),
        ignored=tuple(sorted({remark.author for remark in new if not writers.get(remark.author)})),
    )


def read_pull_feedback(
    root: Path, run_id: str, entries: Iterable[LedgerEntry]
) -> PullRequestFeedback | None:
    """Return what was said about the pull request of a run, compared with the ledger, or None."""
    lines = (line for line in entries if line.kind == LineKind.PULL_REQUEST_READ)
    own = [line for line in lines if line.run_id == run_id]
    if not own:
        return None
    file = root / PULL_REQUEST_FILE
    try:
        content = read_regular(file)
        record = parse_json(content)
    except (OSError, NotCanonical) as cause:
        raise VerificationError(f"{file} is missing or corrupt", hint=_AGAIN) from cause
    if content_hash(content) != own[-1].data["content"] or not isinstance(record, dict):
        raise VerificationError(f"{file} differs from the ledger", hint=_AGAIN)
    return read_record(PullRequestFeedback, record)


def pull_request_context(
    root: Path, run_id: str, ledger: Ledger, most: int, marker: str
) -> dict[str, Json]:
    """Return what was said about the pull request of a run, as context of the next round."""
    feedback = read_pull_feedback(root, run_id, ledger.entries(run_id))
    if not feedback:
        return {}
    rounds = rounds_in(ledger.entries())
    own = next((round_ for round_ in rounds if round_.run_id == run_id), None)
    context = feedback.to_context(marker)
    if own:
        made = require_round_left(own, rounds, most)
        context[PULL_ROUND] = f"{own.number} {made + 1}"
    context[_REMARK_IDS] = ", ".join(remark.id for remark in feedback.remarks[-MOST:])
    return context


def given_remarks(manifest: Manifest) -> list[str]:
    """Return the ids of the remarks in the context with which a run, or its origin, began."""
    feedback = manifest.options.get("feedback")
    found = feedback.get(_REMARK_IDS) if isinstance(feedback, dict) else None
    return found.split(", ") if isinstance(found, str) and found else []


_AGAIN = "read the pull request again: attractor pr sync"


def require_round_left(own: Round, rounds: Iterable[Round], most: int) -> int:
    """Return the number of rounds so far; refuse one more than the settings allow."""
    count = sum(round_.is_of(own.repository, own.number) for round_ in rounds)
    if count >= most:
        raise RoundsUsedUp(
            f"{own.url} had {number_of(count, 'round')} of at most {most}",
            hint="continue by hand, or raise pull_request.max_rounds",
        )
    return count


def require_budget_left(limit: float | None, used: float) -> float | None:
    """Return the cost that is left for the next round of a pull request."""
    if limit is not None and used >= limit:
        raise Refused(
            f"the rounds of the pull request cost {format_cost(used)} of {format_cost(limit)}",
            hint="start a run with a budget of its own: attractor run FILE --feedback RUN",
        )
    return None if limit is None else limit - used


@dataclass(frozen=True)
class ProposalFacts:
    """What the text of a pull request is about."""

    review: Review
    decision: LedgerEntry
    number: int


def proposal_title(subject: str) -> str:
    """Return the title of a pull request."""
    return one_line(subject, _LONGEST_TITLE)


def proposal_body(facts: ProposalFacts, most: int) -> str:
    """Return the text of a pull request: verdict, cost, changes and report, without a holdout."""
    review, report = facts.review, facts.review.report
    manifest = review.facts.manifest
    cost = f"{format_usage_cost(review.usage)}, judge {format_usage_cost(review.judge)}"
    rows = {
        "Run": f"`{review.facts.run_id}` of `{manifest.pipeline}`",
        "Judged by": f"`{manifest.suite.partition('#')[0]}`",
        # Not the rationale: who gives it may have seen hidden scenarios.
        "Approved": f"by {facts.decision.data['by']}, decision {facts.decision.head.hash[:12]}",
        "Cost": cost,
        "Round": f"{facts.number} of at most {most}",
    }
    changes = review.changes.lines("") if review.changes else ["changes: unknown"]
    return "\n".join(
        [
            f"**{report.verdict}**: {report.satisfied} of {report.played} trials satisfied, "
            f"satisfaction {float(report.satisfaction):.3f}, lower bound {report.bound:.3f}. "
            f"{BOUND_SENTENCE}",
            "",
            "| | |",
            "|---|---|",
            *(f"| {name} | {_cell(words)} |" for name, words in rows.items()),
            "",
            "```text",
            *(visible(line).replace("`", "'") for line in changes),
            "```",
            "",
            "<details><summary>Rules of the gate</summary>",
            "",
            "| rule | result | figure |",
            "|---|---|---|",
            *(_rule(rule) for rule in report.rules),
            "",
            "</details>",
            "",
            f"Attractor-Run: {review.facts.run_id}",
            f"Attractor-Decision: {facts.decision.head.hash}",
        ]
    )


def _rule(rule: RuleResult) -> str:
    result = "unused" if not rule.applies else "passed" if rule.passed else "failed"
    limit = f" ({rule.threshold})" if rule.threshold else ""
    return f"| `{rule.rule}` | {result} | {_cell(f'{rule.figure}{limit}')} |"


def _cell(words: str) -> str:
    return one_line(visible(words), LONGEST_LOG).replace("|", "\\|")


def cut_check(check: ForgeCheck, log: str) -> ForgeCheck:
    """Return a check with the end of a cleaned log."""
    return replace(check, log=end_of(log.strip(), LONGEST_LOG))


def cut_remark(remark: ForgeRemark, text: str, path: str) -> ForgeRemark:
    """Return a remark with the beginning of a cleaned text, and a cleaned path."""
    shown = text if len(text) <= LONGEST_REMARK else f"{text[:LONGEST_REMARK]} [...]"
    return replace(remark, text=shown, path=one_line(path, LONGEST_REMARK))
