"""Events of an outside agent: each program reads its output as these values, which are recorded
like the events of the built-in agent.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace

from attractor.agent.events import EventEmitter, EventKind
from attractor.backends.answer_usage import CallUsage
from attractor.backends.model_proxy import ProviderAnswer
from attractor.backends.models import ModelChoice
from attractor.backends.pricing import Meter
from attractor.base.callables import do_nothing
from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
from attractor.engine.outcome import Usage
from attractor.engine.seams import Exhausted, Spending
from attractor.llm.response import Usage as Tokens, prompt_tokens


@dataclass(frozen=True)
class SessionNamed:
    """The session, with an id if a later stage can continue it; its model and the version of the
    program, if they are known only now. With `has_other_model`, it is not the model of the stage.
    """

    id: str
    model: str = ""
    version: str = ""
    has_other_model: bool = False


@dataclass(frozen=True)
class AgentText:
    """A text of the agent; a `piece` belongs to the same text as the next piece."""

    text: str
    is_piece: bool = False


@dataclass(frozen=True)
class PersonText:
    """A text of the person who works in the program's own terminal."""

    text: str


@dataclass(frozen=True)
class CallBegun:
    """The start of a tool call."""

    id: str
    name: str
    arguments: JsonObject


@dataclass(frozen=True)
class CallEnded:
    """The end of a tool call, with the output, or with an error."""

    id: str
    output: str = ""
    error: str = ""


@dataclass(frozen=True)
class Spent:
    """Tokens of model calls, and the cost in US dollars if the program knows the cost.

    A total is of the whole session, also of earlier processes.
    """

    tokens: Tokens
    cost_usd: float | None = None
    is_total: bool = False


@dataclass(frozen=True)
class Warned:
    """A problem that does not end the work."""

    message: str


@dataclass(frozen=True)
class Failed:
    """An error that ended the work."""

    message: str


NOTHING_SPENT = Spent(Tokens())
# Programs round, and count some parts of a prompt in other ways.
_TOLERANCE = 1.1
_Said = AgentText | PersonText | CallBegun | CallEnded | Spent | Warned | Failed
ProgramEvent = SessionNamed | _Said


