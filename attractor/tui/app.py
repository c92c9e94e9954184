"""The screen: a list on the left, what is chosen on the right, and the keys below.

The first rows are read without a server, which may have to start; no key acts before it answers.
One worker follows what needs a person, one reads it now and then, one asks about the chosen row,
and one follows the events of its run; none asks twice at once. Only what changed is drawn again.
"""

import asyncio
import gc
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing, suppress
from enum import StrEnum
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import events, on
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen, Screen
from textual.widgets import Input, RichLog, Static
from textual.worker import Worker

from attractor.base.clock import SystemClock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.language.source.text import visible
from attractor.records.event_lines import describe_logged
from attractor.tui.client import Actor, ApiClient, Attention, Evidence, Remark, Request, Run, Worlds
from attractor.tui.errors import NoServer
from attractor.tui.model import (
    Action,
    Listing,
    Prompt,
    Row,
    Section,
    actions_for,
    head_of,
    line_of,
    lines_of,
    message_to,
    messages_of,
    overview_of,
    remarks_of,
    spawn_in,
)
from attractor.tui.row_list import Line, RowList

DETAIL_PAUSE_S, DIFF_PAUSE_S = 0.5, 3.0
"""The pauses between two looks at the chosen row; a diff reads a whole folder."""

POLL_PAUSE_S, RETRY_S = 10.0, 1.0
"""The pauses between two looks at the lists, which a stream tells at once, and after a fault."""

FLUSH_S = 0.1
MOST_LINES = 2000
NARROW = 70
NOTICE_S = 60.0
"""A narrower terminal has one column: the list, or what was opened."""


class View(StrEnum):
    """What the right side shows of the chosen row."""

    OVERVIEW = "overview"
    EVENTS = "events"
    DIFF = "diff"
    MESSAGES = "messages"


MOVES = {"j": 1, "k": -1}
VIEW_KEYS = {"o": View.OVERVIEW, "e": View.EVENTS, "d": View.DIFF, "t": View.MESSAGES}


@dataclass(frozen=True)
class Detail:
    """The facts about the row with an id, and the lines of a view of it."""

    row_id: str = ""
    view: View = View.OVERVIEW
    run: Run | None = None
    lines: Sequence[str] = ()


class Details(RichLog):
    """The lines about the chosen row."""

    @property
    def rich_style(self) -> Style:
        """The style of a line, which textual otherwise computes from all ancestors each time."""
        return self.visual_style.rich_style


