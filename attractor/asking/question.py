"""A question as a run: its pipeline, the tool that takes the answer, and the checked statements."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from attractor.agent.tool_calls.tool import Permissions, RegisteredTool, define
from attractor.asking.figures import compute, query_schema
from attractor.asking.inquiry import Inquiry
from attractor.asking.statements import CheckedStatement, Statement, check
from attractor.asking.tools import read_tools
from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused, UsageError
from attractor.base.ids import new_run_id
from attractor.base.json import Json, JsonObject
from attractor.base.records import read_record, write_record
from attractor.engine.budgets import Budgets
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.run_folder.result import RunResult
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.start import start_run
from attractor.fleet.views.overview import ExplainedRun
from attractor.records.request import RunRequest
from attractor.worlds.sessions import read_answer

NAME, AGENT, STAGE = "ask", "guide", "answer"
"""The pipeline of a question, the agent that answers, and its stage."""

LONGEST_QUESTION = 10_000
_MOST = 30
LONGEST_TEXT = 1000
_PIPELINE = (
    f"digraph {NAME} {{\n  start [shape=Mdiamond]; done [shape=Msquare]\n"
    f'  {STAGE} [prompt="$goal", agent={AGENT}, auto_status=true]\n'
    f"  start -> {STAGE} -> done\n}}\n"
)


@dataclass(frozen=True)
class StatedAnswer:
    """The form of the tool `answer`."""

    statements: Sequence[Statement]


class AnswerTool:
    """Takes the statements of the agent, the last ones if it answers again, and checks them."""

    def __init__(self, inquiry: Inquiry) -> None:
        self._inquiry = inquiry
        self.statements: Sequence[CheckedStatement] = ()

    def registered(self) -> RegisteredTool:
        """Return the tool."""
        words = "Give your answer. Each statement is checked; the last call of this tool counts."
        return RegisteredTool(
            define("answer", words, {"statements": _schema()}, required=["statements"]),
            lambda arguments, environment: asyncio.to_thread(self._take, arguments),
            is_inherited=False,
            needs=Permissions.READ_ONLY,
        )

    def _take(self, arguments: JsonObject) -> str:
        given = read_record(StatedAnswer, arguments).statements
        self.statements = [self.check(one) for one in given]
        marks = [f"{number}: {one.mark}" for number, one in enumerate(self.statements, 1)]
        return "\n".join(marks)

    def check(self, statement: Statement) -> CheckedStatement:
        """Check a statement; no word of a holdout is repeated."""
        clean = self._inquiry.redactor.members
        told = read_record(Statement, clean(write_record(statement)))
        checked = check(told, partial(compute, self._inquiry), self._inquiry.read_event)
        return read_record(CheckedStatement, clean(write_record(checked)))


def _schema() -> dict[str, Json]:
    """Return the JSON schema of statements."""
    text: dict[str, Json] = {"type": "string", "maxLength": LONGEST_TEXT}
    figure = object_schema({"value": {"type": "number"}, "query": query_schema()}, "value")
    parts: dict[str, Json] = {
        "text": text,
        "figures": list_schema(figure, least=0),
        "cites": cites_schema(least=0),
    }
    return list_schema(object_schema(parts, "text"))


def cites_schema(*, least: int = 1) -> dict[str, Json]:
    """Return the JSON schema of cites."""
    text: dict[str, Json] = {"type": "string", "maxLength": LONGEST_TEXT}
    parts: dict[str, Json] = {"run": text, "seq": {"type": "integer"}, "quote": text}
    return list_schema(object_schema(parts, *parts), least=least)


def list_schema(items: dict[str, Json], *, least: int = 1, most: int = _MOST) -> dict[str, Json]:
    """Return the JSON schema of a list."""
    return {"type": "array", "minItems": least, "maxItems": most, "items": items}


def object_schema(properties: dict[str, Json], *required: str) -> dict[str, Json]:
    """Return the JSON schema of an object with these properties alone."""
    needed: list[Json] = [*required]
    return {
        "type": "object",
        "properties": properties,
        "required": needed,
        "additionalProperties": False,
    }


def require_question(question: str) -> str:
    """Return a question without white space around it; refuse an empty or a long one."""
    hint = 'ask it in a sentence: attractor ask "why is nothing moving?"'
    if not question.strip():
        raise UsageError("the question is empty", hint=hint)
    if len(question) > LONGEST_QUESTION:
        raise UsageError(
            f"the question has {len(question):,} characters, and at most {LONGEST_QUESTION:,} are "
            "taken",
            hint=hint,
        )
    return question.strip()


class AskedQuestion:
    """A question of a person who may reach some projects, or all if none is named.

    `tools_of` returns more tools than those that read.
    """

    def __init__(
        self,
        request: RunRequest,
        opened: OpenProject,
        reached: Collection[str],
        fleet: Callable[[], Sequence[ExplainedRun]],
        tools_of: Callable[[Inquiry], Sequence[RegisteredTool]] = lambda inquiry: (),
    ) -> None:
        if (opened.project.agents_folder / AGENT).exists():
            raise Refused(
                f"agents/{AGENT} of this project would answer in place of the shipped agent, whose "
                "tools only read",
                hint="give the agent of the project another name",
            )
        now = opened.now()
        run_id = new_run_id(now, opened.project.machine.randomness)
        inquiry = Inquiry(opened, run_id, now, reached, fleet)
        self._request, self._run_id, self._taken = request, run_id, AnswerTool(inquiry)
        tools = [*read_tools(inquiry), *tools_of(inquiry), self._taken.registered()]
        console = replace(opened.project.console, tools=tools)
        project = opened.project.with_texts({str(request.file): _PIPELINE})
        self._opened = OpenProject(replace(project, suite="", console=console))

    async def work(self) -> RunResult:
        """Let the shipped agent answer, in a run."""
        return await start_run(self._request, self._opened, run_id=self._run_id)

    def answer(self, result: RunResult) -> Sequence[CheckedStatement]:
        """Return the checked statements; the last words of an agent that gave none are one."""
        said = read_answer(RunDirectory(result.directory).stage(STAGE))
        return self._taken.statements or [self._taken.check(Statement(said))] * bool(said)


def request_of(goal: str, folder: Path, model: str, provider: str, budgets: Budgets) -> RunRequest:
    """Return the request of a question, whose stage works in an empty folder."""
    return RunRequest(
        file=folder / f"{NAME}.dot",
        goal=goal,
        model=model,
        provider=provider,
        workspace="none",
        folder=str(folder),
        budgets=budgets,
        evaluate=False,
    )