class OutsideTranscript:
    """Emits the events of a stage's outside agent, and counts its usage.

    `text`, `failure`, `has_worked` and `refusal` are those of the last process of the program.
    `spent` is the last total of the session that the program continues. `refusal` is the last
    error that the provider answered, as far as the program uses the model proxy. `exhausted` has
    the spent budget that refused a request. `models` are those that requests named.

    The model proxy counts the usage. If it has seen no model call, the usage is what the program
    reports.
    """

    def __init__(
        self,
        emit: EventEmitter,
        meter: Meter,
        spending: Spending,
        choice: ModelChoice,
        *,
        program: str,
    ) -> None:
        self._emit = emit
        self._program = program
        self._prompt = ""
        self._model = choice.model
        self._is_started = False
        self._has_warned = False
        self._meter = meter
        self._is_metered = False
        self._seen = Usage()
        self._spending = spending
        self._choice = choice
        self._pieces: list[str] = []
        self._open: dict[str, str] = {}
        self.spent = NOTHING_SPENT
        self.refusal: ProviderAnswer | None = None
        self.exhausted: asyncio.Future[Exhausted] = asyncio.get_running_loop().create_future()
        self.on_refusal: Callable[[ProviderAnswer], object] = do_nothing
        self.on_event: Callable[[ProgramEvent], object] = do_nothing
        self.has_subscription = False
        self.version = ""
        self.session = ""
        self.text = ""
        self.failure = ""
        self.total = Usage()
        self.models: dict[str, None] = {}
        self.has_worked = False
        self.is_aborted = False

    def begin(self, prompt: str) -> None:
        """Emit the prompt of a new process."""
        self.text = self.failure = ""
        self.has_worked = False
        self.refusal = None
        self._spending.require_budget()
        self._prompt = prompt
        if self._is_started:
            self._emit(EventKind.USER_INPUT, content=prompt)

    def take(self, heard: ProgramEvent) -> None:
        """Emit an event of the program."""
        self.on_event(heard)
        if isinstance(heard, SessionNamed):
            self.session = heard.id
            self._model = heard.model if heard.has_other_model else self._model or heard.model
            self.version = self.version or heard.version
        self._start()
        if isinstance(heard, AgentText) and heard.is_piece:
            self._add_piece(heard.text)
        elif not isinstance(heard, SessionNamed):
            self._join_pieces()
            self._emit_of(heard)

    def _emit_of(self, heard: _Said) -> None:
        match heard:
            case PersonText():
                self.has_worked = True
                self._emit(EventKind.USER_INPUT, content=heard.text)
            case AgentText():
                self._add_piece(heard.text)
                self._join_pieces()
            case CallBegun():
                self.has_worked = True
                self._open[heard.id] = heard.name
                self._emit(
                    EventKind.TOOL_CALL_START,
                    tool_name=heard.name,
                    call_id=heard.id,
                    arguments=dict(heard.arguments),
                )
            case CallEnded():
                self._end_call(heard)
            case Spent():
                self._count(heard)
            case Warned():
                self._emit(EventKind.WARNING, message=heard.message)
            case Failed():
                self.failure = heard.message
                self._emit(EventKind.ERROR, message=heard.message, error="OutsideAgentFailed")

    def called(self, estimate: CallUsage) -> AbstractContextManager[None]:
        """Return the context of a model call that the model proxy forwards."""
        asked = self._meter.estimate(estimate.tokens, self._choice.provider, *estimate.models)
        return self._spending.call(self._paid(asked))

    def answered(self, answer: ProviderAnswer) -> None:
        """Take the answer of a provider, as the model proxy saw it, and count its usage."""
        if answer.error:
            self.refusal = answer
            self.on_refusal(answer)
        if answer.usage is None:
            return
        self._is_metered = True
        is_estimated, models = answer.usage.is_estimated, answer.usage.models
        self.models |= dict.fromkeys(models[-1:])
        if is_estimated:
            # Warnings belong to a session.
            self._start()
        usage = self._meter.take(
            answer.usage.tokens, self._choice.provider, *models, is_estimated=is_estimated
        )
        self._seen += usage
        self._use(usage)

    def require_budget(self) -> None:
        """Raise Exhausted if a budget is spent, and end the program."""
        try:
            self._spending.require_budget()
        except Exhausted as spent:
            if not self.exhausted.done():
                self.exhausted.set_result(spent)
            raise

    def steered(self, text: str) -> None:
        """Emit a message that was passed to the program."""
        self._emit(EventKind.STEERING_INJECTED, content=text)

    def end(self, *, is_aborted: bool) -> None:
        """Emit the ends of unfinished texts and tool calls."""
        self.is_aborted = is_aborted
        self._start()
        self._join_pieces()
        for call in tuple(self._open):
            self._end_call(CallEnded(call, error="the agent ended before the tool"))

    def _start(self) -> None:
        if not self._is_started:
            self._is_started = True
            provider = self._choice.provider
            self._emit(
                EventKind.SESSION_START,
                provider=provider,
                model=self._model,
                program=self._program,
                version=self.version,
            )
            self._emit(EventKind.USER_INPUT, content=self._prompt)

    def _add_piece(self, text: str) -> None:
        if text and not self._pieces:
            self._emit(EventKind.ASSISTANT_TEXT_START)
        if text:
            self._pieces.append(text)
            self._emit(EventKind.ASSISTANT_TEXT_DELTA, delta=text)

    def _join_pieces(self) -> None:
        if self._pieces:
            self.text, self._pieces = "".join(self._pieces), []
            self.has_worked = self.has_worked or bool(self.text.strip())
            self._emit(EventKind.ASSISTANT_TEXT_END, text=self.text, reasoning=None)

    def _end_call(self, heard: CallEnded) -> None:
        name = self._open.pop(heard.id, "")
        result: dict[str, Json] = (
            {"error": heard.error} if heard.error else {"output": heard.output}
        )
        self._emit(EventKind.TOOL_CALL_END, tool_name=name, call_id=heard.id, **result)

    def _count(self, heard: Spent) -> None:
        spent = heard
        if heard.is_total:
            spent, self.spent = _difference(heard, self.spent), heard
        if self._is_metered:
            self._compare(spent)
            return
        if spent.cost_usd is None and self._model:
            usage = self._meter.take(spent.tokens, self._choice.provider, self._model)
        else:
            prompt = prompt_tokens(spent.tokens, self._choice.provider)
            usage = Usage(prompt, spent.tokens.output_tokens, spent.cost_usd or 0.0)
            if spent.cost_usd is None:
                usage = replace(usage, unpriced_tokens=usage.tokens)
            if spent.cost_usd is None and not self._has_warned:
                self._has_warned = True
                message = "the model is unknown: its tokens count, but its cost counts as 0"
                self._emit(EventKind.WARNING, message=message)
        self._use(usage)
        # The program makes its model calls itself, so the budget is checked after each report.
        self._spending.require_budget()

    def count_seen(self) -> None:
        """Add what the model proxy saw to the total of the session, which no program reported."""
        seen, before = self.total, self.spent.tokens
        tokens = replace(
            before,
            input_tokens=before.input_tokens + seen.input_tokens,
            output_tokens=before.output_tokens + seen.output_tokens,
        )
        self.spent, self._seen = replace(self.spent, tokens=tokens), Usage()

    def _compare(self, spent: Spent) -> None:
        """Compare the program's own figures with those of the model proxy, which count."""
        seen, self._seen = self._seen, Usage()
        told = prompt_tokens(spent.tokens, self._choice.provider) + spent.tokens.output_tokens
        if told > seen.tokens * _TOLERANCE and not seen.estimated_tokens:
            message = f"the program reports {told} tokens, but the model proxy saw {seen.tokens}"
            self._emit(EventKind.WARNING, message=f"{message}: other calls count nothing")
        if spent.cost_usd and not seen.cost_usd:
            # The catalogue does not contain the model, but the program knows the price.
            self._use(Usage(cost_usd=spent.cost_usd, unpriced_tokens=-seen.unpriced_tokens))

    def _use(self, usage: Usage) -> None:
        usage = self._paid(usage)
        self.total += usage
        self._spending.use(usage)

    def _paid(self, usage: Usage) -> Usage:
        paid = usage.cost_usd if self.has_subscription else 0.0
        return replace(usage, subscription_usd=paid)


