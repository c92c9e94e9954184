"""The content of the page of a run and of its report, put together from the run's records."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from zlib import crc32

from fastapi import Request
from markupsafe import Markup

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused, UnknownName
from attractor.base.events import Event
from attractor.engine.journal.events import ENGINE_KINDS
from attractor.engine.journal.reader import JournalReader, find_position
from attractor.engine.run_folder.layout import CHILDREN, Manifest, RunDirectory, read_manifest
from attractor.engine.state.attempts import attempt_key
from attractor.engine.state.run_state import AWAITING_DECISION
from attractor.language.drawing.lanes import Lane, lane_state
from attractor.language.drawing.run_overlay import NodeState, RunStates, StageState
from attractor.language.graph.graph import Node, folder_name
from attractor.pipeline.project.project import Project
from attractor.pipeline.status import (
    PlainStatus,
    RunStatusView,
    allowed_actions,
    plain_status,
    read_status,
)
from attractor.pipeline.workspace.diffs import Diff, FileDiff, read_run_diff, read_stage_diff
from attractor.records.drawing import draw_states
from attractor.records.event_lines import describe_without_time
from attractor.records.evidence import RESPONSE
from attractor.records.summary import RunOverview
from attractor.records.timeline import StageAttempt, Timeline, TimelineReader, find_attempt
from attractor.records.transcript import TRANSCRIPT, TranscriptPage, read_page
from attractor.server.drawings import MOST_PLAIN, FoldKind, GraphDrawing, Look, marked
from attractor.server.html.assets import icon_content
from attractor.server.html.highlighting import (
    DiffLine,
    DiffRow,
    diff_lines,
    highlighted,
    side_by_side,
)
from attractor.server.html.json_parts import pretty
from attractor.server.html.rendering import in_address
from attractor.server.html.stage_output import (
    AT_THE_END,
    OUTPUT_FILES,
    Log,
    LogPlace,
    last_lines,
    read_log,
)
from attractor.server.html.states import SIGNS, state_look
from attractor.server.pieces import Pieces, PieceSource
from attractor.server.service import Service

PROMPT = "prompt.md"
LARGEST_FILE = 200_000
"""The bytes of a file that a page shows."""

MOST_ENTRIES = 300
"""The entries of a transcript on a page."""

MOST_ROWS = 50
"""The attempts outside of branches in the timeline, and the visits to fork at, in a page."""

MOST_EVENTS = 50
"""The events on a page."""

EVENT_TYPES = " ".join(sorted(ENGINE_KINDS))
"""The types of events after which a fragment of the page can be different."""


@dataclass(frozen=True)
class Steps:
    """The number of stages that ended, of those of the pipeline."""

    ended: int
    of: int


@dataclass(frozen=True)
class BranchRow:
    """A branch of a fork with many, as a row of a table.

    `look` draws it beside the others, or with them again, unless all are drawn anyway; `attempt` is
    its newest one.
    """

    lane: Lane
    state: NodeState
    count: str
    attempt: str
    look: Look | None
    is_beside: bool


@dataclass(frozen=True)
class RunView:
    """A run as its page shows it."""

    root: Path
    manifest: Manifest
    status: RunStatusView
    timeline: Timeline
    states: RunStates
    drawing: GraphDrawing

    @property
    def name(self) -> str:
        """The name of the run in addresses; `RUN:STAGE` for a run that a stage started."""
        return _name(self.root)

    @property
    def summary(self) -> RunOverview:
        """The summary of the run."""
        return self.status.summary

    def svg(self, address: str, look_address: str, selected: str, pieces: Pieces) -> Markup:
        """Return the drawing with the states of the stages; each node is a link to its stage.

        In an update, only the states that changed.
        """
        query = self.look_query if look_address else ""
        found = marked(
            self.drawing,
            self.states,
            address=lambda node: f"{address}{in_address(folder_name(node))}{query}",
            sign=lambda state: icon_content(state_look(state.value).icon),
            look_address=(lambda look: f"{look_address}&{look.query}") if look_address else None,
            selected=selected,
        )
        parts = [
            part if isinstance(part, str) else pieces.add(part.id, part.whole, part.change)
            for part in found
            if not (pieces.is_update and isinstance(part, str))
        ]
        text = "".join(parts)
        return Markup(f"<svg>{text}</svg>" if pieces.is_update else text)

    @property
    def branches(self) -> Iterator[tuple[str, Sequence[BranchRow]]]:
        """Yield each fork with many branches, and a row for each of them."""
        attempts = enumerate(self.timeline.attempts)
        newest = {attempt.node: (place, attempt.id) for place, attempt in attempts}
        for bundle in self.drawing.bundles:
            yield bundle.fork, [self._row_of(lane, newest) for lane in bundle.lanes]

    def _row_of(self, lane: Lane, newest: Mapping[str, tuple[int, str]]) -> BranchRow:
        look, tried = self.drawing.look, [newest[node] for node in lane.nodes if node in newest]
        return BranchRow(
            lane,
            lane_state(lane, self.states),
            lane.count(self.states),
            attempt=max(tried)[1] if tried else "",
            look=None if look.fold is FoldKind.NONE else self.drawing.with_branch(lane),
            is_beside=bool({lane.fork, lane.begin} & {*look.out}),
        )

    @property
    def look_query(self) -> str:
        """The query of addresses that keep the look of the graph; empty by default."""
        query = self.drawing.look.query
        return f"?{query}" if query else ""

    @property
    def plain(self) -> PlainStatus:
        """The status for people."""
        return plain_status(self.summary)

    @property
    def needs_decision(self) -> bool:
        """Whether the run waits for a person's decision."""
        summary = self.summary
        return summary.phase == AWAITING_DECISION.phase and not summary.is_resting

    def default_stage(self) -> str:
        """Return the stage that a person wants to see first: at work, failed, or the last one."""
        attempts = self.timeline.attempts
        for state in (StageState.WAITING, StageState.RUNNING, StageState.INTERRUPTED):
            if found := [attempt for attempt in attempts if attempt.state is state]:
                return found[-1].id
        last = self.failed_attempt() or next(reversed(attempts), None)
        return last.id if last else ""

    @property
    def steps(self) -> "Steps":
        """The stages that ended, of all stages of the pipeline."""
        nodes = self.drawing.graph.nodes.values()
        stages = {node.id for node in nodes if node.type not in ("start", "exit")}
        ended = {attempt.node for attempt in self.timeline.attempts if attempt.ends}
        return Steps(len(stages & ended), len(stages))

    @property
    def groups(self) -> Sequence["TimelineGroup"]:
        """The attempts, with those of each branch together."""
        is_short = len(self.drawing.graph.nodes) <= MOST_PLAIN
        return timeline_groups(self.timeline.attempts, is_short=is_short)

    def failed_attempt(self) -> StageAttempt | None:
        """Return the attempt whose failure ended the run, if the run failed."""
        if self.summary.outcome != "fail":
            return None
        ended = (
            attempt
            for attempt in reversed(self.timeline.attempts)
            if attempt.state is StageState.FAILED and not attempt.will_retry
        )
        return next(ended, None)

    def retry_point(self) -> str:
        """Return the visit from which a fork repeats the failure; empty if the run did not fail.

        A join fails because of its branches: the parallel node before it starts them again.
        """
        attempts, nodes = self.timeline.attempts, self.drawing.graph.nodes
        failed = self.failed_attempt()
        if failed is None:
            return ""
        if (join := nodes.get(failed.node)) and join.type == "parallel.fan_in":
            parallel = {node.id for node in nodes.values() if node.type == "parallel"}
            before = (each for each in reversed(attempts) if each.node in parallel)
            failed = next(before, failed)
        return fork_point(failed, attempts)


