"""What a person needs to answer the questions of runs, kept until their journals grow."""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from attractor.attention.evidence import evidence_of_question
from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.engine.questions.question import Question
from attractor.engine.run_folder.layout import RunDirectory
from attractor.factory.open_project import OpenProject
from attractor.records.evidence import StageWords

MOST_KEPT = 500
MOST_NAMED = 3
"""The number of changed files whose names are shown."""


@dataclass(frozen=True)
class Evidence:
    """The last words of the stages before a question, and a summary of the changes so far."""

    stages: Sequence[StageWords] = ()
    changes: str = ""


NO_EVIDENCE = Evidence()


class KeptEvidence:
    """The evidence for the questions of runs."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Path, str], tuple[int, Evidence]] = OrderedDict()
        self._lock = Lock()

    def of(self, root: Path, question: Question, opened: OpenProject) -> Evidence:
        """Return the evidence for a question of a run of a project."""
        journal = RunDirectory(root).events
        size = journal.stat().st_size if journal.exists() else 0
        key = root, question.id
        with self._lock:
            kept = self._kept.pop(key, None)
        found = kept[1] if kept and kept[0] == size else _read(root, question, opened)
        with self._lock:
            self._kept[key] = size, found
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return found


def _read(root: Path, question: Question, opened: OpenProject) -> Evidence:
    found = evidence_of_question(root, question, opened)
    files = found.changes.files
    names = ", ".join(file.path for file in files[:MOST_NAMED])
    rest = len(files) - MOST_NAMED
    more = f" and {number_of(rest, 'more file')}" if rest > 0 else ""
    return Evidence(found.outputs, f"{found.changes.summary}: {names}{more}" if names else "")