def _difference(total: Spent, before: Spent) -> Spent:
    new, old = total.tokens, before.tokens
    if new.output_tokens < old.output_tokens:
        return total  # the program has lost the totals of its session
    tokens = Tokens(
        new.input_tokens - old.input_tokens,
        new.output_tokens - old.output_tokens,
        cache_read_tokens=(new.cache_read_tokens or 0) - (old.cache_read_tokens or 0),
        cache_write_tokens=(new.cache_write_tokens or 0) - (old.cache_write_tokens or 0),
    )
    cost = None if total.cost_usd is None else total.cost_usd - (before.cost_usd or 0.0)
    return replace(total, tokens=tokens, cost_usd=cost)


_ARGUMENTS = {
    "filePath": "file_path",
    "oldString": "old_string",
    "newString": "new_string",
}


def begin_call(call: str, name: str, arguments: JsonObject, names: Mapping[str, str]) -> CallBegun:
    """Return the start of a tool call, with our names of its tool and arguments.

    People then see edits as changed lines, and commands as such.
    """
    renamed = {_ARGUMENTS.get(key, key): value for key, value in arguments.items()}
    return CallBegun(call, names.get(name, name), renamed)


def count(value: Json) -> int:
    """Return a number of tokens in the output of a program; 0 if it is missing."""
    return value if isinstance(value, int) else 0


def as_text(value: Json) -> str:
    """Return a value of a program's output as text; of content blocks, the texts."""
    match value:
        case str():
            return value
        case {"text": str(text)}:
            return text
        case list():
            return "\n".join(map(as_text, value))
        case None:
            return ""
        case _:
            return json.dumps(value, ensure_ascii=False)