def _name(root: Path) -> str:
    is_child = root.parent.name == CHILDREN
    return f"{_name(root.parent.parent)}:{root.name}" if is_child else root.name


def read_view(
    root: Path, runs_dir: Path, drawing: GraphDrawing, reader: TimelineReader | None = None
) -> RunView:
    """Read the values for the page of a run; the reader may have read a part before."""
    directory = RunDirectory(root)
    manifest = read_manifest(directory)
    # The timeline first: newer events are requested again.
    timeline = (reader or TimelineReader(directory)).read(with_folders=True)
    timeline.rest()
    states = draw_states(timeline)
    return RunView(root, manifest, read_status(root, runs_dir), timeline, states, drawing)


def run_values(
    view: RunView, address: str, pieces: PieceSource, now: datetime
) -> dict[str, object]:
    """Return the values of templates that every view of a run needs."""
    failed = view.failed_attempt()
    attempts, actions = view.timeline.attempts, allowed_actions(view.status)
    return {
        "run": view,
        "pieces": pieces,
        "address": address,
        "stage_address": f"{address}/stages/",
        "plain": view.plain,
        "title": f"{view.manifest.pipeline} {view.plain}",
        "favicon": state_look(view.plain.head).favicon,
        "actions": actions,
        "visits": list_fork_points(attempts),
        "fork_point_of": partial(fork_point, attempts=attempts),
        "open_visit": "",
        "bars_of": partial(bars_of, timeline=view.timeline),
        "timeline_groups": view.groups,
        "left_out": 0,
        "is_late": False,
        "signs": SIGNS,
        "unfolded": (),
        "picked": "",
        "sign_content": _sign_content,
        "timeline_span": timeline_span(view.timeline, now),
        "look_query": view.look_query if address else "",
        "needs_decision": view.needs_decision,
        "waits": len(view.summary.questions) + view.needs_decision,
        "failed": failed,
        "retry_at": view.retry_point() if "fork" in actions else "",
        "failed_lines": last_lines(failed) if failed else (),
    }


