"""Finds the folders of runs and of their child runs."""

import os
import re
import shlex
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import UTC, datetime
from itertools import count, takewhile
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, ExitCode, FileError, UnknownName, UsageError
from attractor.base.events import Event
from attractor.base.files import remove_tree, write_whole
from attractor.base.ids import is_run_id, time_of
from attractor.base.journal import read_lines
from attractor.base.json import Json, JsonObject, parse_json
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.outcome import NOTHING_USED, Usage
from attractor.engine.questions.question import (
    Answer,
    Question,
    answer_from_record,
    answer_to_record,
    question_from_record,
    question_to_record,
)
from attractor.engine.run_folder.layout import Manifest, RunDirectory, is_held, read_manifest
from attractor.engine.state.attempts import stage_id
from attractor.engine.state.progress import Progress
from attractor.engine.state.run_state import (
    APPROVED,
    AWAITING_ANSWER,
    AWAITING_DECISION,
    QUEUED,
    TRANSITIONS,
    RunState,
    StatusWord,
    outcome_of,
)
from attractor.engine.storage.json_files import Fields, read_document
from attractor.engine.truncation import shorten
from attractor.language.graph.graph import folder_name
from attractor.pipeline.host.run_host import RunHost

_STAGE = re.compile(r"(?P<node>.*)@(?P<attempt>[0-9]+\.[0-9]+)", re.DOTALL)


def child_directory(parent: RunDirectory, name: str) -> RunDirectory:
    """Return the directory of a child run; the directory does not have to exist."""
    return RunDirectory(parent.children / child_folder(name))


def child_folder(name: str) -> str:
    """Return the folder of a child, named after its node, with the numbers of visit and attempt."""
    found = _STAGE.fullmatch(name)
    return f"{folder_name(found['node'])}@{found['attempt']}" if found else folder_name(name)


def newest_round(first: RunDirectory) -> RunDirectory:
    """Return the directory of the newest restart of a child (default: of the child itself)."""
    rounds = takewhile(lambda one: one.manifest.exists(), (_round(first, at) for at in count(1)))
    return next(iter(deque(rounds, maxlen=1)), first)


def next_round(first: RunDirectory, progress: Progress) -> RunDirectory:
    """Return the directory of the next restart of a child."""
    return _round(first, progress.restarts + 1)


def round_before(first: RunDirectory, manifest: Manifest) -> RunDirectory:
    """Return the directory of the run that a restart continues."""
    return _round(first, manifest.restart - 1)


def outermost_run_id(root: Path) -> str:
    """Return the id of the outermost run that contains the run of a directory."""
    return read_manifest(RunDirectory(root.parent.parent)).run_id


def _round(first: RunDirectory, number: int) -> RunDirectory:
    if number == 0:
        return first
    return RunDirectory(first.root.with_name(f"{first.root.name}.restart{number}"))


def remove_incomplete(root: Path) -> None:
    """Remove an incomplete directory of a process that was killed."""
    if root.is_dir():
        remove_tree(root)
    if os.path.lexists(root):
        raise FileError(f"cannot remove {root} completely")


def used_by(directory: RunDirectory, state: RunState) -> Usage:
    """Return the usage of a run, with the usage of child runs whose stages are still running.

    The usage of an ended stage includes the usage of its child run.
    """
    flights = [one.in_flight for one in state.walks.values() if one.in_flight]
    names = [stage_id(one.node, one.visit, one.attempt) for one in flights]
    children = (newest_round(child_directory(directory, name)) for name in names)
    return sum((_used(one) for one in children if one.manifest.exists()), state.used)


def _used(child: RunDirectory) -> Usage:
    # Errors in the records of a child are reported for the child, not here.
    try:
        state = open_journal(child.events, child.checkpoint).state
    except AttractorError:
        return NOTHING_USED
    return used_by(child, state)


LATEST = "latest"

SHOWN = 5

LONGEST_REFERENCE = 100

UNKNOWN = "unknown"
"""The status of a run with an invalid journal: run.json alone proves nothing."""