class Ask(ModalScreen[str | None]):
    """Asks for a text, or whether to act: Enter gives it, Escape gives None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel"),
        Binding("enter", "dismiss('')", "Yes"),
    ]

    def __init__(self, prompt: Prompt) -> None:
        super().__init__()
        self._prompt = prompt

    def compose(self) -> ComposeResult:
        """Show the words, and a field if a text is asked for."""
        with Vertical():
            yield Static(Text("\n".join(lines_of(self._prompt.words))), markup=False)
            if self._prompt.field:
                yield Input(self._prompt.default)
            yield Static("Enter: go on   Escape: cancel", markup=False)

    @on(Input.Submitted)
    def give(self, event: Input.Submitted) -> None:
        """Return the text if the prompt takes it."""
        event.stop()
        if self._prompt.takes(event.value.strip()):
            self.dismiss(event.value.strip())


class AttractorTui(App[AttractorError]):
    """The terminal interface of one server; it ends with an error if none can be found."""

    TITLE = "attractor"
    CSS_PATH = "app.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (NARROW, "-wide")]
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "back", "Back", show=False)]
    ESCAPE_TO_MINIMIZE = False

    def __init__(
        self,
        read_first: Callable[[], Worlds],
        connect: Callable[[], Awaitable[ApiClient]],
        notice: str = "",
    ) -> None:
        super().__init__()
        self._read_first, self._connect, self._notice = read_first, connect, notice
        self._client: ApiClient | None = None
        self.listing = Listing()
        self.view = View.OVERVIEW
        self.detail = Detail()
        self._evidence: tuple[object, Evidence] = ((), Evidence())
        self._list = RowList(id="list")
        self._head = Static(id="head", markup=False)
        self._body = Details(id="body", wrap=True, max_lines=MOST_LINES, min_width=20)
        self._field = Input(id="message")
        self._said = Static("Starting: keys act once the server answers.", id="said", markup=False)
        self._keys = Static(id="keys", markup=False)
        self._lines: list[str] | None = None
        self.lines: deque[str] = deque(maxlen=MOST_LINES)
        self._followed = ""
        self._stream: Worker[None] | None = None
        self._drafts: dict[str, str] = {}
        self._worlds = self._drawn = Worlds()
        self._wake, self._wake_detail = asyncio.Event(), asyncio.Event()

    def compose(self) -> ComposeResult:
        """Lay out the list, the details, the message field and the keys."""
        with Horizontal(id="main"):
            yield self._list
            with Vertical(id="right"):
                yield self._head
                yield self._body
                yield self._field
        yield self._said
        yield self._keys

    def on_mount(self) -> None:
        """Begin to show rows."""
        # Collecting the objects of all imported modules took up to 0.5 s, in which no key is drawn.
        gc.freeze()
        self._list.focus()
        if self._notice:
            self.notify(self._notice, timeout=NOTICE_S)
        self.run_worker(self._begin(), group="poll")
        self.set_interval(FLUSH_S, self._draw_news)

    async def on_unmount(self) -> None:
        """Close the connections."""
        gc.unfreeze()
        if self._client:
            await self._client.close()

    # What the server says

    @property
    def client(self) -> ApiClient:
        """The client of the server, as soon as there is one."""
        if self._client is None:
            raise NoServer("the server is starting")
        return self._client

    async def _begin(self) -> None:
        """Show the first rows, and look at the server as soon as it answers."""
        # The server says what cannot be read.
        with suppress(AttractorError, OSError):
            self._worlds = await asyncio.to_thread(self._read_first)
        try:
            self._client = await self._connect()
        except AttractorError as fault:
            self.exit(fault)
            return
        for work in (self._watch(), self._poll(), self._poll_detail()):
            self.run_worker(work, group="poll")

    async def _watch(self) -> None:
        """Follow what needs a person and the actors, and begin anew after a lost connection."""
        while True:
            with suppress(AttractorError):
                async with aclosing(self.client.follow_worlds()) as received:
                    async for worlds in received:
                        self._worlds = worlds
            # The poll says what is wrong.
            self._wake.set()
            await asyncio.sleep(RETRY_S)

    async def _poll(self) -> None:
        """Look at the lists now and then: a proxy may hold back the stream."""
        pause = 0.0
        while True:
            self._wake.clear()
            before = self._worlds
            try:
                worlds = await self.client.worlds()
                # What the stream told meanwhile is newer.
                if self._worlds is before:
                    self._worlds = worlds
                if pause != POLL_PAUSE_S:
                    self.say("")
                pause = POLL_PAUSE_S
            except AttractorError as fault:
                pause = RETRY_S
                self.say(fault.in_one_line)
            await _pause(self._wake, pause)

    async def _poll_detail(self) -> None:
        """Look at the chosen row; a slow diff does not delay what needs a person."""
        while True:
            self._wake_detail.clear()
            if row := self.listing.chosen:
                self.detail = await self._read_detail(row, self.view)
                self._draw_right()
            is_diff = self.view is View.DIFF
            await _pause(self._wake_detail, DIFF_PAUSE_S if is_diff else DETAIL_PAUSE_S)

    def _look_now(self) -> None:
        self._wake.set()
        self._wake_detail.set()

    def take(self, needs: Sequence[Attention], actors: Sequence[Actor]) -> None:
        """Show what needs a person, and the actors."""
        before, self.listing = self.listing, self.listing.refresh(needs, actors)
        if before.chosen_id != self.listing.chosen_id:
            self._wake_detail.set()
        self._draw_list()
        self._draw_right()

    async def _read_detail(self, row: Row, view: View) -> Detail:
        run: Run | None = None
        try:
            run = await self.client.run(row.run_id) if row.run_id else None
            return Detail(row.id, view, run, await self._read_lines(row, run, view))
        except AttractorError as fault:
            # Such as a run that was removed, or a dimension that is gone.
            return Detail(row.id, view, run, [visible(fault.in_one_line)])

    async def _read_evidence(self, row: Row) -> Evidence | None:
        """Read the evidence of a row once: it is expensive, and changes with the row."""
        if row.section is Section.ACTORS or row.is_settled:
            return None
        now = (row.id, row.reason, row.since)
        if now != self._evidence[0]:
            self._evidence = (now, await self.client.evidence(row.id))
        return self._evidence[1]

    async def _read_lines(self, row: Row, run: Run | None, view: View) -> Sequence[str]:
        match view:
            case View.OVERVIEW:
                stages = await self.client.last_stages(row.run_id) if row.run_id else []
                return overview_of(row, run, stages, await self._read_evidence(row))
            case View.EVENTS:
                return ()
            case View.DIFF:
                remarks = await self._read_remarks(row)
                diff = await self._read_diff(row)
                return [*remarks_of(remarks), *(lines_of(diff) if diff else ["No changes."])]
            case View.MESSAGES if row.actor:
                actor = row.actor
                return messages_of(await self.client.messages(actor.project.id, actor.name))
            case View.MESSAGES:
                return ["This run answers no messages of an actor."]

    async def _read_remarks(self, row: Row) -> Sequence[Remark]:
        if row.actor and row.actor.dimension:
            return await self.client.remarks(row.project.id, row.actor.dimension)
        return ()

    async def _read_diff(self, row: Row) -> str:
        if row.actor and row.actor.dimension:
            return await self.client.diff_of_dimension(row.project.id, row.actor.dimension)
        return await self.client.diff_of_run(row.run_id) if row.run_id else ""

    async def _follow(self, run_id: str) -> None:
        """Collect the events of a run, and connect again until it ends."""
        after = 0
        while True:
            try:
                async with aclosing(self.client.events(run_id, after)) as received:
                    async for event in received:
                        after = event.seq
                        if words := describe_logged(event):
                            self.lines.append(words)
                return
            except NoServer:
                await asyncio.sleep(1)
            except AttractorError as fault:
                # Such as a corrupt journal, or a run that was removed.
                self.lines.append(visible(fault.in_one_line))
                return

    # Drawing

    def _draw_list(self) -> None:
        # A hidden list has no width.
        width = self._list.size.width or self.size.width
        now, chosen = SystemClock().now(), self.listing.chosen_id
        lines = list[Line]()
        for section in Section:
            rows = self.listing.of(section)
            count = sum(not row.is_settled for row in rows)
            lines.append(Line("", f"{section} ({count})"))
            lines += [
                Line(row.id, line_of(row, now, width, is_chosen=row.id == chosen)) for row in rows
            ]
        self._list.show(lines, chosen)

    def _draw_right(self) -> None:
        row = self.listing.chosen
        run = self._run
        _update(self._head, self._head_words(row, run))
        _update(self._keys, self._key_words(row, run))
        self._field.display = bool(row and row.actor)
        self._field.placeholder = f"Message to {row.name} (m)" if row else ""
        self._change_run(row.run_id if row and self.view is View.EVENTS else "")
        if self.view is not View.EVENTS and self._is_current:
            self._write([*self.detail.lines])

    @property
    def _is_current(self) -> bool:
        return (self.detail.row_id, self.detail.view) == (self.listing.chosen_id, self.view)

    @property
    def _run(self) -> Run | None:
        """The run of the chosen row, if it was read."""
        return self.detail.run if self.detail.row_id == self.listing.chosen_id else None

    def _head_words(self, row: Row | None, run: Run | None) -> str:
        if row is None:
            return "Nothing needs you. N begins a new actor."
        return f"{head_of(row, run)}\n[{self.view}]"

    def _key_words(self, row: Row | None, run: Run | None) -> str:
        pairs = [(one.key, one.label) for one in self._actions(row, run) if one.key]
        if row:
            pairs += [("m", "message")] if row.actor else []
            pairs += [(key, view.value) for key, view in VIEW_KEYS.items() if view is not self.view]
        pairs += [("j k", "choose"), ("J", "next need"), ("Enter", "open"), ("Esc", "back")]
        pairs += [("^p", "commands"), ("q", "quit")]
        # A key and its label stay on one line.
        return "  ".join(
            f"{key} {visible(label)}".replace(" ", "\N{NO-BREAK SPACE}") for key, label in pairs
        )

    def _actions(self, row: Row | None, run: Run | None) -> Sequence[Action]:
        if self._client is None:
            return ()
        of_row = actions_for(row, run) if row else ()
        return [*of_row, spawn_in(row.project.id if row else "")]

    def _write(self, lines: list[str]) -> None:
        """Write the body again if it changed; it stays where the person has scrolled."""
        if lines == self._lines:
            return
        at = self._body.scroll_y
        self._body.clear()
        for line in lines[:MOST_LINES]:
            self._body.write(Text(line), scroll_end=False)
        self._body.scroll_to(y=at if self._lines is not None else 0, animate=False)
        self._lines = lines

    def _empty_body(self) -> None:
        """Empty the body, to write it from the beginning."""
        self._body.clear()
        self._lines, self._followed = None, ""
        self.lines.clear()
        if self._stream:
            self._stream.cancel()

    def _change_run(self, run_id: str) -> None:
        if run_id == self._followed:
            return
        self._empty_body()
        if run_id:
            self._followed = run_id
            self._stream = self.run_worker(self._follow(run_id), exclusive=True, group="events")

    def _draw_news(self) -> None:
        """Draw what was received since the last time."""
        if self._drawn is not self._worlds:
            self._drawn = self._worlds
            needs = sorted(self._drawn.needs.values(), key=lambda need: need.since)
            self.take(needs, [*self._drawn.actors.values()])
        if not self.lines:
            return
        is_at_end = self._body.is_vertical_scroll_end
        self._body.write(Text("\n".join(self.lines)), scroll_end=is_at_end)
        self.lines.clear()

    def say(self, words: str) -> None:
        """Show the result of the last action."""
        _update(self._said, visible(words))

    # Keys

    @on(RowList.Chosen)
    def choose(self, event: RowList.Chosen) -> None:
        """Choose the row under the cursor."""
        if event.row_id != self.listing.chosen_id:
            self._choose(event.row_id)

    def _choose(self, row_id: str) -> None:
        self._drafts[self.listing.chosen_id] = self._field.value
        self.listing = self.listing.choose(row_id)
        self._field.value = self._drafts.get(row_id, "")
        self._empty_body()
        self._draw_list()
        self._draw_right()
        self._wake_detail.set()

    @on(RowList.Opened)
    def open_row(self) -> None:
        """Go to the details of the chosen row."""
        self.screen.add_class("open")
        self._body.focus()

    async def action_back(self) -> None:
        """Go back to the list."""
        self.screen.remove_class("open")
        self._list.focus()

    def on_key(self, event: events.Key) -> None:
        """Take the action of a key on the chosen row."""
        if isinstance(self.screen, ModalScreen) or isinstance(self.focused, Input):
            return
        key = event.character or ""
        row, run = self.listing.chosen, self._run
        if key in VIEW_KEYS:
            self._show(VIEW_KEYS[key])
        elif key == "m" and row and row.actor:
            self.screen.add_class("open")
            self._field.focus()
        elif key in MOVES:
            self._list.action_move(MOVES[key])
        elif key == "J" and (row_id := self.listing.next_need()):
            self._choose(row_id)
        elif key == "q":
            self.exit()
        elif found := [one for one in self._actions(row, run) if one.key == key and key]:
            self._act(found[0])

    def _show(self, view: View) -> None:
        self.view = view
        self._empty_body()
        if self.screen.has_class("-narrow"):
            self.open_row()
        self._draw_right()
        self._wake_detail.set()

    def _act(self, action: Action) -> None:
        self.run_worker(self._ask_and_send(action), group="act")

    async def _ask_and_send(self, action: Action) -> None:
        texts = list[str]()
        for prompt in action.prompts:
            text = await self.push_screen_wait(Ask(prompt))
            if text is None:
                return
            texts.append(text)
        await self._send(action.label, action.filled(texts))

    async def _send(self, label: str, request: Request) -> bool:
        self.say(f"{label} ...")
        try:
            words = await self.client.send(request)
        except AttractorError as fault:
            self.say(f"{label}: {fault.in_one_line}")
            return False
        self.say(words or f"{label}: done")
        self._look_now()
        return True

    @on(Input.Submitted, "#message")
    async def send_message(self, event: Input.Submitted) -> None:
        """Send the message to the actor that the field names."""
        row, text = self.listing.chosen, event.value
        if row and row.actor and text.strip():
            # Keys work while the server answers.
            self.run_worker(self._send_message(row, row.actor, text), group="act")
            await self.action_back()

    async def _send_message(self, row: Row, actor: Actor, text: str) -> None:
        if not await self._send(f"message to {row.name}", message_to(actor, text)):
            return
        # Meanwhile the person may have written another text, or gone to another row.
        if self._drafts.get(row.id) == text:
            del self._drafts[row.id]
        if self.listing.chosen_id == row.id and self._field.value == text:
            self._field.clear()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """List all actions on the chosen row, also those without a key."""
        row = self.listing.chosen
        for action in self._actions(row, self._run):
            key = f" (key {action.key})" if action.key else ""
            yield SystemCommand(
                action.label, f"{row.name if row else ''}{key}", self._taker(action)
            )
        yield from super().get_system_commands(screen)  # pyright: ignore[reportUnknownMemberType]

    def _taker(self, action: Action) -> Callable[[], None]:
        return lambda: self._act(action)


async def _pause(wake: asyncio.Event, at_most: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(at_most):
            await wake.wait()


def _update(widget: Static, text: str) -> None:
    if str(widget.content) != text:
        widget.update(Text(text), layout=False)
        # A new layout draws the whole screen.
        size = widget.content_size
        if widget.get_content_height(size, size, size.width) != size.height:
            widget.refresh(layout=True)