def fork_point(attempt: StageAttempt, attempts: Sequence[StageAttempt]) -> str:
    """Return the visit from which a fork repeats an attempt.

    A fork cannot begin in a branch: it begins at the parallel node that started the branch.
    """
    outer = (
        each
        for each in attempts
        if not each.branch
        and attempt.branch.startswith(attempt_key("", each.node, each.visit, each.attempt))
    )
    begin = next(outer, attempt) if attempt.branch else attempt
    return f"{begin.node}@{begin.visit}"


def list_fork_points(attempts: Sequence[StageAttempt]) -> Sequence[str]:
    """Return the newest visits at which a fork can begin, the newest first."""
    visits = dict.fromkeys(fork_point(each, attempts) for each in attempts if not each.branch)
    return list(reversed(visits))[:MOST_ROWS]


@dataclass(frozen=True)
class Bar:
    """A bar of the timeline, in seconds since the start; the bar of an open period has no end."""

    start: float
    width: float


_ENDLESS = 1e9
"""The width of a bar that reaches beyond the end of the timeline, which cuts it off."""


def timeline_span(timeline: Timeline, now: datetime) -> float:
    """Return the seconds that the timeline shows; a live run's timeline reaches to now."""
    begin = timeline.start
    if begin is None:
        return 1.0
    ends = [period.end for each in timeline.attempts for period in each.periods if period.end]
    # The time of a decision after the last stage would make the bars short.
    end = now if timeline.is_live else max(ends, default=begin)
    return round(max((end - begin).total_seconds(), 0.01), 2)


def bars_of(attempt: StageAttempt, timeline: Timeline) -> Sequence[Bar]:
    """Return the bars of an attempt, which do not change while other attempts go on."""
    begin = timeline.start or attempt.started
    return [
        Bar(
            round((period.start - begin).total_seconds(), 2),
            round((period.end - period.start).total_seconds(), 2) if period.end else _ENDLESS,
        )
        for period in attempt.periods
    ]