_NEEDS_A_RUNNER = frozenset(
    {StatusWord.QUEUED, StatusWord.BOOTING, StatusWord.EXECUTING, StatusWord.EVALUATING}
)
"""The statuses in which a run only continues while a process holds it."""

_FINAL = frozenset(one.word.value for one in TRANSITIONS if one.is_final)


@dataclass(frozen=True)
class RunSummary:
    """A run in one line: id, start, status, reason, and whether a process executes the run."""

    run_id: str
    directory: Path
    pipeline: str
    goal: str
    started: datetime
    status: str = UNKNOWN
    phase: str = ""
    outcome: str = ""
    reason: str = ""
    next_node: str = ""
    questions: Sequence[Question] = ()
    answers: Mapping[str, Answer] = field(default_factory=dict[str, Answer])
    workspace: str = ""
    suite: str = ""
    parent: str = ""
    restart: int = 0
    restarted_as: str = ""
    promoted_to: str = ""
    rolled_back_from: str = ""
    is_live: bool = False
    is_paused: bool = False
    why_stopped: str = ""
    stage: str = ""
    written: datetime | None = None
    usage: Usage = NOTHING_USED
    seconds: float = 0.0
    trouble: str = ""
    trouble_code: ExitCode = ExitCode.DONE

    @property
    def is_final(self) -> bool:
        """Whether the status of the run is final."""
        return self.status in _FINAL

    @property
    def is_answered(self) -> bool:
        """Whether the run waited for answers, has all answers, and only needs a resume."""
        is_parked = not self.is_live and self.phase == AWAITING_ANSWER.phase
        return is_parked and bool(self.answers) and not self.questions

    @property
    def is_stopped(self) -> bool:
        """Whether the run can be continued, but has no process."""
        return not self.is_live and self.status in _NEEDS_A_RUNNER

    @property
    def is_resting(self) -> bool:
        """Whether the run could only be rejected or canceled: it was not judged by a suite."""
        return self.phase == AWAITING_DECISION.phase and not self.suite

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the summary.

        `live`: a process holds the run now. `stopped`: no process holds the run, and the status is
        not final, so `resume` continues the run; `why_stopped` is the reason, if the last process
        recorded a reason. `paused`: no stage begins until the run is resumed. `stage`: the stage in
        flight, also of a stopped run. `written`: the time of the last change to the records.
        `answered`: recorded answers that the run has not used yet, by question. `parent`: the run
        that this run continues; `restart`: the number of restarts before this run. `restarted_as`:
        the run that continues this run. `promoted_to`: the Git branch with the result.
        `rolled_back_from`: the branch from which the result was removed last. `seconds`: the
        recorded time of the stages; the usage of models is in other fields.
        """
        return {
            "run_id": self.run_id,
            "directory": str(self.directory),
            "pipeline": self.pipeline,
            "goal": self.goal,
            "started": self.started.isoformat(),
            "workspace": self.workspace,
            "suite": self.suite,
            "status": self.status,
            "phase": self.phase,
            "live": self.is_live,
            "stopped": self.is_stopped,
            "why_stopped": self.why_stopped if self.is_stopped else "",
            "paused": self.is_paused,
            "stage": self.stage,
            "written": self.written.isoformat() if self.written else "",
            "outcome": self.outcome,
            "reason": self.reason,
            "next_node": self.next_node,
            "question": question_to_record(self.questions[0]) if self.questions else None,
            "questions": [question_to_record(one) for one in self.questions],
            "answered": {id_: answer_to_record(one) for id_, one in self.answers.items()},
            "parent": self.parent,
            "restart": self.restart,
            "restarted_as": self.restarted_as,
            "promoted_to": self.promoted_to,
            "rolled_back_from": self.rolled_back_from,
            "seconds": round(self.seconds, 3),
            "cost_usd": round(self.usage.cost_usd, 6),
            "input_tokens": self.usage.input_tokens,
            "output_tokens": self.usage.output_tokens,
            "trouble": self.trouble,
        }

    @classmethod
    def from_record(cls, record: JsonObject) -> "RunSummary":
        """Read a summary from its record, which lacks the exit status of a problem."""
        fields = Fields(record, "summary of a run")
        answered = fields.inner("answered")
        return cls(
            **{name: fields.text(name) for name in _TEXTS},
            directory=Path(fields.text("directory")),
            started=fields.time("started"),
            questions=tuple(question_from_record(one) for one in fields.inners("questions")),
            answers={id_: answer_from_record(answered.inner(id_)) for id_ in answered.all()},
            restart=fields.number("restart"),
            is_live=fields.flag("live"),
            is_paused=fields.flag("paused"),
            written=fields.time("written") if fields.text("written") else None,
            usage=Usage(
                fields.number("input_tokens"),
                fields.number("output_tokens"),
                fields.real("cost_usd"),
            ),
            seconds=fields.real("seconds"),
            trouble_code=ExitCode.DONE,
        )


_TEXTS = (
    *("run_id", "pipeline", "goal", "workspace", "suite", "status", "phase", "why_stopped"),
    *("stage", "outcome", "reason", "next_node", "parent", "restarted_as", "promoted_to"),
    *("rolled_back_from", "trouble"),
)
"""The fields of a summary that are texts in its record, with the same name."""


def list_runs(runs_dir: Path) -> list[RunSummary]:
    """Return every run in a folder, newest first, including unreadable runs."""
    return [summarize_any(folder) for folder in list_folders(runs_dir)]


def find_run(reference: str, runs_dir: Path) -> Path:
    """Return the directory of a run, by id, beginning of the id, path, or `latest`.

    `RUN:CHILD` is the child run of a run in the folder CHILD, such as `build@1.1`.
    """
    if is_run(RunDirectory(Path(reference))):
        return Path(reference).absolute()
    parent, colon, child = reference.rpartition(":")
    if colon:
        return _find_child(RunDirectory(find_run(parent, runs_dir)), child)
    names = run_names(runs_dir)
    if reference == LATEST:
        return _newest(runs_dir, names)
    wanted = [one for one in names if reference and one.startswith(reference.upper())]
    begins = _runs_among(runs_dir, wanted)
    if len(begins) > 1:
        shown = ", ".join(one.name for one in begins[:5])
        raise UsageError(f"{len(begins)} runs begin with {reference!r}", hint=f"such as {shown}")
    if not begins:
        # This refuses a folder without runs.
        _newest(runs_dir, names)
        raise _unknown(reference, [one.name for one in _runs_among(runs_dir, names)])
    return begins[0]


def _find_child(parent: RunDirectory, name: str) -> Path:
    names = [one.name for one in list_folders(parent.children)]
    if name not in names:
        raise UnknownName(f"child of run {parent.root.name}", name, sorted(names))
    return parent.children / name


def _newest(runs_dir: Path, names: Sequence[str]) -> Path:
    """Return the newest run with a manifest, or the newest run."""
    for name in names:
        if RunDirectory(runs_dir / name).manifest.exists():
            return runs_dir / name
    folders = _runs_among(runs_dir, names)
    if not folders:
        raise UsageError(f"no run found in {runs_dir}", hint="start one: attractor run FILE")
    return folders[0]


def is_run(directory: RunDirectory) -> bool:
    """Return whether a directory is that of a run, maybe with lost files."""
    try:
        return directory.manifest.is_file() or directory.run.is_file()
    except OSError:  # such as a name that is too long for a file
        return False


def reference_of(root: Path, runs_dir: Path) -> str:
    """Return the name of a run for commands: the id if it is sufficient, otherwise the
    directory.
    """
    run_id = read_manifest(RunDirectory(root)).run_id
    return run_id if root == runs_dir / run_id else shlex.quote(str(root))


def latest_verdict(root: Path) -> bool | None:
    """Return the latest verdict of the gate about a run; None without a verdict.

    The verdict is only for display, because a decision evaluates the gate again.
    """
    folders = RunDirectory(root).evaluation.glob("*/report.json")
    reports = {int(one.parent.name): one for one in folders if one.parent.name.isdecimal()}
    return read_document(reports[max(reports)]).flag("go") if reports else None


def _unknown(reference: str, names: list[str]) -> UnknownName:
    """Return the error for an unknown run, with the names of the few most similar runs."""
    typed = reference.upper()
    nearest = sorted(names, key=lambda name: -len(os.path.commonprefix([typed, name])))
    name_typed = shorten(reference, LONGEST_REFERENCE)
    error = UnknownName("run", name_typed, [LATEST, *nearest[:SHOWN]])
    if len(names) > SHOWN:
        error.hint += f"; {len(names) - SHOWN} more: attractor runs"
    return error


def summarize(root: Path) -> RunSummary:
    """Return the summary of a run from its journal; run.json is only compared with the journal."""
    directory = RunDirectory(root)
    manifest = read_manifest(directory)
    summary = RunSummary(
        run_id=manifest.run_id,
        directory=root,
        pipeline=manifest.pipeline,
        goal=manifest.goal,
        started=manifest.started,
        workspace=str(manifest.options.get("workspace", "")),
        suite=manifest.suite,
        parent=manifest.parent,
        restart=manifest.restart,
        is_live=is_held(directory.lock),
        written=_written(directory.events),
    )
    # An error in one run must not hide its other fields, nor other runs in a list.
    try:
        # Before the journal, because a process of the run writes run.json after the journal.
        said = _said(directory)
    except AttractorError as fault:
        said, summary = None, _troubled(summary, fault)
    try:
        return _compared(_as_it_happened(summary, directory), said, directory)
    except AttractorError as fault:
        return _troubled(summary, fault)


def summarize_any(root: Path) -> RunSummary:
    """Return the summary of a run; for an unreadable run, only its name and the error."""
    try:
        return summarize(root)
    except AttractorError as fault:
        directory = RunDirectory(root)
        began = time_of(root.name) if is_run_id(root.name) else None
        written = _written(directory.events)
        nameless = RunSummary(
            run_id=root.name,
            directory=root,
            pipeline="",
            goal="",
            started=began or written or datetime.fromtimestamp(0, UTC),
            is_live=is_held(directory.lock),
            written=written,
        )
        return _troubled(nameless, fault)


def _as_it_happened(summary: RunSummary, directory: RunDirectory) -> RunSummary:
    found = open_journal(directory.events, directory.checkpoint)
    state, outcome = found.state, outcome_of(found.state)
    moves = find_branch_moves(directory, state)
    return replace(
        summary,
        status=state.status.word.value,
        phase=state.status.phase.value,
        outcome=outcome.value if outcome else "",
        reason=state.reason,
        why_stopped=state.stopped,
        next_node=state.progress.next_node if state.progress else "",
        questions=tuple(state.questions),
        answers={one.id: state.answers[one.id] for one in state.asked if one.id in state.answers},
        stage=state.in_flight.node if state.in_flight else "",
        is_paused=state.is_paused and not state.status.is_final,
        restarted_as=state.restarted_as,
        promoted_to=moves.promoted_to,
        rolled_back_from=moves.rolled_back_from,
        usage=used_by(directory, state),
        seconds=found.at_rest.seconds(found.last_activity),
    )


_MOVED = ("PromotionCompleted", "PromotionRolledBack")


@dataclass(frozen=True)
class BranchMoves:
    """The branch to which a run was promoted last and is still, and the one last rolled back."""

    promoted_to: str = ""
    rolled_back_from: str = ""


def find_branch_moves(directory: RunDirectory, state: RunState) -> BranchMoves:
    """Return the branches to which a run was promoted, and from which it was rolled back."""
    if state.status != APPROVED:
        return BranchMoves()
    branches: dict[str, None] = {}
    rolled_back = ""
    for line in read_lines(directory.events):
        if b'"Promotion' in line.content:
            record = parse_json(line.content)
            if isinstance(record, dict) and record.get("type") in _MOVED:
                event = Event.from_record(record)
                branch = str(event.data.get("branch", ""))
                branches.pop(branch, None)
                if event.type == _MOVED[0]:
                    branches[branch] = None
                else:
                    rolled_back = branch
    return BranchMoves(next(reversed(branches), ""), rolled_back)


@dataclass(frozen=True)
class _Said:
    """The status, phase and reason in run.json, or in an event that changed the status."""

    status: str
    phase: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.status} ({self.phase})" if self.phase else self.status


def _said(directory: RunDirectory) -> _Said | None:
    return _said_in(read_document(directory.run)) if directory.run.exists() else None


def _said_in(fields: Fields) -> _Said:
    return _Said(fields.text("status"), fields.text("phase"), fields.text("reason"))


def _compared(summary: RunSummary, said: _Said | None, directory: RunDirectory) -> RunSummary:
    """Return the summary, with a note if run.json differs from the journal.

    After a kill, run.json may be older than the journal, but never newer.
    """
    now = _Said(summary.status, summary.phase, summary.reason)
    if said in (None, now) or (summary.is_live and said in _history(directory.events)):
        return summary
    if said in _history(directory.events):
        trouble = f"{directory.run} is outdated: it says {said}, but the journal is newer"
        return replace(summary, trouble=trouble)
    recorded = f"{said}: {said.reason}" if said and said.reason else f"{said}"
    trouble = (
        f"{directory.run} says {recorded}, which is not in the journal; the journal says {now}"
    )
    return replace(summary, trouble=trouble, trouble_code=ExitCode.BROKEN)


def _history(journal: Path) -> Iterator[_Said]:
    """Yield the status of a run after each change, from the start."""
    yield _Said(QUEUED.word.value, QUEUED.phase.value, RunState().reason)
    for line in read_lines(journal) if journal.exists() else ():
        record = parse_json(line.content)
        if isinstance(record, dict) and record.get("type") == "RunStatusChanged":
            event = Event.from_record(record)
            yield _said_in(Fields(event.data, f"event {event.seq} ({event.type})"))


def _troubled(summary: RunSummary, fault: AttractorError) -> RunSummary:
    message = f"{fault.message} ({fault.hint})" if fault.hint else fault.message
    return replace(summary, trouble=message, trouble_code=fault.exit_code)


def _written(journal: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(journal.stat().st_mtime, UTC)
    except OSError:
        return None


def run_names(runs_dir: Path) -> list[str]:
    """Return the names of the entries of a folder of runs, newest run first."""
    # Run ids sort by time.
    return sorted(unsorted_run_names(runs_dir), reverse=True)


def unsorted_run_names(runs_dir: Path) -> list[str]:
    """Return the names of the entries of a folder of runs: sorting 100,000 takes 30 ms."""
    try:
        return os.listdir(runs_dir)  # noqa: PTH208 - 100,000 paths are slow
    except (FileNotFoundError, NotADirectoryError):
        return []


def list_folders(runs_dir: Path) -> list[Path]:
    """Return the directories of the runs in a folder, newest first."""
    return _runs_among(runs_dir, run_names(runs_dir))


def _runs_among(runs_dir: Path, names: Iterable[str]) -> list[Path]:
    # A directory that is just being made has neither file yet; one without a manifest is an error.
    return [runs_dir / one for one in names if is_run(RunDirectory(runs_dir / one))]


def reference_to(root: Path) -> str:
    """Return the id of a run if its directory is named by the id, otherwise the quoted
    directory.
    """
    return root.name if is_run_id(root.name) else shlex.quote(str(root))


def run_root(run_id: str, host: RunHost) -> Path:
    """Return the directory for a run; a new runs folder gets a .gitignore."""
    if not host.runs_dir.exists():
        host.runs_dir.mkdir(parents=True)
        write_whole(host.runs_dir / ".gitignore", "*\n")
    return host.runs_dir / run_id


def last_restart(root: Path, state: RunState) -> str:
    """Return the name of the newest restart of a run for commands."""
    first, found = root, state.restarted_as
    while found:
        directory = RunDirectory(root.parent / found)
        if not directory.manifest.is_file():
            break
        after = open_journal(directory.events, directory.checkpoint).state.restarted_as
        if not after:
            break
        root, found = directory.root, after
    return restart_reference(first, found) if found else ""


def restart_reference(root: Path, run_id: str) -> str:
    """Return the name of a restart of a run for commands.

    If the caller chose the directory of the run, the directory of the restart is beside it.
    """
    return run_id if is_run_id(root.name) else shlex.quote(str(root.parent / run_id))
