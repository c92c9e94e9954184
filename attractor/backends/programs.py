"""Programs of outside agents: the call for a prompt, and the dialogue with the running program."""

import asyncio
import codecs
import secrets
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import field
from pathlib import Path

from attractor.backends.model_proxy import ModelAccess
from attractor.backends.models import MODEL, ModelChoice, ModelDefaults
from attractor.backends.outside_events import AgentText, Failed, ProgramEvent, Warned
from attractor.backends.team import TeamAccess
from attractor.base.callables import do_nothing
from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.json import JsonObject, parse_json
from attractor.engine.questions.call_rules import AskedCall
from attractor.engine.seams import Approvals, Verdict
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.ports import offer_any
from attractor.language.graph.graph import Node

LOOPBACK = "127.0.0.1"
_LONGEST_LINE = 64 << 20
_PIECE = 1 << 16


@dataclass(frozen=True)
class Task:
    """One prompt for a program, which it executes in `folder`.

    Without `access` and `home`, the program uses the login and the home folder of the operator.
    `arguments` are those that a person chose. With `approvals`, the program asks before its tool
    calls. The server of the `team` has tools for other agents.
    """

    prompt: str
    choice: ModelChoice
    folder: str
    home: str = ""
    access: ModelAccess | None = None
    session: str = ""
    arguments: tuple[str, ...] = ()
    approvals: Approvals | None = None
    team: TeamAccess | None = None


@dataclass(frozen=True)
class Invocation:
    """A call of a program: arguments, variables, files in its home folder, and its input."""

    arguments: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    input: str = ""


class Dialogue:
    """The output of a running program as it arrives, and its input.

    `messages` are the messages that the agent has not read yet. `halted` gets the error that ends
    the program because no person answered a question about a tool call. `on_intruder` is called if
    another process connects to the input of the program.
    """

    def __init__(
        self,
        task: Task,
        take: Callable[[ProgramEvent], None],
        on_intruder: Callable[[], object] = do_nothing,
    ) -> None:
        self.task = task
        self.take = take
        self._on_intruder = on_intruder
        self._has_intruder = False
        self._reading: asyncio.Task[None] | None = None
        self.output = asyncio.StreamReader(limit=_LONGEST_LINE)
        self.messages: deque[str] = deque()
        self._input: asyncio.Future[asyncio.StreamWriter | None] = asyncio.Future()
        self.halted: asyncio.Future[BaseException] = asyncio.Future()
        self._asking: set[asyncio.Task[None]] = set()

    async def input(self) -> asyncio.StreamWriter | None:
        """Return the input of the program when it has started; None if it has ended."""
        return await asyncio.shield(self._input)

    def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Set the input; return whether this is the first connection.

        A program that asks also writes its output there: unlike a pipe, a socket cannot be opened
        by another process of the sandbox, which could ask in the name of the program.
        """
        if self._input.done():
            return False
        self._input.set_result(writer)
        if self.task.approvals:
            self._reading = asyncio.create_task(self._read(reader))
        return True

    def refuse_intruder(self) -> None:
        """Report another process that connects to the input; the first one, not a thousand."""
        if not self._has_intruder:
            self._has_intruder = True
            self._on_intruder()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            while piece := await reader.read(_PIECE):
                self.output.feed_data(piece)
        self.output.feed_eof()

    def write(self, text: str) -> None:
        """Write to the input of a program that has started."""
        if writer := self._writer:
            writer.write(text.encode())

    def ask(self, call: AskedCall, answer: Callable[[Verdict], None]) -> asyncio.Task[None]:
        """Ask about a tool call while the program goes on, and answer it."""
        asking = asyncio.create_task(self._ask(call, answer))
        self._asking.add(asking)
        asking.add_done_callback(self._asking.discard)
        return asking

    async def _ask(self, call: AskedCall, answer: Callable[[Verdict], None]) -> None:
        try:
            approvals = self.task.approvals
            answer(await approvals.ask(call) if approvals else Verdict(True))
        # Raised again where the program is run.
        except Exception as error:  # noqa: BLE001
            if not self.halted.done():
                self.halted.set_result(error)

    def close_input(self) -> None:
        """Close the input, so that the program exits."""
        if not self._input.done():
            self._input.set_result(None)
        elif (writer := self._writer) and self._reading and not self._reading.done():
            # The program still writes its output there.
            writer.write_eof()
        elif writer:
            writer.close()

    @property
    def is_open(self) -> bool:
        """Whether the program has started, and reads its input."""
        return self._writer is not None and not self._writer.is_closing()

    @property
    def _writer(self) -> asyncio.StreamWriter | None:
        return self._input.result() if self._input.done() else None

    def end(self) -> None:
        """End the output and the input, because the program has ended."""
        for asking in self._asking:
            asking.cancel()
        if self._reading is None:
            self.output.feed_eof()
        self.close_input()

    async def json_lines(self) -> AsyncIterator[JsonObject]:
        """Yield the JSON objects of the output until it ends; other lines are notices."""
        is_open = True
        while is_open:
            try:
                line = await self.output.readline()
            except ValueError:
                most = _LONGEST_LINE >> 20
                self.take(Warned(f"a line of the output was skipped: it is larger than {most} MiB"))
                continue
            is_open = bool(line)
            with suppress(NotCanonical):
                if line.startswith(b"{") and isinstance(value := parse_json(line), dict):
                    yield value

    async def texts(self) -> AsyncIterator[str]:
        """Yield the output in pieces until it ends."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while piece := await self.output.read(_PIECE):
            yield decoder.decode(piece)
        yield decoder.decode(b"", final=True)


