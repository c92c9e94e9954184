"""What a person needs to answer the questions of runs, kept until their journals grow."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from math import inf
from pathlib import Path
from threading import Lock

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.engine.questions.question import Question
from attractor.engine.run_folder.layout import RunDirectory
from attractor.pipeline.project.project import Project
from attractor.pipeline.workspace.diffs import read_run_diff
from attractor.records.evidence import StageWords, words_before

MOST_KEPT = 500
MOST_NAMED = 3
"""The number of changed files whose names are shown."""


@dataclass(frozen=True)
class Evidence:
    """The last words of the stages before a question, and a summary of the changes so far."""

    stages: Sequence[StageWords] = ()
    changes: str = ""
    is_read: bool = True


NO_EVIDENCE = Evidence()
NOT_YET = Evidence(is_read=False)


class KeptEvidence:
    """The evidence for the questions of runs."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Path, str], tuple[int, Evidence]] = OrderedDict()
        self._lock = Lock()

    def of(self, root: Path, question: Question, project: Project, until: float = inf) -> Evidence:
        """Return the evidence for a question of a run of a project.

        After the monotonic time `until`, only what is kept is returned, otherwise `NOT_YET`.
        """
        journal = RunDirectory(root).events
        size = journal.stat().st_size if journal.exists() else 0
        key = root, question.id
        with self._lock:
            if kept := self._kept.get(key):
                self._kept.move_to_end(key)
        if kept and kept[0] == size:
            return kept[1]
        if time.monotonic() > until:
            return NOT_YET
        found = read_evidence(root, question, project)
        with self._lock:
            self._kept[key] = size, found
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return found


def read_evidence(root: Path, question: Question, project: Project) -> Evidence:
    """Return the evidence for a question; a question can be answered without it."""
    try:
        stages = words_before(root, question)
    except AttractorError:
        stages = ()
    return Evidence(stages, _changes(root, project))


def _changes(root: Path, project: Project) -> str:
    # The page of the changes names the reason.
    try:
        diff = asyncio.run(read_run_diff(root, project))
    except AttractorError:
        return ""
    names = ", ".join(file.path for file in diff.files[:MOST_NAMED])
    rest = len(diff.files) - MOST_NAMED
    more = f" and {number_of(rest, 'more file')}" if rest > 0 else ""
    return f"{diff.summary}: {names}{more}" if names else ""