@dataclass(frozen=True)
class TimelineGroup:
    """Attempts of a timeline: those of a branch, or an attempt outside of branches."""

    branch: str
    attempts: Sequence[StageAttempt]
    is_short: bool

    @property
    def id(self) -> str:
        """A short name of the branch for elements of a page."""
        return f"group-{crc32(self.branch.encode()):08x}"

    @property
    def name(self) -> str:
        """The first node of the branch."""
        return self.attempts[0].node

    @property
    def state(self) -> StageState:
        """The state of the branch: of what is at work or failed, otherwise of its last attempt."""
        states = {attempt.state for attempt in self.attempts if not attempt.will_retry}
        urgent = (StageState.FAILED, StageState.WAITING, StageState.RUNNING, StageState.INTERRUPTED)
        return next((state for state in urgent if state in states), self.attempts[-1].state)

    @property
    def seconds(self) -> float:
        """The time of all attempts, also of those that were cut."""
        return sum(attempt.worked for attempt in self.attempts)

    def is_open(self, selected: str) -> bool:
        """Return whether the rows of the branch are shown at first."""
        return self.is_short or any(attempt.id == selected for attempt in self.attempts)

    def bars(self, of: Callable[[StageAttempt], Sequence[Bar]]) -> Sequence[Bar]:
        """Return one bar from the first start to the last end."""
        found = [bar for attempt in self.attempts for bar in of(attempt)]
        start = min(bar.start for bar in found)
        return [Bar(start, round(max(bar.start + bar.width for bar in found) - start, 2))]


def timeline_groups(attempts: Sequence[StageAttempt], *, is_short: bool) -> Sequence[TimelineGroup]:
    """Return the attempts of a timeline, with those of each branch together."""
    groups: dict[str, list[StageAttempt]] = {}
    for number, attempt in enumerate(attempts):
        key = "/".join(attempt.branch.split("/")[:2]) or f"/{number}"
        groups.setdefault(key, []).append(attempt)
    return [
        TimelineGroup("" if key.startswith("/") else key, attempts, is_short)
        for key, attempts in groups.items()
    ]


def newest_groups(groups: Sequence[TimelineGroup], picked: str) -> Sequence[TimelineGroup]:
    """Return all branches, and the newest attempts outside of them with the one that is open."""
    rows = [one for one in groups if not one.branch]
    left_out = {
        id(one) for one in rows[:-MOST_ROWS] if all(each.id != picked for each in one.attempts)
    }
    return [one for one in groups if id(one) not in left_out]


@dataclass(frozen=True)
class Tab:
    """A view of a stage: its name in addresses, its label, and the number of its items."""

    name: str
    label: str
    count: int | None = None


@dataclass(frozen=True)
class HighlightedDiff:
    """A diff of one file, to show."""

    file: FileDiff
    lines: Sequence[DiffLine]

    @property
    def is_short(self) -> bool:
        """Whether the lines are shown at first."""
        return len(self.lines) <= MOST_DIFF_LINES

    @property
    def rows(self) -> Iterator[DiffRow]:
        """The lines side by side."""
        return side_by_side(self.lines)

    @property
    def digest(self) -> str:
        """A short hash of path and content: other changes of the file have another one."""
        text = f"{self.file.path}\0{self.file.text}"
        return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]


MOST_DIFF_LINES = 400
MOST_FOLDERS = 20
"""The depth of a tree of files; deeper files have the rest of their path as name."""


@dataclass(frozen=True)
class FileTree:
    """Changed files below a folder, with their names in it."""

    name: str
    folders: Sequence["FileTree"]
    files: Sequence[tuple[str, HighlightedDiff]]