@asynccontextmanager
async def open_input(dialogue: Dialogue, environment: ExecutionEnvironment) -> AsyncGenerator[str]:
    """Yield the beginning of a shell command whose input is the input of a dialogue.

    Environments start commands with a fixed input, so the shell connects to this process.
    """
    token = secrets.token_hex(16)
    ends = "<&3 >&3" if dialogue.task.approvals else "<&3"

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_known = await reader.readline() == f"{token}\n".encode()
        if is_known and dialogue.connect(reader, writer):
            return
        # A program that was ended before it began connects too late.
        if not is_known or dialogue.is_open:
            dialogue.refuse_intruder()
        writer.close()

    async with (
        await asyncio.start_server(accept, LOOPBACK, 0) as server,
        offer_any(environment, server.sockets[0].getsockname()[1]) as port,
    ):
        try:
            yield (
                f"exec 3<>/dev/tcp/{LOOPBACK}/{port} && echo {token} >&3 && exec {ends} 3>&- && "
            )
        finally:
            dialogue.close_input()


LONGEST_OUTPUT = 64 << 20


async def take_output(dialogue: Dialogue) -> None:
    """Take the whole output as the answer, and refuse an endless one."""
    left = LONGEST_OUTPUT
    async for text in dialogue.texts():
        left -= len(text)
        if left < 0:
            dialogue.take(Failed(f"its output is longer than {LONGEST_OUTPUT:,} characters"))
            return
        dialogue.take(AgentText(text, is_piece=True))


Read = Callable[[JsonObject], Iterable[ProgramEvent]]
"""Type of a function that reads one line of a program's output."""

Drive = Callable[[Dialogue], Awaitable[None]]
"""Type of a function that follows a program to the end of its work."""


def follow(read: Read) -> Drive:
    """Return the drive of a program that only prints events."""

    async def drive(dialogue: Dialogue) -> None:
        async for line in dialogue.json_lines():
            for heard in read(line):
                dialogue.take(heard)

    return drive


@dataclass(frozen=True, kw_only=True)
class OwnTerminal:
    """The terminal of a program, in which a person continues a session.

    `invoke` also gets the text of the file `settings` in the home folder, and answers the dialogs
    of a first start by files. `log` is a shell command that prints the session that was used last
    as JSON lines, which `read` reads; those with an older `timestamp` are left out. Its variable
    `program` has the path of the program.
    """

    invoke: Callable[[Task, str], Invocation]
    log: str
    read: Read
    settings: str = ""


@dataclass(frozen=True, kw_only=True)
class Program:
    """A coding agent, started once for each prompt.

    `run` is the command of the user, otherwise the program with this `name` is started.
    `providers` are those whose models the program can use, the usual one first. `login` is a file
    in the home folder of an operator who has logged in. `sessions` are paths in the home folder by
    which a later stage continues a session. A program with `steer` takes messages while it works.
    `offered` are providers whose keys are set, for a program without `providers`. A program that
    `asks` before tool calls does so in this form, or in the form `asking`. `prepare` returns the
    variables and files with which the program works by the words of a person. A person can work in
    its `terminal`, if it has one.
    """

    name: str
    remedy: str
    invoke: Callable[[Task], Invocation]
    drive: Drive
    run: str = ""
    providers: tuple[str, ...] = ()
    offered: tuple[str, ...] = ()
    read: tuple[Path, ...] = ()
    login: str = ""
    sessions: tuple[str, ...] = ()
    prints_version: bool = True
    keeps_input: bool = False
    asks: bool = False
    asking: "Program | None" = None
    needs_model: bool = False
    needs_run: bool = False
    is_shell_command: bool = False
    steer: Callable[[Dialogue, str], None] | None = None
    prepare: Callable[[Task], Invocation] | None = None
    terminal: OwnTerminal | None = None

    def that_asks(self) -> "Program | None":
        """Return the form of the program that asks before tool calls; None if it cannot."""
        return self.asking or (self if self.asks else None)

    def choose(self, node: Node, defaults: ModelDefaults) -> ModelChoice:
        """Return the model of a node; an empty model or effort means the program's default."""
        chosen = defaults.choose(node)
        effort = node.attributes.text("reasoning_effort")
        # A default of the settings may be a model for other nodes.
        model = chosen.model if self.can_use(chosen.provider) else node.attributes.text(MODEL)
        if chosen.provider in (*self.providers, *self.offered):
            bare = model.removeprefix(f"{chosen.provider}/")
            return ModelChoice(chosen.provider, bare, effort)
        provider = self.providers[0] if self.providers else ""
        if not chosen.provider and len(self.offered) == 1:
            provider = self.offered[0]
        return ModelChoice(provider, model, effort)

    def can_use(self, provider: str) -> bool:
        """Return whether the program can use models of a provider; "" is an unknown one."""
        return not self.providers or provider in ("", *self.providers)
