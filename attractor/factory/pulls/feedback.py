"""Feedback for the next round: failed checks, and remarks of people with write access."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical, VerificationError
from attractor.base.fenced import DATA_ONLY, fenced
from attractor.base.files import read_regular
from attractor.base.json import Json, canonical_json, content_hash, parse_json
from attractor.base.records import read_record, write_record
from attractor.engine.prompts.preamble import LONGEST_FEEDBACK
from attractor.engine.run_folder.layout import Manifest
from attractor.engine.storage.json_files import Fields
from attractor.engine.truncation import one_line
from attractor.factory.ledger.ledger import Ledger, LedgerEntry, LineKind
from attractor.factory.pulls.forge import ForgeCheck, ForgeRemark, end_of
from attractor.factory.pulls.rounds import Round, require_round_left, rounds_in
from attractor.records.about import PULL_ROUND

PULL_REQUEST_FILE = "pull_request.json"
"""The file of a run with the failed checks and the remarks about its pull request."""

LONGEST_LOG = 2_000
LONGEST_REMARK = 1_000
MOST = 20
"""The maximum number of checks, and of remarks, that become feedback."""

_REMARK_IDS = "internal.remark_ids"
"""The ids of the remarks that a round was given; no preamble shows this key."""

_LONGEST_NAME = 200
_NOTE, _MARK = 140, 10
"""The room for the sentence about what is left out, and for the mark of a log that is cut."""

_LEAD = f"Checks and people said this about the pull request of the earlier round. {DATA_ONLY}"


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


def pull_feedback_context(
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


def cut_check(check: ForgeCheck, log: str) -> ForgeCheck:
    """Return a check with the end of a cleaned log."""
    return replace(check, log=end_of(log.strip(), LONGEST_LOG))


def cut_remark(remark: ForgeRemark, text: str, path: str) -> ForgeRemark:
    """Return a remark with the beginning of a cleaned text, and a cleaned path."""
    shown = text if len(text) <= LONGEST_REMARK else f"{text[:LONGEST_REMARK]} [...]"
    return replace(remark, text=shown, path=one_line(path, LONGEST_REMARK))
