"""The content of the page of a run and of its report, put together from the run's records."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path

from markupsafe import Markup

from attractor.base.dataclasses import dataclass
from attractor.base.events import Event
from attractor.engine.journal.events import ENGINE_KINDS
from attractor.engine.journal.reader import JournalReader, find_position
from attractor.engine.run_folder.layout import CHILDREN, Manifest, RunDirectory, read_manifest
from attractor.engine.state.run_state import AWAITING_DECISION
from attractor.language.drawing.lanes import Lane, lane_state
from attractor.language.drawing.run_overlay import NodeState, RunStates, StageState
from attractor.language.graph.graph import folder_name
from attractor.pipeline.status import (
    PlainStatus,
    RunStatusView,
    allowed_actions,
    plain_status,
    read_status,
)
from attractor.records.drawing import draw_states
from attractor.records.event_lines import describe_without_time
from attractor.records.summary import RunOverview
from attractor.records.timeline import StageAttempt, Timeline, TimelineReader
from attractor.server.drawings import MOST_PLAIN, FoldKind, GraphDrawing, Look, marked
from attractor.server.html.assets import icon_content
from attractor.server.html.highlighting import highlighted
from attractor.server.html.json_parts import pretty
from attractor.server.html.rendering import in_address
from attractor.server.html.stage_output import last_lines
from attractor.server.html.states import SIGNS, state_look
from attractor.server.html.timeline_groups import (
    TimelineGroup,
    bars_of,
    fork_point,
    list_fork_points,
    timeline_groups,
    timeline_span,
)
from attractor.server.pieces import Pieces, PieceSource
from attractor.server.service import Service

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