def tree_of(diffs: Sequence[HighlightedDiff], name: str = "", depth: int = 0) -> FileTree:
    """Return changed files as a tree; a folder that has one folder alone is joined to it."""
    files: list[tuple[str, HighlightedDiff]] = []
    folders: dict[str, list[HighlightedDiff]] = {}
    for each in diffs:
        first, *rest = each.file.path.split("/")[depth:]
        if rest and depth < MOST_FOLDERS:
            folders.setdefault(first, []).append(each)
        else:
            files.append(("/".join([first, *rest]), each))
    if name and not files and len(folders) == 1:
        [(inner, found)] = folders.items()
        return tree_of(found, f"{name}/{inner}", depth + 1)
    below = [tree_of(found, inner, depth + 1) for inner, found in folders.items()]
    return FileTree(name, below, files)


@dataclass(frozen=True)
class Changes:
    """The changes of a stage or a run, to show; `refused` and `hint` if they cannot be read."""

    files: Sequence[HighlightedDiff] = ()
    remarks: str = ""
    refused: str = ""
    hint: str = ""

    @property
    def tree(self) -> FileTree:
        """The changed files by folders."""
        return tree_of(self.files)


@dataclass(frozen=True)
class StageView:
    """An attempt of a stage, or a node that the run has not reached, with one of its tabs."""

    node: Node | None
    attempt: StageAttempt | None
    others: Sequence[StageAttempt]
    tabs: Sequence[Tab]
    tab: str
    transcript: TranscriptPage | None = None
    text: str = ""
    changes: Changes = Changes()
    log: Log | None = None

    @property
    def name(self) -> str:
        """The node of the stage."""
        if self.attempt:
            return self.attempt.node
        return self.node.id if self.node else ""


def view_stage(
    view: RunView, reference: str, tab: str = "", place: LogPlace = AT_THE_END
) -> StageView:
    """Return a stage of a run; the first tab with content, or the tab with a name.

    `place`: the part of its output.
    """
    nodes = view.drawing.graph.nodes
    attempts = view.timeline.attempts
    try:
        attempt = find_attempt(attempts, reference)
    except UnknownName:
        node = next((each for each in nodes.values() if folder_name(each.id) == reference), None)
        if node is None:
            raise
        return StageView(node, None, (), (Tab("details", "Details"),), "details")
    files = {each.name for each in attempt.files()}
    diff = read_stage_diff(attempt)
    node = nodes.get(attempt.node)
    tabs = list(_tabs(attempt, files, diff, is_tool=node is not None and node.type == "tool"))
    names = [each.name for each in tabs]
    if tab and tab not in names:
        raise UnknownName("view of this stage", tab, names)
    chosen = tab or names[0]
    others = [each for each in attempts if each.node == attempt.node]
    plain = StageView(node, attempt, others, tabs, chosen)
    return _with_content(plain, attempt, diff, place)


def _tabs(attempt: StageAttempt, files: set[str], diff: Diff, *, is_tool: bool) -> Iterator[Tab]:
    output = Tab("output", "Output")
    if is_tool:
        yield output
    if TRANSCRIPT in files:
        yield Tab("conversation", "Conversation")
    if not is_tool and not files.isdisjoint(OUTPUT_FILES):
        yield output
    if RESPONSE in files:
        yield Tab("response", "Response")
    if PROMPT in files:
        yield Tab("prompt", "Prompt")
    if diff.files:
        yield Tab("changes", "Changes", len(diff.files))
    yield Tab("details", "Details")
    if files:
        yield Tab("files", "Files", len(files))


def _with_content(
    plain: StageView, attempt: StageAttempt, diff: Diff, place: LogPlace
) -> StageView:
    folder = attempt.folder
    match plain.tab:
        case "conversation" if folder:
            page = read_page(folder, offset=0, most=MOST_ENTRIES)
            return replace(plain, transcript=page)
        case "prompt" | "response":
            name = PROMPT if plain.tab == "prompt" else RESPONSE
            return replace(plain, text=read_text(attempt, name))
        case "changes":
            return replace(plain, changes=changes_in(diff))
        case "output":
            return replace(plain, log=read_log(attempt, place))
        case _:
            return plain


