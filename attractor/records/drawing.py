"""Draws the graph of a run, coloured by the state of its stages."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.durations import describe_duration
from attractor.base.errors import AttractorError
from attractor.base.events import Event
from attractor.base.files import read_file, write_whole
from attractor.engine.journal.reader import selected_events
from attractor.engine.outcome import StageStatus
from attractor.engine.routing.edge_selection import CandidateVerdict, RouteReason
from attractor.engine.run_folder.layout import RunDirectory, read_files, read_manifest
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.state.progress import step_from_record
from attractor.engine.state.walks import GIVEN_UP
from attractor.engine.storage.json_files import Fields
from attractor.language.drawing.picture import Picture
from attractor.language.drawing.run_overlay import (
    NodeState,
    RunStates,
    StageState,
    TakenEdge,
    overlay,
)
from attractor.language.graph.graph import Graph
from attractor.language.preparation.prepare import (
    KnownFiles,
    TransformContext,
    transform_all,
    with_goal,
)
from attractor.language.reading import decode, parse

_JUMPS = frozenset(
    {RouteReason.RETRY_TARGET, RouteReason.FALLBACK_RETRY_TARGET, RouteReason.GOAL_GATE}
)


@dataclass(frozen=True)
class DrawableRun:
    """The graph of a run, and the states of its stages."""

    graph: Graph
    states: RunStates

    @property
    def picture(self) -> Picture:
        """Return the picture to draw."""
        return overlay(self.graph, self.states)


def read_drawn(directory: RunDirectory) -> DrawableRun:
    """Read the graph and the journal of a run, to draw it."""
    states = read_states(directory)
    return DrawableRun(read_graph(directory), states)


def read_states(directory: RunDirectory) -> RunStates:
    """Read the states of a run's stages from its journal."""
    return states_of(read_events(directory.events), name=f"run {read_manifest(directory).run_id}")


def read_graph(directory: RunDirectory) -> Graph:
    """Read the graph of a run, as it is walked."""
    manifest = read_manifest(directory)
    file = directory.graph
    content = read_file(file)
    graph = parse(decode(content, file=str(file)), file=str(file))
    if manifest.goal != graph.goal:
        graph = with_goal(graph, manifest.goal)
    return transform_all(graph, context=TransformContext(files=KnownFiles(read_files(directory))))


def read_events(journal: Path) -> Iterator[Event]:
    """Yield the events that change a drawing, and the first and the last event of a journal."""
    return selected_events(journal, RunDrawing().kinds)


def states_of(events: Iterable[Event], *, name: str = "") -> RunStates:
    """Return the states of a run's stages after all events.

    `name` begins the caption.
    """
    keep_drawing = RunDrawing()
    for event in events:
        keep_drawing.take(event)
    return keep_drawing.states(name)