def read_text(attempt: StageAttempt, name: str) -> str:
    """Return the beginning of a file of an attempt as text."""
    content = attempt.read_file(name, most=LARGEST_FILE + 1)
    cut = "\n[cut here: the file is larger]" if len(content) > LARGEST_FILE else ""
    return content[:LARGEST_FILE].decode("utf-8", "replace") + cut


def read_changes(root: Path, project: Project) -> Changes:
    """Return the changes of a run from its base."""
    try:
        return changes_in(asyncio.run(read_run_diff(root, project)))
    except Refused as refused:
        return Changes(refused=refused.message, hint=refused.hint)


def split_query(request: Request) -> str:
    """Return the query of a page that shows changes side by side; empty for one column."""
    return "?view=split" if request.query_params.get("view") == "split" else ""


def changes_in(diff: Diff) -> Changes:
    """Return changes to show, with their lines highlighted."""
    files = [HighlightedDiff(file, diff_lines(file.text, file.path)) for file in diff.files]
    cut = "The changes are cut off here: there are more." if diff.is_cut else ""
    return Changes(files, " ".join(filter(None, [diff.remarks, cut])))


@dataclass(frozen=True)
class EventLine:
    """An event in a list: in words, and its data as highlighted JSON."""

    event: Event
    words: str
    data: Markup


def read_event_page(
    root: Path, *, before: int, last: int, node: str, type_: str, is_all: bool
) -> tuple[Sequence[EventLine], int]:
    """Return the newest events before a number (0: all), and the number of the oldest of them.

    An event without words is internal: it is left out unless `is_all` or its type is named. The
    journal is read backwards in steps, so that the newest events of a long journal come fast.
    """
    journal = RunDirectory(root).events
    end = min(before or last + 1, last + 1)
    found: list[EventLine] = []
    while end > 1 and len(found) < MOST_EVENTS:
        begin = max(1, end - _STEP)
        reader = JournalReader(journal, find_position(journal, begin - 1))
        lines = islice(reader.more(end - begin), end - begin)
        events = [line.event for line in lines if line.event and line.event.seq < end]
        fitting = (each for each in events if node in ("", each.node) and type_ in ("", each.type))
        wanted = (line for line in map(event_line, fitting) if is_all or type_ or line.words)
        found += reversed(list(wanted))
        end = begin
    shown = found[:MOST_EVENTS]
    is_more = len(found) > MOST_EVENTS or (shown and end > 1)
    return shown, shown[-1].event.seq if is_more else 0


_STEP = 500


def event_line(event: Event) -> EventLine:
    """Return an event for a list."""
    text = pretty(event.data)
    return EventLine(event, describe_without_time(event), highlighted(text, "data.json"))


def _sign_content(name: str) -> Markup:
    return Markup(icon_content(name))


def judge_address(manifest: Manifest, service: Service) -> str:
    """Return the address of the form that starts the pipeline of a run again, with a suite."""
    project = service.project.root
    file = project / str(manifest.options.get("file", ""))
    if not (file.is_file() and file.is_relative_to(project)):
        return f"/start{service.here}"
    return f"/start?file={in_address(str(file.relative_to(project)))}{service.and_here}"


SECTIONS = ("Changes", "Events", "Context", "Checkpoint")
"""The views of a run besides its stages and the decision."""


def run_tabs(address: str) -> list[tuple[str, str, str]]:
    """Return the tabs of the pages of a run, with their addresses."""
    return [
        ("Stages", address, ""),
        *((section, f"{address}/{section.lower()}", "") for section in SECTIONS),
        ("Decision", f"{address}/decision", ""),
    ]