class RunDrawing:
    """Computes the states of a run's stages from the events of the run."""

    def __init__(self) -> None:
        self._nodes: dict[str, NodeState] = {}
        self._branches: dict[str, str] = {}
        self._taken = Counter[TakenEdge]()
        self._current = ""
        self._status = ""
        self._seconds = 0.0
        self._changes: Mapping[str, Callable[[Event, Fields], None]] = {
            "PipelineStarted": self._begun,
            "StageStarted": self._started,
            "StageCompleted": self._completed,
            "StageFailed": self._failed,
            "StageParked": self._parked,
            "ParallelBranchCompleted": self._branch_completed,
            "EdgeSelected": self._selected,
            "CheckpointSaved": self._saved,
            "RunInterrupted": self._interrupted,
            "PipelineFailed": self._interrupted,
            "RunStatusChanged": self._status_changed,
        }

    @property
    def kinds(self) -> Collection[str]:
        """The types of the events that change a drawing."""
        return self._changes.keys()

    def take(self, event: Event) -> None:
        """Apply an event; most event types change nothing in a drawing."""
        change = self._changes.get(event.type)
        if change is not None:
            change(event, Fields(event.data, f"event {event.seq} ({event.type})"))

    def states(self, name: str = "") -> RunStates:
        """Return the states after the events so far."""
        spent = describe_duration(_whole(self._seconds)) if self._seconds else ""
        caption = " · ".join(filter(None, [name, self._status, spent]))
        return RunStates(dict(self._nodes), dict(self._taken), self._current, caption)

    def _begun(self, event: Event, data: Fields) -> None:
        self._current = data.inner("progress").text("next_node")

    def _started(self, event: Event, data: Fields) -> None:
        node = event.node or ""
        known = replace(self._known(event), state=StageState.RUNNING, visits=event.visit or 1)
        self._nodes[node] = known
        self._branches[node] = event.branch or ""
        if not event.branch:
            self._current = node

    def _completed(self, event: Event, data: Fields) -> None:
        is_skipped = data.text("outcome") == StageStatus.SKIPPED
        state = StageState.SKIPPED if is_skipped else StageState.DONE
        self._end(event, data, state, reason="")

    def _failed(self, event: Event, data: Fields) -> None:
        state = StageState.RUNNING if data.flag("will_retry") else StageState.FAILED
        self._end(event, data, state, reason=data.text("error"))

    def _parked(self, event: Event, data: Fields) -> None:
        self._nodes[event.node or ""] = replace(self._known(event), state=StageState.WAITING)

    def _interrupted(self, event: Event, data: Fields) -> None:
        self._interrupt([StageState.RUNNING])

    def _branch_completed(self, event: Event, data: Fields) -> None:
        """Mark the stages of a branch, and of the branches inside it, as no longer running."""
        if data.text("outcome") == GIVEN_UP:
            self._interrupt([StageState.RUNNING, StageState.WAITING], within=event.branch or "")

    def _interrupt(self, states: Collection[StageState], *, within: str = "") -> None:
        for node, known in self._nodes.items():
            branch = self._branches.get(node, "")
            if known.state in states and f"{branch}/".startswith(f"{within}/" if within else ""):
                self._nodes[node] = replace(known, state=StageState.INTERRUPTED)

    def _selected(self, event: Event, data: Fields) -> None:
        reason, target = data.text("reason"), data.text("target")
        for one in data.inners("candidates"):
            if one.text("fate") == CandidateVerdict.A_BRANCH:
                words = (one.text("target"), one.text("label"), one.text("condition"))
                self._taken[TakenEdge(event.node or "", *words)] += 1
        if not target or reason == RouteReason.JOIN:
            return
        if reason in _JUMPS:
            # An unsatisfied goal gate sends the walk back; its last stage is not the reason.
            source = "" if reason == RouteReason.GOAL_GATE else event.node or ""
            self._taken[TakenEdge(source, target, is_jump=True)] += 1
        else:
            label, condition = data.text("label"), data.text("condition")
            self._taken[TakenEdge(event.node or "", target, label, condition)] += 1

    def _saved(self, event: Event, data: Fields) -> None:
        if not data.has("step") or event.branch:
            return
        move = step_from_record(data.inner("step")).move
        self._current = "" if move.is_restart else move.target
        if move.end:
            # An exit has no stage event: it is done when the walk has ended there.
            self._nodes.setdefault(move.end.node, NodeState(StageState.DONE))

    def _status_changed(self, event: Event, data: Fields) -> None:
        words = (data.text("status").replace("_", " "), data.text("reason"))
        self._status = ": ".join(filter(None, words))

    def _end(self, event: Event, data: Fields, state: StageState, *, reason: str) -> None:
        seconds = data.real("duration")
        if not event.branch:
            # The time of a parallel stage includes its branches.
            self._seconds += seconds
        known = self._known(event)
        spent = (known.duration or timedelta()) + _whole(seconds)
        ended = replace(known, state=state, duration=spent, reason=reason)
        self._nodes[event.node or ""] = ended

    def _known(self, event: Event) -> NodeState:
        return self._nodes.get(event.node or "", _NEW)


_NEW = NodeState(StageState.UNREACHED)


def _whole(seconds: float) -> timedelta:
    return timedelta(milliseconds=round(seconds * 1000))


GRAPH_NOT_DRAWN = "GraphNotDrawn"
"""The event type of a failed attempt to draw `graph.svg`."""

MOST_NODES = 300

MOST_BYTES = 16 << 20
"""The maximum size of a journal that is read for a drawing."""

AT_THE_END = timedelta(seconds=2)
"""The maximum time that an ended run waits until the drawing is finished."""

MEANWHILE = timedelta(seconds=30)

SOON_S = 0.5
"""The seconds until the first drawing; a shorter run is drawn only at its end."""


@asynccontextmanager
async def keep_drawing(run: OpenRun, graph: Graph) -> AsyncGenerator[None]:
    """Draw a run soon after the start of the run, and again when the run stops or ends.

    If drawing fails, an event records the error, and the run continues.
    """
    drawing = asyncio.create_task(_soon(run, graph))
    try:
        yield
    finally:
        drawing.cancel()
        await asyncio.wait([drawing])
    try:
        await _draw(run, graph, AT_THE_END)
    except AttractorError as trouble:
        # Even if this event cannot be written, the run does not fail.
        with suppress(AttractorError):
            run.emit(GRAPH_NOT_DRAWN, {"why": str(trouble)}, sync=True)


async def _soon(run: OpenRun, graph: Graph) -> None:
    await asyncio.sleep(SOON_S)
    # The error is recorded at the end of the run.
    with suppress(AttractorError):
        await _draw(run, graph, MEANWHILE)


async def _draw(run: OpenRun, graph: Graph, time_limit: timedelta) -> None:
    if len(graph.nodes) > MOST_NODES:
        raise TooLarge(f"the graph has more than {MOST_NODES} nodes")
    picture = await asyncio.to_thread(_picture, run.directory)
    # Imported here: the drawing code is slow to load, and few runs are drawn.
    from attractor.language.drawing.draw import draw

    svg = await draw(picture, time_limit=time_limit)
    write_whole(run.directory.drawing, run.redactor.text(svg), sync=False)


def _picture(directory: RunDirectory) -> "Picture":
    """Read the run to draw, or raise TooLarge."""
    journal = directory.events
    if journal.exists() and journal.stat().st_size > MOST_BYTES:
        raise TooLarge(f"the journal has more than {MOST_BYTES} bytes")
    return read_drawn(directory).picture


class TooLarge(AttractorError):
    """The run is too large to draw in the background."""

    hint = "draw it with attractor render"
